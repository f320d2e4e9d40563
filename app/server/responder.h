// SPDX-License-Identifier: BSD-3-Clause
// The server's answer, pure: request bytes and timestamps in, reply bytes and a verdict out.
// Works in UTC, knows neither counters nor ports. One responder per worker, used by it alone.
#pragma once

#include "base/address.h"
#include "base/utc.h"
#include "base/verdict.h"
#include "ntp/packet.h"
#include "server/policy.h"

#include <stdint.h>

// What all replies of one burst share.
struct serving {
	// LI, stratum, precision, root delay and dispersion, refid and reference time as they go on
	// the wire; version, mode and poll are zero and come from each request.
	uint8_t head[NTP_HEAD_SIZE];
	uint64_t epoch; // differs after a step of the clock
};

// The head of a server that has no time to give: LI 3, stratum 0, root delay and dispersion 1 s,
// the precision kept (RFC 5905 section 7.3).
void serving_set_unsynchronised(struct serving *serving, int8_t precision);

struct request {
	const uint8_t *payload; // UDP payload
	uint16_t length;
	uint16_t source_port;
	const struct address *source;
	utc_t received; // not before it really arrived
};

struct responder {
	uint64_t random;      // state of the low bits' generator
	uint64_t epoch;       // of last_receive
	ntp64_t last_receive; // the newest receive timestamp given out in this epoch
};

void responder_init(struct responder *responder, uint64_t seed);

// Writes the 48 octets of the answer, but for the transmit timestamp, over `reply` (which may be
// the request's own payload). Receive timestamps are unique within an epoch, have low bit 1, and
// random bits below the precision, upward (RFC 9769 section 2; B2.9). Returns VERDICT_ANSWERED,
// or the verdict of a drop with `reply` untouched.
enum verdict responder_answer(struct responder *responder, const struct policy *policy,
		const struct serving *serving, const struct request *request,
		uint8_t reply[NTP_HEADER_SIZE]);

// Writes the transmit timestamp: low bit 0, random bits below the precision downward, later than
// the receive timestamp. `departs` is not after it really leaves. Returns what was written, the
// place to learn the real departure for when the NIC tells it.
ntp64_t responder_stamp(struct responder *responder, uint8_t reply[NTP_HEADER_SIZE], utc_t departs);

// Takes back what a reply claims to know: for when the time it was made from has expired before
// it left. Version, mode, poll, precision and the timestamps stay.
void responder_disown(uint8_t reply[NTP_HEADER_SIZE]);
