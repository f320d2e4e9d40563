// SPDX-License-Identifier: BSD-3-Clause
// One NTP server and the exchange of packets with it: when to ask, what to send, what to believe of
// an answer (RFC 5905 sections 8 and 9 in client mode, RFC 8633, RFC 9109; interleaved: RFC 9769).
// Pure: time, randomness and packets are arguments; what is to be done comes back as an action. The
// control thread's.
#pragma once

#include "sync/sample.h"
#include "sync/timeline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSOCIATION_PACKET 1024 // octets, of what is sent and what is looked at

// As in chrony.conf(5); intervals in seconds.
struct association_options {
	int minpoll, maxpoll; // log2 s, -7..24
	bool iburst, burst, xleave;
	uint8_t version;
	uint8_t minstratum; // what its stratum counts as at least
	unsigned polltarget;
	int presend; // minpoll from which a request is sent ahead, to fill ARP tables; above 24: never
	unsigned maxunreach;
	double maxdelay, maxdelayratio, maxdelaydevratio, maxdelayquant; // 0: no such test
	double mindelay, asymmetry, offset;
};

// Why an answer was not taken, or that it was. The counters are the source's.
enum association_verdict {
	ASSOCIATION_SAMPLE, // `sample` is filled
	ASSOCIATION_NOT_SAMPLED, // genuine and synchronised, but gives no sample (first interleaved answer)
	ASSOCIATION_MALFORMED, // length, version or mode
	ASSOCIATION_BOGUS,     // origin is not what was sent, or nothing was asked
	ASSOCIATION_DUPLICATE,
	ASSOCIATION_UNSYNCHRONISED, // leap 3, stratum 0 or 16, root distance or reference time
	ASSOCIATION_KISS,           // KoD
	ASSOCIATION_DELAYED,        // failed one of the maxdelay* tests
	ASSOCIATION_LOOP,           // it is synchronised to us
	ASSOCIATION_VERDICTS,
};

// What control/ is asked to do.
struct association_action {
	size_t send_length; // 0: nothing to send
	uint8_t packet[ASSOCIATION_PACKET];
	bool new_port;        // from a new random source port: open another socket first
	int64_t wake_free_ns; // when association_on_timer() is due, in free time
	bool replace;         // a pool's member that is of no use: another address, please
};

// One's own stamp of a packet.
struct association_stamp {
	utc_t local;
	uint64_t epoch; // the timeline's at that moment
	enum stamp_level level;
};

struct association; // opaque: see association.c

size_t association_size(void);
void association_init(struct association *association, const struct association_options *options,
		uint64_t random);
// From now on it asks. `free_ns` is now, here and below.
void association_start(struct association *association, int64_t free_ns,
		struct association_action *action);
// The timer is due. `now` is the clock's (for sub-second polls the transmit stamp's fallback).
void association_on_timer(struct association *association, const struct timeline *timeline,
		int64_t free_ns, uint64_t random, struct association_action *action);
// A stamp of the request that was last sent; a better one replaces a worse one. Comes before
// the answer, or never.
void association_on_sent(struct association *association, const struct association_stamp *stamp);
// A datagram from the server's address and port to the socket in use. `own_refids` are those that
// would mean a loop. Writes `sample` with ASSOCIATION_SAMPLE only.
enum association_verdict association_on_reply(struct association *association,
		const struct timeline *timeline, const uint8_t *packet, size_t length,
		const struct association_stamp *received, const uint32_t *own_refids,
		unsigned own_refid_count, struct sample *sample, struct association_action *action);
