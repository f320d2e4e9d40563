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
	double frequency;     // as set_frequency() takes it
	bool vouched;         // somebody keeps it right (another daemon, for `follow`)
	int64_t max_error_ns; // at most this far from UTC, when vouched
	bool insert_leap;     // a leap second ends the current UTC day
	bool delete_leap;
	bool leap_in_progress;
	int tai_offset_s; // TAI - UTC, 0 when not known
};

// What is said of the clock to whoever asks the kernel, and what is to stay behind when we go.
struct local_clock_claim {
	bool synchronised;
	int64_t max_error_ns;
	int64_t estimated_error_ns;
	bool rtcsync;          // the kernel may copy the time to the real-time clock
	double base_frequency; // without any slew: what the clock is left with at close()
};

// What somebody else did to a clock that is ours.
enum local_clock_meddling {
	LOCAL_CLOCK_UNTOUCHED,
	LOCAL_CLOCK_KERNEL_LOOP, // the kernel's own PLL or PPS discipline was switched on
	LOCAL_CLOCK_FREQUENCY_CHANGED,
	LOCAL_CLOCK_STEPPED, // or the machine slept
};

// Frequencies are fractions of the clock's undisturbed rate, positive: faster.
struct local_clock_driver {
	const char *name;
	double max_frequency; // it can be set to, either way
	// Returns 0 or -errno.
	int (*open)(struct local_clock *clock);
	void (*close)(struct local_clock *clock);
	// The time, from any thread.
	utc_t (*now)(const struct local_clock *clock);
	// What it shows when CLOCK_REALTIME, which the kernel stamps by, shows `real`, a short while ago. NULL:
	// it is that clock.
	utc_t (*from_real)(const struct local_clock *clock, utc_t real);
	// Any thread. Returns 0 or -errno.
	int (*state)(const struct local_clock *clock, struct local_clock_state *state);
	// These are NULL where the clock is not ours to steer. One thread; the first one takes the clock over.
	// They return 0 or -errno.
	int (*step)(struct local_clock *clock, int64_t step_ns);
	// In: wished for, out: what the clock runs at now, which is rounded and bounded.
	int (*set_frequency)(struct local_clock *clock, double *frequency);
	// To be told anew after each step, which makes the kernel forget.
	int (*tell)(struct local_clock *clock, const struct local_clock_claim *claim);
	// What happened since the last call or command; of a step also how far, to about 1 ms. NULL: nobody
	// else can.
	int (*watch)(struct local_clock *clock, enum local_clock_meddling *what, int64_t *step_ns);
};

struct local_clock {
	const struct local_clock_driver *driver;
	void *private; // the driver's own
};
