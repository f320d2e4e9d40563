// SPDX-License-Identifier: BSD-3-Clause
#include "sync/source.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

// A poll of T lets the frequency walk by wander * T^1.5 / sqrt(3): how much of the link's jitter that may be.
// The error goes with T^0.6, so there is no longest interval without a cost, and a server prefers short ones:
// at 1e-9 per sqrt(s) 64 s for a jitter of 1 ms, 300 s for 10 ms.
#define POLL_SHARE 0.0003
// While nothing is proved of the frequency, bounds grow so wide that they would agree with any liar's.
#define FREQUENCY_SIGMAS 4
#define CONTRADICTION    4 // half widths of the bound from its middle

int source_open(struct source *source, const struct source_options *options, uint64_t random)
{
	*source = (struct source){
		.used = true,
		.options = *options,
		.association = calloc(1, association_size()),
		.estimator = calloc(1, estimator_size()),
	};
	if (!source->association || !source->estimator) {
		source_close(source);
		return -ENOMEM;
	}
	association_init(source->association, &options->association, random);
	return 0;
}

void source_close(struct source *source)
{
	free(source->association);
	free(source->estimator);
	*source = (struct source){ 0 };
}

void source_reset(struct source *source, const struct source_world *world, int64_t free_ns)
{
	estimator_init(source->estimator, &world->estimator);
	bound_init(&source->bound, world->max_frequency, world->max_clock_error);
	bound_set_frequency(&source->bound, free_ns, world->slowest, world->fastest);
	if (world->frequency_known) {
		estimator_set_frequency(source->estimator, world->frequency, world->frequency_sd);
	} else if (world->frequency != 0) {
		// What the clock was given before us: a good guess and no proof.
		estimator_set_frequency(
				source->estimator, world->frequency, world->estimator.max_skew);
	}
	source->samples = 0;
	source->synchronised = source->heard = source->new_sample = source->agreed = false;
	source->score = 1;
	source->state = SOURCE_UNREACHABLE;
	source->letter = 'M';
}

void source_note(struct source *source, enum association_verdict verdict)
{
	switch (verdict) {
	case ASSOCIATION_SAMPLE:
	case ASSOCIATION_NOT_SAMPLED:
	case ASSOCIATION_DELAYED:
		source->synchronised = true;
		source->heard = true;
		break;
	case ASSOCIATION_UNSYNCHRONISED:
		source->synchronised = false;
		source->heard = true;
		break;
	case ASSOCIATION_KISS:
	case ASSOCIATION_LOOP:
		source->heard = true;
		break;
	default:
		break;
	}
}

// An estimator that was told too little doubt of the frequency at first may take for outliers what is
// proof of another frequency; one that was not may know better than what is believed without proof.
static void compare_frequencies(struct source *source, int64_t free_ns)
{
	struct estimate estimate;
	double slowest, fastest;

	if (!estimator_at(source->estimator, free_ns, &estimate))
		return;
	slowest = estimate.frequency - FREQUENCY_SIGMAS * estimate.frequency_sd;
	fastest = estimate.frequency + FREQUENCY_SIGMAS * estimate.frequency_sd;
	bound_doubt_frequency(&source->bound, slowest, fastest);
	struct bound_interval proved = bound_at(&source->bound, free_ns);

	if (fastest < proved.slowest || slowest > proved.fastest)
		estimator_set_frequency(source->estimator, (proved.slowest + proved.fastest) / 2,
				(proved.fastest - proved.slowest) / 2);
}

// Beyond what the noise of a good estimate explains. It was made of samples that were late by a machine under
// load, say: a tenth of their delay proves the time, long before it is clear that noise has become less.
static bool contradicts_proof(const struct source *source, int64_t free_ns)
{
	struct bound_interval proved = bound_at(&source->bound, free_ns);
	double half_ns = (double)(proved.high_ns / 2 - proved.low_ns / 2);
	struct estimate estimate;
	int64_t from_low_ns;

	if (!estimator_at(source->estimator, free_ns, &estimate))
		return false;
	return __builtin_sub_overflow(estimate.offset_ns, proved.low_ns, &from_low_ns)
			|| fabs((double)from_low_ns - half_ns) > CONTRADICTION * half_ns;
}

