// SPDX-License-Identifier: BSD-3-Clause
// A bank of filters, one for each pair of noise shape and frequency wander. Each sample's evidence
// weighs them against each other; the estimate is their mixture. One that fell behind starts anew
// from the best, so that it can catch up when the world changes.
#include "sync/estimator.h"

#include "sync/clock_filter.h"

#include <math.h>
#include <string.h>

#define SHAPES       3
#define WANDERS      10
#define FILTERS      (SHAPES * WANDERS)
#define LEAST_WANDER 0.0316 // ns/s per sqrt(s)
#define WANDER_STEP  3.162
#define BEHIND       12.0 // logarithm of the odds at which a filter starts anew from the best
#define REPLAYED     8    // first samples, from which the noise is found by going over them again
#define LOST         5    // outliers in a row: the world is another
#define MEMORY       256.0 // samples of which the noise is known

static const unsigned shapes[SHAPES] = { NOISE_NORMAL, 1, 2 };

struct member {
	struct clock_filter filter;
	double log_weight; // the best has 0
};

struct estimator {
	struct estimator_options options;
	struct member members[FILTERS];
	double first_frequency, first_skew; // ns/s, before the first sample
	struct sample recent[REPLAYED];     // a ring, outliers too
	unsigned recent_count;              // ever
	unsigned samples;                   // since it started over
	unsigned total;
	unsigned outliers;                  // in a row
	int64_t free_ns;                    // of the last sample
	int64_t origin_ns;                  // filters' offsets are less this one
};

size_t estimator_size(void)
{
	return sizeof(struct estimator);
}

void estimator_init(struct estimator *estimator, const struct estimator_options *options)
{
	memset(estimator, 0, sizeof(*estimator));
	estimator->options = *options;
	estimator->first_skew = options->max_skew * 1e9;
}

void estimator_set_frequency(struct estimator *estimator, double frequency, double skew)
{
	estimator->first_frequency = frequency * 1e9;
	estimator->first_skew = skew * 1e9;
	for (int i = 0; i < FILTERS && estimator->samples; i++) {
		struct clock_filter *filter = &estimator->members[i].filter;

		for (int j = 0; j < FILTER_STATES; j++) {
			filter->variance[FILTER_FREQUENCY][j] = 0;
			filter->variance[j][FILTER_FREQUENCY] = 0;
		}
		filter->state[FILTER_FREQUENCY] = frequency * 1e9;
		filter->variance[FILTER_FREQUENCY][FILTER_FREQUENCY] = skew * skew * 1e18;
	}
}

static const struct sample *recent(const struct estimator *estimator, unsigned back)
{
	return &estimator->recent[(estimator->recent_count - 1 - back) % REPLAYED];
}

// What the first few samples' delays say of the wait in one direction.
static double guess_wait(const struct estimator *estimator, unsigned count)
{
	double least = INFINITY, mean = 0;

	for (unsigned i = 0; i < count; i++) {
		double delay = (double)recent(estimator, i)->delay_ns;

		least = fmin(least, delay);
		mean += delay / count;
	}
	return (mean - least) * count / fmax(count - 1, 1) / 2 + estimator->options.precision_ns / 30
			+ least / 20 * pow(8, 1.0 - count);
}

static void start_filter(struct estimator *estimator, int number, unsigned count)
{
	const struct sample *first = recent(estimator, count - 1);
	struct member *member = &estimator->members[number];
	double wait = guess_wait(estimator, count), delay = (double)first->delay_ns;
	unsigned stages = shapes[number % SHAPES];

	*member = (struct member){ .filter = {
		.wander = LEAST_WANDER * pow(WANDER_STEP, number / SHAPES),
		.state = { 0, estimator->first_frequency, delay },
	} };
	for (int i = 0; i < 2; i++)
		member->filter.noise[i] = (struct noise_model){
			stages,
			stages ? wait / stages : wait,
			wait * 0.03,
		};
	member->filter.variance[FILTER_OFFSET][FILTER_OFFSET] = delay * delay;
	member->filter.variance[FILTER_FREQUENCY][FILTER_FREQUENCY] =
			estimator->first_skew * estimator->first_skew;
	member->filter.variance[FILTER_DELAY][FILTER_DELAY] = delay * delay;
}

static struct member *best_member(struct estimator *estimator)
{
	struct member *best = estimator->members;

	for (int i = 1; i < FILTERS; i++)
		if (estimator->members[i].log_weight > best->log_weight)
			best = &estimator->members[i];
	return best;
}

// The best's belief in terms of another noise: what is wait to one is base delay to the other.
static void start_anew(struct member *member, const struct member *best, double log_weight)
{
	struct member fresh = *best;
	double means[2];

	fresh.filter.wander = member->filter.wander;
	for (int i = 0; i < 2; i++) {
		struct noise_model *noise = &fresh.filter.noise[i];
		double deviation = noise_model_deviation(noise), before = noise_model_mean(noise);

		noise->stages = member->filter.noise[i].stages;
		noise->scale = noise->stages ? deviation / sqrt(noise->stages) : deviation;
		means[i] = noise_model_mean(noise) - before;
	}
	fresh.filter.state[FILTER_OFFSET] -= (means[0] - means[1]) / 2;
	fresh.filter.state[FILTER_DELAY] -= means[0] + means[1];
	fresh.log_weight = log_weight;
	*member = fresh;
}

