// SPDX-License-Identifier: BSD-3-Clause
// What we did to the clock. *Free* time is what the clock would show had nobody ever touched it since
// the start: estimation happens in free time, so no sample must ever be corrected for our own steps
// and slews. Pure; the control thread's.
#pragma once

#include "base/utc.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMELINE_SEGMENTS 64 // of one epoch: stamps of the recent past are still told right

// From `local` + `local_rest_ns` on the clock goes 1 + `frequency` seconds in a second of free time.
struct timeline_segment {
	utc_t local;
	double local_rest_ns; // below a nanosecond: thousands of corrections must not add up to error
	int64_t free_ns;
	double frequency;
};

struct timeline {
	struct timeline_segment segments[TIMELINE_SEGMENTS]; // a ring
	unsigned count;
	unsigned newest;
	uint64_t epoch; // counts steps, ours and others': stamps of different epochs do not compare
};

// Free time starts at 0 when the clock shows `now`.
void timeline_init(struct timeline *timeline, utc_t now, double frequency);
// The clock was set by `step_ns` when it showed `before`. Ours: free time goes on.
void timeline_step(struct timeline *timeline, utc_t before, int64_t step_ns);
// From `now` on the clock runs 1 + `frequency` times as fast as free time.
void timeline_set_frequency(struct timeline *timeline, utc_t now, double frequency);
// Somebody else set the clock by `jump_ns`, or it was suspended: free time jumps with it.
void timeline_jump(struct timeline *timeline, utc_t before, int64_t jump_ns);

// Of a stamp of this epoch; before the oldest segment its slope is continued.
int64_t timeline_free_ns(const struct timeline *timeline, utc_t local);
utc_t timeline_local(const struct timeline *timeline, int64_t free_ns);
// The clock less free time at `free_ns`: what our corrections add up to.
int64_t timeline_correction_ns(const struct timeline *timeline, int64_t free_ns);
double timeline_frequency(const struct timeline *timeline); // of now
