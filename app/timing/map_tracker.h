// SPDX-License-Identifier: BSD-3-Clause
// Keeps the map from counter to UTC: pairs counter and clock again and again, measures the
// counter's rate against the raw clock, and says how wrong the map may be. Pure but for the reads
// it is given; used by one thread.
#pragma once

#include "timing/counter.h"
#include "timing/local_clock.h"
#include "timing/time_page.h"

#include <stdbool.h>
#include <stdint.h>

// One reading of a clock between two readings of the counter.
struct pairing {
	uint64_t ticks;       // the middle
	uint64_t width_ticks; // from the counter before to the counter after
	int64_t ns;           // of the clock
};

struct map_tracker {
	const struct counter *counter;
	const struct local_clock *clock;
	struct pairing raw_anchor;  // the rate is measured from here
	struct pairing raw_next;    // the anchor after this one
	double raw_ns_per_tick;     // counter's rate
	double rate_error;          // of it, relative
	struct time_map map;        // the newest
	int64_t error_ns;           // of the map at map.ticks
	int64_t recent_residual_ns; // how far predictions were off lately, decaying
	uint64_t epoch;             // steps seen
};

// Measures for 20 ms, sleeping in between through `sleep_ns`. Returns 0 or -errno of the clock.
int map_tracker_init(struct map_tracker *tracker, const struct counter *counter,
		const struct local_clock *clock, void (*sleep_ns)(int64_t));
// Pairs once more, best of eight, and updates map, error and epoch. `clock_rate` is what the
// clock says of its rate against the raw clock.
void map_tracker_update(struct map_tracker *tracker, double clock_rate);
// We have just changed the clock's rate, and set it by some time if `stepped`: nothing is predicted from
// before. Pairs anew and takes the new slope at once; a step begins another epoch.
void map_tracker_change(struct map_tracker *tracker, double clock_rate, bool stepped);
// log2 of the time between distinguishable readings, in seconds: RFC 5905's precision.
int8_t map_tracker_precision(const struct map_tracker *tracker);
