// SPDX-License-Identifier: BSD-3-Clause
// A simulated system clock on an oscillator: steps, and frequencies in the kernel's grain. It knows
// nothing of sync/timeline.h and so is a check on it.
#pragma once

#include "base/utc.h"

#include <stdint.h>

struct kernel_clock_stretch {
	long double raw_ns; // of the oscillator, where it begins
	utc_t local;        // then
	double local_rest_ns;
	double frequency;
	uint64_t epoch; // counts steps
};

struct kernel_clock {
	struct kernel_clock_stretch now, before; // the one before, for stamps just before a change
};

void kernel_clock_init(struct kernel_clock *clock, long double raw_ns, utc_t local);
utc_t kernel_clock_read(const struct kernel_clock *clock, long double raw_ns);
uint64_t kernel_clock_epoch(const struct kernel_clock *clock, long double raw_ns);
// The clock less `moment`, with its fraction of a nanosecond.
double kernel_clock_error_ns(const struct kernel_clock *clock, long double raw_ns, utc_t moment);
// Returns the frequency that was taken: tick in steps of 1e-4, the rest in 2^-16 ppm.
double kernel_clock_adjust(
		struct kernel_clock *clock, long double raw_ns, int64_t step_ns, double frequency);
