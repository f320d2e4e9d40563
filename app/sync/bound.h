// SPDX-License-Identifier: BSD-3-Clause
// Between what limits UTC is, as far as one source's answers prove it: a round trip of D that ended in
// an offset proves UTC to D/2 plus what the source claims of itself, whatever the link's jitter is. The
// narrowest that all answers leave, carried on by the frequencies that they leave, is the bound; no
// filter's variance makes it narrower. Proof stands on symmetric delay within D, an honest source, and a
// clock whose frequency wanders by no more than maxclockerror. Pure; the control thread's.
#pragma once

#include "sync/sample.h"

#include <stdbool.h>
#include <stdint.h>

#define BOUND_ANCHORS 16

// UTC less free time at a moment, and how it may grow from then on, s/s.
struct bound_interval {
	int64_t low_ns, high_ns;
	double slowest, fastest;
};

struct bound_anchor {
	int64_t free_ns;
	int64_t low_ns, high_ns;
};

struct bound {
	double max_wander; // maxclockerror, fraction
	double wander;     // of the frequency as found, per sqrt(s); only ever widens
	double limit;      // no clock's frequency is beyond
	double prior_slowest, prior_fastest; // what is believed of the frequency without any proof
	int64_t prior_free_ns;               // since when; not for long
	int64_t free_ns;                     // the last sample's
	struct bound_interval at; // then; slopes without the doubt that comes with more time
	struct bound_anchor anchors[BOUND_ANCHORS]; // of the past, oldest first
	unsigned anchor_count;
	unsigned conflicts; // answers that contradicted what had been proved
	bool known;
};

// No frequency is beyond `limit`.
void bound_init(struct bound *bound, double limit, double max_wander);
// The frequency is believed to be in a range, for as long as samples do not tell otherwise.
void bound_set_frequency(struct bound *bound, int64_t free_ns, double slowest, double fastest);
// Who looks at the samples' noise is sure of another range: early on, what is believed without proof gives way.
void bound_doubt_frequency(struct bound *bound, double slowest, double fastest);
// A sample, later than the one before. False when it contradicts the bound, which begins anew with it.
bool bound_add(struct bound *bound, const struct sample *sample);
// Wander is per sqrt(s).
void bound_set_wander(struct bound *bound, double wander);
// Whether answers agree on a frequency: one answer alone leaves it to belief.
bool bound_proves_frequency(const struct bound *bound);
// What is proved for `free_ns`, not before the last sample. Only when `known`.
struct bound_interval bound_at(const struct bound *bound, int64_t free_ns);
// The same for who believes the frequency to be in a narrower range, which may be none of the proved one;
// also of a moment before the last sample.
struct bound_interval bound_believed(
		const struct bound *bound, int64_t free_ns, double slowest, double fastest);
// Half of what a sample leaves open at its moment.
int64_t bound_sample_radius_ns(const struct sample *sample);
