// SPDX-License-Identifier: BSD-3-Clause
// How far and how fast one source's time moves away from our clock's free time, from samples whose
// delays are noisy, one-sided and of a distribution nobody tells us. Pure; floating point; the
// control thread's. docs/decisions/0006 tells why this estimator and not another.
#pragma once

#include "sync/sample.h"

#include <stdbool.h>
#include <stddef.h>

struct estimator_options {
	double wander;       // random walk of the clock's frequency expected at first, per sqrt(s)
	double max_skew;     // the frequency is known to no better than this at first, e.g. 500e-6
	double precision_ns; // of our clock's readings
};

struct estimate {
	int64_t offset_ns;   // of the source's time less free time
	double frequency;    // growth of the offset, s/s; positive: our clock is slow
	double offset_sd_ns; // of the model's, an asymmetric base delay not counted: no bound
	double frequency_sd;
	double jitter_ns; // deviation of a single sample as it comes from the link
	double wander;    // of the frequency, per sqrt(s), as found
};

struct estimator; // one source's

// Returns how many octets an estimator takes; they are the caller's and have no need of closing.
size_t estimator_size(void);
void estimator_init(struct estimator *estimator, const struct estimator_options *options);
// The clock's frequency is known from before (drift file), or changed by an event: offset doubts are
// kept, frequency becomes `frequency` with deviation `skew`.
void estimator_set_frequency(struct estimator *estimator, double frequency, double skew);
// Samples come in order of time. Returns false when it was seen for an outlier and left out.
bool estimator_add(struct estimator *estimator, const struct sample *sample);
// Of what was measured only the last sample counts any more, and this of the frequency.
void estimator_forget(struct estimator *estimator, double frequency, double skew);
// What is known at `free_ns`, after the last sample. False while there was none.
bool estimator_at(const struct estimator *estimator, int64_t free_ns, struct estimate *estimate);
unsigned estimator_samples(const struct estimator *estimator);
