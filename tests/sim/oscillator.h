// SPDX-License-Identifier: BSD-3-Clause
// A simulated oscillator, as true time passes: what the kernel's clock would be if nobody touched it.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct oscillator_options {
	double frequency; // error at the start, s/s; positive: fast
	double wander;    // random walk of the frequency, per sqrt(s)
	double white;     // white frequency noise: s in sqrt(s)
	double swing;     // temperature: the frequency goes up and down by so much
	double swing_period_s;
	double jump_at_s, jump; // of the frequency, once
};

struct oscillator {
	struct oscillator_options options;
	int64_t true_ns;
	double ahead_ns;  // of true time
	double frequency; // without swing
	double swing_phase;
	bool jumped;
	uint64_t random;
};

void oscillator_init(struct oscillator *oscillator, const struct oscillator_options *options,
		int64_t true_ns, uint64_t seed);
// True time only goes forward.
void oscillator_advance(struct oscillator *oscillator, int64_t true_ns);
// It stood still until now (a machine asleep).
void oscillator_skip(struct oscillator *oscillator, int64_t true_ns);
double oscillator_frequency(const struct oscillator *oscillator); // now
// Its own time since the start, now and a moment from or before now.
long double oscillator_raw_ns(const struct oscillator *oscillator, double from_now_ns);
