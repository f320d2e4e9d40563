// SPDX-License-Identifier: BSD-3-Clause
// A bank of filters, one for each pair of noise shape and frequency wander. Each sample's evidence
// weighs them against each other; the estimate is their mixture. One that fell behind starts anew
// from the best, so that it can catch up when the world changes.
#include "sync/estimator.h"

#include "sync/clock_filter.h"

#include <math.h>
#include <string.h>

#define SHAPES       4
#define FAST 0.2
#define WANDERS      10
#define FILTERS      (SHAPES * WANDERS)
#define LEAST_WANDER 0.0316 // ns/s per sqrt(s)
#define WANDER_STEP  3.162
#define WANDER_HABIT 1.0 // how fast a wander's odds fall with the logarithm of its ratio to the expected
#define FEW          2.0 // samples too few to know the noise by: deviations are larger by FEW / samples
#define BEHIND       12.0 // logarithm of the odds at which a filter starts anew from the best
#define REPLAYED     8    // first samples, from which the noise is found by going over them again
#define LOST         5    // outliers in a row: the world is another
#define DOUBT        3.0 // deviations are taken for so much larger then
#define LEAST_SKEW   1e-8
#define MEMORY       256.0 // samples of which the noise is known

static const struct {
	unsigned stages;
	double forgetting;
} shapes[SHAPES] = { { NOISE_NORMAL, 0.01 }, { 1, 0.01 }, { 2, 0.01 }, { 1, FAST } };

struct member {
	struct clock_filter filter;
	double log_weight; // the best has 0
};

// What is believed before the first sample: ns and ns/s, the offset less the first sample's.
struct prior {
	double offset, offset_sd, frequency, frequency_sd;
};

struct estimator {
	struct estimator_options options;
	struct member members[FILTERS];
	struct prior prior;
	struct sample recent[REPLAYED]; // a ring, outliers too
	unsigned recent_count;          // ever
	unsigned samples;               // since it started over
	unsigned outliers;              // in a row
	double evidence;                // logarithm, of all samples since it started over
	int64_t free_ns;                // of the last sample
	int64_t origin_ns;              // filters' offsets are less this one
};

size_t estimator_size(void)
{
	return sizeof(struct estimator);
}

void estimator_init(struct estimator *estimator, const struct estimator_options *options)
{
	memset(estimator, 0, sizeof(*estimator));
	estimator->options = *options;
	estimator->prior.frequency_sd = options->max_skew * 1e9;
}

void estimator_set_frequency(struct estimator *estimator, double frequency, double skew)
{
	estimator->prior.frequency = frequency * 1e9;
	estimator->prior.frequency_sd = skew * 1e9;
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
	const struct prior *prior = &estimator->prior;
	struct member *member = &estimator->members[number];
	double wait = guess_wait(estimator, count), delay = (double)first->delay_ns;
	unsigned stages = shapes[number % SHAPES].stages;

	*member = (struct member){ .filter = {
		.wander = LEAST_WANDER * pow(WANDER_STEP, number / SHAPES),
		.forgetting = shapes[number % SHAPES].forgetting,
		.state = { prior->offset, prior->frequency, delay },
	} };
	member->log_weight = -WANDER_HABIT
			* fabs(log(member->filter.wander / (estimator->options.wander * 1e9)));
	for (int i = 0; i < 2; i++)
		member->filter.noise[i] = (struct noise_model){
			stages,
			stages ? wait / stages : wait,
			wait * 0.03,
		};
	member->filter.variance[FILTER_OFFSET][FILTER_OFFSET] =
			prior->offset_sd > 0 ? prior->offset_sd * prior->offset_sd : delay * delay;
	member->filter.variance[FILTER_FREQUENCY][FILTER_FREQUENCY] =
			prior->frequency_sd * prior->frequency_sd;
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
	fresh.filter.forgetting = member->filter.forgetting;
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
	estimator->evidence += top;
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
	estimator->evidence = 0;
	for (int i = 0; i < FILTERS; i++)
		start_filter(estimator, i, count);
	while (count-- > 0)
		outlier = learn(estimator, recent(estimator, count));
	return outlier;
}

// Another route, another time at the source, or our clock goes at another rate: whichever explains
// the last samples best.
static void start_over(struct estimator *estimator)
{
	const struct sample *first = recent(estimator, LOST - 1);
	double seconds = (double)(estimator->free_ns - first->free_ns) * 1e-9, best = -INFINITY;
	double evidence, jump, anew;
	struct estimate estimate;
	struct prior priors[3];
	int choice = 0;

	estimator_at(estimator, estimator->free_ns, &estimate);
	jump = (double)(estimate.offset_ns - first->offset_ns) - estimate.frequency * 1e9 * seconds;
	anew = log1p(fabs(jump) / (double)first->delay_ns);
	priors[0] = (struct prior){ jump, estimate.offset_sd_ns * DOUBT + 1, estimate.frequency * 1e9,
		fmin(fmax(estimate.frequency_sd * DOUBT, LEAST_SKEW), estimator->options.max_skew) * 1e9 };
	priors[1] = priors[0];
	priors[1].offset = 0;
	priors[1].offset_sd = 0;
	priors[2] = priors[1];
	priors[2].frequency_sd = estimator->options.max_skew * 1e9;
	for (int i = 0; i < 3; i++) {
		estimator->prior = priors[i];
		replay(estimator, LOST);
		evidence = estimator->evidence - (i > 0 ? anew : 0);
		if (evidence > best) {
			best = evidence;
			choice = i;
		}
	}
	estimator->prior = priors[choice];
	replay(estimator, LOST);
	estimator->outliers = 0;
}

bool estimator_add(struct estimator *estimator, const struct sample *sample)
{
	double outlier;

	estimator->recent[estimator->recent_count++ % REPLAYED] = *sample;
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
	double sum = 0, offset = 0, offset2 = 0, frequency = 0, frequency2 = 0, jitter = 0, wander = 0, doubt;

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
	doubt = 1 + FEW / estimator->samples;
	*estimate = (struct estimate){
		.offset_ns = estimator->origin_ns + llround(offset),
		.frequency = frequency * 1e-9,
		.offset_sd_ns = doubt * sqrt(offset2 / sum - offset * offset),
		.frequency_sd = doubt * sqrt(frequency2 / sum - frequency * frequency) * 1e-9,
		.jitter_ns = jitter / sum,
		.wander = wander / sum * 1e-9,
	};
	return true;
}

unsigned estimator_samples(const struct estimator *estimator)
{
	return estimator->recent_count;
}
