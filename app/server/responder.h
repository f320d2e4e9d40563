// SPDX-License-Identifier: BSD-3-Clause
// The server's answers, pure: a burst of requests and timestamps in, verdicts and replies out, each
// request's payload turned into its reply where it lies. Works in UTC, knows neither counters nor
// ports. One responder per worker, used by it alone. A burst is admit(), then the refused taken
// out, what server/reply.h does for each of the others, and sent().
#pragma once

#include "base/address.h"
#include "base/utc.h"
#include "base/verdict.h"
#include "ntp/packet.h"
#include "server/client_table.h"
#include "server/policy.h"

#include <stdbool.h>
#include <stdint.h>

#define REQUESTS 64

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

// The requests of one burst in the order received.
struct requests {
	unsigned count;
	uint8_t *payload[REQUESTS]; // UDP payload, at least 48 octets
	uint8_t flags[REQUESTS];    // version and mode of the reply, as ntp/packet.h tells them
	struct address source[REQUESTS];
	utc_t received[REQUESTS]; // not before it really arrived

	uint8_t verdict[REQUESTS];      // enum verdict, by responder_admit()
	struct client client[REQUESTS]; // if the responder has a client table
	ntp64_t departed[REQUESTS]; // likewise: of the reply before, in interleaved mode; else 0
	ntp64_t receive[REQUESTS];  // timestamp, by reply_write()
};

// Puts the request at `from` in the place `to`.
static inline void requests_move(
		struct requests *requests, unsigned to, unsigned from, bool has_clients)
{
	requests->payload[to] = requests->payload[from];
	requests->flags[to] = requests->flags[from];
	requests->source[to] = requests->source[from];
	requests->received[to] = requests->received[from];
	requests->verdict[to] = requests->verdict[from];
	if (has_clients) {
		requests->client[to] = requests->client[from];
		requests->departed[to] = requests->departed[from];
	}
}

struct responder {
	struct client_table *clients; // or NULL: no rate limit, no interleaved mode
	uint64_t random;              // what the low bits of each burst start from
	uint64_t epoch;               // of last_receive
	ntp64_t last_receive;         // the newest receive timestamp given out in this epoch
};

void responder_init(struct responder *responder, uint64_t seed, struct client_table *clients);

// Decides on each request. Returns how many have a verdict that is an answer; the others are to be
// taken out before they would be answered.
unsigned responder_admit(struct responder *responder, const struct policy *policy,
		const struct serving *serving, struct requests *requests);

// Takes back what a reply claims to know: for when the time it was made from has expired before it
// left. Version, mode and poll, precision and the timestamps stay. Returns the new sum of what
// comes before the receive timestamp.
uint64_t responder_disown(uint8_t reply[NTP_HEADER_SIZE]);

// Notes that the first `count` replies were sent, not before `departed`.
void responder_sent(struct responder *responder, struct requests *requests, unsigned count,
		utc_t departed);
