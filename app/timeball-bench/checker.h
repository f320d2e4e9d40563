// SPDX-License-Identifier: BSD-3-Clause
// The judge of every frame received. A reply ends the request that its client and port name, as the
// first thing that is wrong with it or as GOOD.
#pragma once

#include "timeball-bench/pending.h"
#include "timeball-bench/reply.h"
#include "timeball-bench/tally.h"
#include "timing/time_page.h"

#include <stdbool.h>
#include <stdint.h>

#define CHECKER_RECENT 65536 // receive timestamps that are remembered

struct checker {
	const struct receiver *receiver;
	const struct pending *pending;
	const struct time_map *map; // ticks to the local clock's UTC
	uint8_t version;
	bool same_clock; // the server's clock is the local one
	bool takes_unsynchronised;
	int64_t tolerance_ns;   // by which stamps may be off
	uint64_t timeout_ticks; // after a request has left, replies are LATE
	uint64_t start_ticks;   // what was asked before is of an earlier trial
	ntp64_t recent[CHECKER_RECENT];
};

// Judges a frame that was here at `arrived_ticks` and notes what it measures, but does not count the
// outcome: of FOREIGN the caller may make something.
enum outcome checker_judge(struct checker *checker, const uint8_t *frame, uint16_t length,
		uint64_t arrived_ticks, struct tally *tally);