static void forget_estimate(struct source *source, int64_t free_ns)
{
	struct bound_interval proved = bound_at(&source->bound, free_ns);
	struct estimate estimate;

	estimator_at(source->estimator, free_ns, &estimate);
	estimator_forget(source->estimator,
			fmin(fmax(estimate.frequency, proved.slowest), proved.fastest),
			(proved.fastest - proved.slowest) / 2);
}

static void tell_useful_poll(struct source *source, const struct estimate *estimate)
{
	double walked_s = POLL_SHARE * estimate->jitter_ns / NS_PER_S * sqrt(3);

	if (estimate->wander > 0)
		association_set_poll_hint(
				source->association, pow(walked_s / estimate->wander, 2.0 / 3));
}

static void tell_burst(struct source *source, const struct estimate *estimate)
{
	struct association_report report;

	association_describe(source->association, &report);
	association_set_burst_hint(source->association,
			estimate->frequency_sd * exp2(report.poll) * NS_PER_S
					> estimate->jitter_ns);
}

void source_add(struct source *source, const struct sample *sample)
{
	struct estimate estimate;

	bool agrees = bound_add(&source->bound, sample);

	compare_frequencies(source, sample->free_ns);
	estimator_add(source->estimator, sample);
	if (agrees && contradicts_proof(source, sample->free_ns))
		forget_estimate(source, sample->free_ns);
	source->delays_ns[source->samples % SOURCE_DELAYS] =
			sample->root_delay_ns + sample->delay_ns;
	source->history[source->samples % SOURCE_HISTORY] = *sample;
	source->samples++;
	source->last = *sample;
	source->new_sample = true;
	if (!estimator_at(source->estimator, sample->free_ns, &estimate))
		return;
	bound_set_wander(&source->bound, estimate.wander);
	tell_useful_poll(source, &estimate);
	tell_burst(source, &estimate);
}

bool source_estimate(const struct source *source, int64_t free_ns, struct estimate *estimate)
{
	return source->samples && estimator_at(source->estimator, free_ns, estimate);
}

void source_candidate(const struct source *source, int64_t free_ns, int64_t vote_free_ns,
		struct candidate *candidate)
{
	struct estimate estimate = { 0 };
	struct bound_interval proved = { 0 }, believed = { 0 };

	if (source_estimate(source, free_ns, &estimate)) {
		double doubt = FREQUENCY_SIGMAS * estimate.frequency_sd + source->bound.max_wander;

		proved = bound_at(&source->bound, free_ns);
		believed = bound_believed(&source->bound, vote_free_ns, estimate.frequency - doubt,
				estimate.frequency + doubt);
	}
	*candidate = (struct candidate){
		.noselect = source->options.noselect,
		.prefer = source->options.prefer,
		.trust = source->options.trust,
		.require = source->options.require,
		.refid = source->options.refid,
		.sampled = source->samples > 0,
		.reachable = source->used && association_reach(source->association) != 0,
		.synchronised = source->synchronised,
		.agreed = source->agreed,
		.new_sample = source->new_sample,
		.stratum = source->last.stratum,
		.jitter_ns = estimate.jitter_ns,
		.low_ns = proved.low_ns,
		.high_ns = proved.high_ns,
		.vote_low_ns = believed.low_ns,
		.vote_high_ns = believed.high_ns,
		.offset_ns = estimate.offset_ns,
		.offset_sd_ns = estimate.offset_sd_ns,
		.score = source->score,
	};
}

int64_t source_root_delay_ns(const struct source *source)
{
	int64_t least_ns = INT64_MAX;

	for (unsigned i = 0; i < SOURCE_DELAYS && i < source->samples; i++)
		if (source->delays_ns[i] < least_ns)
			least_ns = source->delays_ns[i];
	return source->samples ? least_ns : 0;
}