// Returns the probability that it was an outlier.
static double learn(struct estimator *estimator, const struct sample *sample)
{
	double seconds = fmax((double)(sample->free_ns - estimator->free_ns), 0) * 1e-9;
	double learning = 1 / fmin(estimator->samples + 2, MEMORY);
	double sum = 0, outlier = 0, top;
	struct member *best;

	for (int i = 0; i < FILTERS; i++) {
		struct member *member = &estimator->members[i];
		double weight = exp(member->log_weight), one;

		clock_filter_predict(&member->filter, seconds);
		member->log_weight += clock_filter_update(&member->filter,
				(double)(sample->offset_ns - estimator->origin_ns),
				(double)sample->delay_ns, learning, &one);
		sum += weight;
		outlier += weight * one;
	}
	best = best_member(estimator);
	top = best->log_weight;
	for (int i = 0; i < FILTERS; i++) {
		struct member *member = &estimator->members[i];

		member->log_weight -= top;
		if (member->log_weight < -BEHIND)
			start_anew(member, best, -BEHIND);
	}
	estimator->free_ns = sample->free_ns;
	estimator->samples++;
	return outlier / sum;
}

// Keeps the nanoseconds of offsets of any size.
static void move_origin(struct estimator *estimator)
{
	double whole = rint(best_member(estimator)->filter.state[FILTER_OFFSET]);

	estimator->origin_ns += (int64_t)whole;
	for (int i = 0; i < FILTERS; i++)
		estimator->members[i].filter.state[FILTER_OFFSET] -= whole;
}

static double replay(struct estimator *estimator, unsigned count)
{
	double outlier = 0;

	estimator->origin_ns = recent(estimator, count - 1)->offset_ns;
	estimator->free_ns = recent(estimator, count - 1)->free_ns;
	estimator->samples = 0;
	for (int i = 0; i < FILTERS; i++)
		start_filter(estimator, i, count);
	while (count-- > 0)
		outlier = learn(estimator, recent(estimator, count));
	return outlier;
}

static void start_over(struct estimator *estimator)
{
	struct estimate estimate;

	estimator_at(estimator, estimator->free_ns, &estimate);
	estimator->first_frequency = estimate.frequency * 1e9;
	estimator->first_skew = fmin(fmax(10 * estimate.frequency_sd, 1e-7) , estimator->options.max_skew) * 1e9;
	replay(estimator, LOST);
	estimator->outliers = 0;
}

bool estimator_add(struct estimator *estimator, const struct sample *sample)
{
	double outlier;

	estimator->recent[estimator->recent_count++ % REPLAYED] = *sample;
	estimator->total++;
	if (estimator->samples < REPLAYED)
		outlier = replay(estimator, estimator->samples + 1);
	else
		outlier = learn(estimator, sample);
	estimator->outliers = outlier > 0.5 ? estimator->outliers + 1 : 0;
	if (estimator->outliers >= LOST)
		start_over(estimator);
	move_origin(estimator);
	return estimator->outliers == 0;
}

bool estimator_at(const struct estimator *estimator, int64_t free_ns, struct estimate *estimate)
{
	double seconds = fmax((double)(free_ns - estimator->free_ns), 0) * 1e-9;
	double sum = 0, offset = 0, offset2 = 0, frequency = 0, frequency2 = 0, jitter = 0, wander = 0;

	if (estimator->samples == 0)
		return false;
	for (int i = 0; i < FILTERS; i++) {
		struct clock_filter filter = estimator->members[i].filter;
		double weight = exp(estimator->members[i].log_weight);
		const double *state = filter.state;

		clock_filter_predict(&filter, seconds);
		sum += weight;
		offset += weight * state[FILTER_OFFSET];
		offset2 += weight * (state[FILTER_OFFSET] * state[FILTER_OFFSET]
				+ filter.variance[FILTER_OFFSET][FILTER_OFFSET]);
		frequency += weight * state[FILTER_FREQUENCY];
		frequency2 += weight * (state[FILTER_FREQUENCY] * state[FILTER_FREQUENCY]
				+ filter.variance[FILTER_FREQUENCY][FILTER_FREQUENCY]);
		jitter += weight * hypot(noise_model_deviation(&filter.noise[0]),
				noise_model_deviation(&filter.noise[1])) / 2;
		wander += weight * filter.wander;
	}
	offset /= sum;
	frequency /= sum;
	*estimate = (struct estimate){
		.offset_ns = estimator->origin_ns + llround(offset),
		.frequency = frequency * 1e-9,
		.offset_sd_ns = sqrt(offset2 / sum - offset * offset),
		.frequency_sd = sqrt(frequency2 / sum - frequency * frequency) * 1e-9,
		.jitter_ns = jitter / sum,
		.wander = wander / sum * 1e-9,
	};
	return true;
}

unsigned estimator_samples(const struct estimator *estimator)
{
	return estimator->total;
}
