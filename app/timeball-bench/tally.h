// SPDX-License-Identifier: BSD-3-Clause
// What one trial counts and measures. The generator's core writes it.
#pragma once

#include "timeball-bench/histogram.h"
#include "timeball-bench/moments.h"
#include "timeball-bench/outcome.h"

#include <stdint.h>

enum reply_mode {
	MODE_BASIC,
	MODE_INTERLEAVED, // RFC 9769
	MODES,
};

struct tally {
	uint64_t sent[MODES]; // requests that the port took
	uint64_t outcomes[OUTCOME_COUNT];
	uint64_t good[MODES]; // good replies, by what they were
	uint64_t fell_back;   // good basic replies to interleaved requests
	uint64_t unfinished;  // replies whose checksum the server's kernel left to a NIC
	uint64_t receive_shared; // good replies with a receive timestamp that another client had lately
	struct histogram latency;     // ticks from when a request was meant to leave to its reply
	struct histogram lag;         // ticks from when a request was meant to leave to when it did
	struct moments offset[MODES]; // ns: server's transmit stamp - when that reply was here
	struct moments residence[MODES]; // ns: server's transmit stamp - its receive stamp
};

void tally_init(struct tally *tally);
uint64_t tally_sent(const struct tally *tally);
// Requests that have ended so far; LOST is counted only when the trial is over.
uint64_t tally_ended(const struct tally *tally);
uint64_t tally_failures(const struct tally *tally);
