// SPDX-License-Identifier: BSD-3-Clause
// How the kernel's clock is steered: by tick, frequency and offset, never by the kernel's own PLL. The
// kernel is an argument, so that tests steer a simulated one.
#pragma once

#include "timing/local_clock.h"

#include <sys/timex.h>

struct kernel_calls {
	// clock_adjtime() of CLOCK_REALTIME. Returns the clock's state or -errno.
	int (*adjust)(void *context, struct timex *timex);
	int64_t (*real_ns)(void *context); // CLOCK_REALTIME
	int64_t (*raw_ns)(void *context);  // CLOCK_MONOTONIC_RAW
	void *context;
};

// What we last saw of the kernel's clock.
struct kernel_view {
	long tick, freq; // of struct timex
	int status;
	int64_t real_ns;
	int64_t raw_ns;   // when real_ns was read
	int64_t width_ns; // in doubt by half of this
};

struct steering {
	const struct kernel_calls *calls;
	bool taken; // the clock is ours
	double base_frequency;
	struct kernel_view left;         // as we left it
	enum local_clock_meddling noted; // since, and not told yet
	int64_t noted_step_ns;
};

void steering_init(struct steering *steering, const struct kernel_calls *calls);
// Leaves the kernel with the base frequency and nothing else under way.
void steering_done(struct steering *steering);

// As those of struct local_clock_driver.
int steering_step(struct steering *steering, int64_t step_ns);
int steering_set_frequency(struct steering *steering, double *frequency);
int steering_tell(struct steering *steering, const struct local_clock_claim *claim);
int steering_watch(struct steering *steering, enum local_clock_meddling *what, int64_t *step_ns);

// Pure. A frequency as tick and freq, bounded and rounded; what the kernel has now is kept as long as it
// can be.
void steering_split(double frequency, long *tick, long *freq);
// Pure. What was done to the kernel's clock between two looks, with no command of ours in between.
enum local_clock_meddling kernel_view_compare(
		const struct kernel_view *left, const struct kernel_view *found, int64_t *step_ns);
