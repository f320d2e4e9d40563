// SPDX-License-Identifier: BSD-3-Clause
// INTERFACE: the clock that is the one truth of this server. Implemented in drivers/clock.
#pragma once

#include "base/utc.h"

#include <stdbool.h>
#include <stdint.h>

struct local_clock;

// What the clock says about itself besides the time.
struct local_clock_state {
	double rate;          // seconds of this clock per second of CLOCK_MONOTONIC_RAW
	bool vouched;         // somebody keeps it right (another daemon, for `follow`)
	int64_t max_error_ns; // at most this far from UTC, when vouched
	bool insert_leap;     // a leap second ends the current UTC day
	bool delete_leap;
	bool leap_in_progress;
	int tai_offset_s; // TAI - UTC, 0 when not known
};

struct local_clock_driver {
	const char *name;
	// Returns 0 or -errno.
	int (*open)(struct local_clock *clock);
	void (*close)(struct local_clock *clock);
	// The time, from any thread.
	utc_t (*now)(const struct local_clock *clock);
	// Any thread. Returns 0 or -errno.
	int (*state)(const struct local_clock *clock, struct local_clock_state *state);
	// Moves the clock by `step_ns` and makes it run at `frequency_ppb` (positive: faster) of its
	// undisturbed rate. One thread. Returns 0 or -errno. NULL: not ours to steer.
	int (*adjust)(struct local_clock *clock, int64_t step_ns, int64_t frequency_ppb);
};

struct local_clock {
	const struct local_clock_driver *driver;
	void *private; // the driver's own
};
