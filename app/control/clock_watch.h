// SPDX-License-Identifier: BSD-3-Clause
// Notices that somebody else set the clock, or that the machine slept. CLOCK_REALTIME and
// CLOCK_MONOTONIC are steered alike, so between two settings of the former they are a fixed interval
// apart, and what is seen of that interval can only be wrong by the time the reading took.
#pragma once

#include "base/utc.h"

#include <stdbool.h>

// CLOCK_REALTIME, read between two readings of CLOCK_MONOTONIC.
struct clock_pair {
	int64_t before_ns;
	utc_t real;
	int64_t after_ns;
	int64_t asleep_ns; // CLOCK_BOOTTIME less CLOCK_MONOTONIC: time slept since the start; 0: not known
};

struct clock_watch {
	int64_t least_ns, most_ns; // between which the interval lies
	int64_t asleep_ns;
};

struct clock_jump {
	int64_t jump_ns;   // of the clock, positive: forward
	int64_t asleep_ns; // what of it is time that passed while the machine slept
};

struct clock_pair clock_pair_read(void);
// Whatever happened until now is not looked for: at start, and after we have set the clock ourselves.
void clock_watch_start(struct clock_watch *watch, const struct clock_pair *pair);
// Returns whether it jumped since.
bool clock_watch_look(
		struct clock_watch *watch, const struct clock_pair *pair, struct clock_jump *jump);
