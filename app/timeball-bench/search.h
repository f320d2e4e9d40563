// SPDX-License-Identifier: BSD-3-Clause
// The search for the highest rate without loss, after RFC 2544 section 26.1: upwards in leaps until a
// rate fails, then halving what is left. A rate passes when all of several trials do.
#pragma once

#include <stdbool.h>

struct search_options {
	double min_rate;
	double max_rate;
	double leap;       // factor of the way up, above 1
	double resolution; // it ends when the bounds are this close, relative to the lower
	unsigned trials;   // that a rate has to pass
};

struct search {
	struct search_options options;
	double rate;     // of the next trial
	double passed;   // highest rate that passed all its trials, 0 without
	double failed;   // lowest rate that did not, 0 without
	unsigned clean;  // trials that `rate` has passed so far
	unsigned trials; // told so far
	bool over;
};

void search_init(struct search *search, const struct search_options *options);
// Takes what came of a trial at search->rate, and sets the rate of the next, or `over`.
void search_tell(struct search *search, bool passed);
