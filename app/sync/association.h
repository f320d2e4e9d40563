// SPDX-License-Identifier: BSD-3-Clause
// One NTP server and the exchange of packets with it: when to ask, what to send, what to believe of
// an answer (RFC 5905 sections 8 and 9 in client mode, RFC 8633, RFC 9109; interleaved: RFC 9769).
// Pure: time, randomness and packets are arguments; what is to be done comes back as an action. The
// control thread's.
#pragma once

#include "sync/client_packet.h"
#include "sync/exchange.h"
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
	double precision; // of our clock's readings
};

// Why an answer was not taken, or that it was. The counters are the source's.
enum association_verdict {
	ASSOCIATION_SAMPLE, // `sample` is filled
	ASSOCIATION_NOT_SAMPLED, // genuine and synchronised, but gives no sample: first interleaved answer,
				 // one to a request ahead, the clock was set in between
	ASSOCIATION_MALFORMED, // length, version, mode, what follows the header
	ASSOCIATION_BOGUS,     // origin is not what was sent, or nothing was asked
	ASSOCIATION_DUPLICATE,
	ASSOCIATION_UNSYNCHRONISED, // leap 3, stratum 0 or 16, root distance, impossible times
	ASSOCIATION_KISS,           // KoD
	ASSOCIATION_DELAYED,        // failed one of the maxdelay* tests, or came before it could
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

// What is known of it, for reports.
struct association_report {
	uint8_t reach; // register of the last eight requests, newest in bit 0: 1 is a good answer
	int8_t poll;   // log2 s, now
	bool in_burst;
	bool denied;      // the server wants no requests (DENY, RSTR): asked every 1024 s or more
	bool interleaved; // so was the last good answer
	unsigned silent;  // polls without any answer, in a row
	uint64_t sent, received, genuine; // packets; genuine: what was asked for, whatever it said
	uint64_t sent_by[STAMP_LEVELS], received_by[STAMP_LEVELS]; // of samples' stamps
	unsigned counters[ASSOCIATION_VERDICTS];
	struct association_stamp last_sent, last_received;
	bool answered; // the rest is valid: of the last genuine answer
	struct client_answer answer;
	utc_t reference_time;
	int64_t response_time_ns; // transmit less receive, of the last sample
	unsigned tests;           // passed, enum client_test
};

struct association; // opaque: see association.c

size_t association_size(void);
// `random` is secret: nobody may guess from it which requests will be sent.
void association_init(struct association *association, const struct association_options *options,
		uint64_t random);
// From now on it asks, or asks anew: after a jump of the clock, sleep, or a network that came back.
// What was asked before is forgotten. `free_ns` is now, here and below.
void association_start(struct association *association, int64_t free_ns,
		struct association_action *action);
// The timer is due; early, it sends nothing. `random` goes into the request: 64 bits that nobody
// can guess. The request's transmit stamp is now, by the daemon, until association_on_sent().
void association_on_timer(struct association *association, const struct timeline *timeline,
		int64_t free_ns, uint64_t random, struct association_action *action);
// A stamp of the request that was last sent; a better one replaces a worse one. Comes before
// the answer, or never; in interleaved mode it still helps until the next request.
void association_on_sent(struct association *association, const struct association_stamp *stamp);
// A datagram from the server's address and port to the socket in use. `own_refids` are those that
// would mean a loop. Writes `sample` with ASSOCIATION_SAMPLE only.
enum association_verdict association_on_reply(struct association *association,
		const struct timeline *timeline, const uint8_t *packet, size_t length,
		const struct association_stamp *received, const uint32_t *own_refids,
		unsigned own_refid_count, struct sample *sample, struct association_action *action);
// The longest interval that costs no accuracy worth having, by who knows jitter and wander; 0: not
// known, and the interval stays. It grows from minpoll, by polltarget samples a step, no further.
void association_set_poll_hint(struct association *association, double useful_interval_s);
// Whether the offset would be known worse after the next interval than a sample tells it: iburst then
// takes all of its 8 requests.
void association_set_burst_hint(struct association *association, bool wants_more);
// The register of the last eight requests, for who needs nothing else.
uint8_t association_reach(const struct association *association);
void association_describe(const struct association *association, struct association_report *report);
