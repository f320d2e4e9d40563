// SPDX-License-Identifier: BSD-3-Clause
// The counter that everything is timed with, and its map to the local clock (CLOCK_REALTIME). One
// core's.
#pragma once

#include "timing/counter.h"
#include "timing/local_clock.h"
#include "timing/map_tracker.h"

#include <stdint.h>

struct timebase {
	const struct counter *counter;
	struct local_clock clock;
	struct local_clock_state state;
	struct map_tracker tracker;
	uint64_t next_map_ticks;
	uint64_t next_state_ticks;
};

// Measures for 20 ms. Returns 0 or -errno of the clock.
int timebase_open(struct timebase *timebase);
void timebase_close(struct timebase *timebase);
double timebase_ticks_per_s(const struct timebase *timebase);
// Pairs counter and clock once more.
void timebase_pair(struct timebase *timebase, uint64_t now_ticks);

// Does so every 10 ms.
static inline void timebase_follow(struct timebase *timebase, uint64_t now_ticks)
{
	if ((int64_t)(now_ticks - timebase->next_map_ticks) >= 0)
		timebase_pair(timebase, now_ticks);
}
