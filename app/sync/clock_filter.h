// SPDX-License-Identifier: BSD-3-Clause
// Offset, frequency and base delay of one source under one hypothesis: how much the frequency
// wanders and what shape the noise of both directions has. How large the noise is, it learns. Pure.
#pragma once

#include "sync/noise_model.h"

enum {
	FILTER_OFFSET,
	FILTER_FREQUENCY,
	FILTER_DELAY,
	FILTER_STATES
};

struct clock_filter {
	double wander;               // ns/s per sqrt(s)
	double forgetting;           // of the base delay: its variance grows by so much a sample
	struct noise_model noise[2]; // to the source, from it
	double state[FILTER_STATES]; // ns, ns/s, ns
	double variance[FILTER_STATES][FILTER_STATES];
};

// Moves the belief on by `seconds`.
void clock_filter_predict(struct clock_filter *filter, double seconds);
// Learns from a sample's offset and delay; its noise is to weigh `learning` in what is known of the
// noise. Returns the logarithm of the evidence for this hypothesis; `outlier` is the probability that
// the sample is not to be believed either way.
double clock_filter_update(struct clock_filter *filter, double offset_ns, double delay_ns,
		double learning, double *outlier);
// All that was known of the frequency is void, this holds (ns/s).
void clock_filter_set_frequency(struct clock_filter *filter, double frequency, double deviation);
// Believes from now on what `from` does, in terms of its own hypothesis.
void clock_filter_take_over(struct clock_filter *filter, const struct clock_filter *from);
