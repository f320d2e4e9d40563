// SPDX-License-Identifier: BSD-3-Clause
// A bank of filters, one for each pair of noise shape and frequency wander. Each sample's evidence
// weighs them against each other, and the estimate is their mixture. A filter that fell behind goes on
// from the best one's belief, so that it is ready when the world changes.
#include "sync/estimator.h"

#include "sync/clock_filter.h"

#include <math.h>
#include <string.h>

#define SHAPES       4
#define WANDERS      10
#define FILTERS      (SHAPES * WANDERS)
#define LEAST_WANDER 0.0316 // ns/s per sqrt(s)
#define WANDER_STEP  3.162
#define HABIT        1.0  // at first odds fall so with the logarithm of wander / expected wander
#define BEHIND       12.0 // logarithm of the odds at which a filter goes on from the best
#define SILENT       8.0 // and at which it is no part of the estimate: a wild one spoils far predictions
#define REPLAYED     8    // first samples, gone over again until they tell how large the noise is
#define LOST         5    // outliers in a row: the world is another
#define CALM         30.0 // the last samples' noise so much smaller is no accident
#define DOUBT        3.0  // then deviations are taken for so much larger
#define MISTRUST     5.0 // logarithm of the odds against what was said of the frequency being wrong
#define LEAST_DOUBT  1e-12
#define LEAST_SKEW   1e-8
#define FEW          2.0 // of n samples the noise is hardly known: deviations grow by FEW / n
#define FIRST_WAIT   1.4 // of what the first delays' spread says: too little costs more than too much

// The last one is for links that change: it forgets base delay and noise sooner.
static const struct {
	unsigned stages;
	double forgetting; // of the base delay
	double memory;     // samples of which the noise is learned
} shapes[SHAPES] = {
	{ NOISE_NORMAL, 0.01, 256 },
	{ 1, 0.01, 256 },
	{ 2, 0.01, 256 },
	{ 1, 0.2, 64 },
};

struct member {
	struct clock_filter filter;
	double log_weight; // the best has 0
};

// What is believed before the first sample: ns less that sample's offset, ns/s.
struct prior {
	double offset, offset_sd; // 0: it is only known from that sample
	double frequency, frequency_sd;
};

struct estimator {
	struct estimator_options options;
	struct member members[FILTERS];
	struct prior prior;
	struct sample recent[REPLAYED]; // a ring, outliers too
	unsigned recent_count;          // ever
	unsigned samples;               // since it started over
	bool settled;                   // no sample is gone over again
	unsigned outliers;              // in a row
	double evidence;                // logarithm, of all samples since it started over
	int64_t free_ns;                // of the last sample
	int64_t origin_ns;              // the filters' offsets are less this one
};

size_t estimator_size(void)
{
	return sizeof(struct estimator);
}

void estimator_init(struct estimator *estimator, const struct estimator_options *options)
{
	memset(estimator, 0, sizeof(*estimator));
	estimator->options = *options;
	estimator->prior.frequency_sd = options->max_skew * NS_PER_S;
}

void estimator_set_frequency(struct estimator *estimator, double frequency, double skew)
{
	skew = fmax(skew, LEAST_DOUBT);
	estimator->prior.frequency = frequency * NS_PER_S;
	estimator->prior.frequency_sd = skew * NS_PER_S;
	estimator->settled = estimator->samples > 0;
	for (int i = 0; i < FILTERS; i++)
		clock_filter_set_frequency(&estimator->members[i].filter, frequency * NS_PER_S,
				skew * NS_PER_S);
}

static double difference(int64_t a, int64_t b)
{
	int64_t less;

	return __builtin_sub_overflow(a, b, &less) ? (double)a - (double)b : (double)less;
}

static const struct sample *recent(const struct estimator *estimator, unsigned back)
{
	return &estimator->recent[(estimator->recent_count - 1 - back) % REPLAYED];
}

// One way's mean wait, by the delays of the last `count` samples; of one sample, by habit.
static double guess_wait(const struct estimator *estimator, unsigned count)
{
	double least = INFINITY, mean = 0;

	for (unsigned i = 0; i < count; i++) {
		double delay = (double)recent(estimator, i)->delay_ns;

		least = fmin(least, delay);
		mean += delay / count;
	}
	return (mean - least) / 2 * FIRST_WAIT * count / fmax(count - 1, 1)
			+ fmax(least, 1) / 20 * pow(4, 1.0 - count)
			+ estimator->options.precision_ns / 30;
}

static void start_member(struct estimator *estimator, int number, double wait, double delay_ns)
{
	const struct prior *prior = &estimator->prior;
	struct member *member = &estimator->members[number];
	unsigned stages = shapes[number % SHAPES].stages;
	double offset_sd = prior->offset_sd > 0 ? prior->offset_sd : delay_ns;
	struct noise_model noise = { stages, stages ? wait / stages : wait, 0 };

	*member = (struct member){ .filter = {
		.wander = LEAST_WANDER * pow(WANDER_STEP, number / SHAPES),
		.forgetting = shapes[number % SHAPES].forgetting,
		.noise = { noise, noise },
		.state = { prior->offset, prior->frequency, delay_ns },
		.variance = {
			{ offset_sd * offset_sd },
			{ 0, prior->frequency_sd * prior->frequency_sd },
			{ 0, 0, delay_ns * delay_ns },
		},
	} };
	member->log_weight = -HABIT
			* fabs(log(member->filter.wander / NS_PER_S / estimator->options.wander));
}

static const struct member *best_member(const struct estimator *estimator)
{
	const struct member *best = estimator->members;

	for (int i = 1; i < FILTERS; i++)
		if (estimator->members[i].log_weight > best->log_weight)
			best = &estimator->members[i];
	return best;
}

static void go_on_from(struct member *member, const struct clock_filter *best)
{
	clock_filter_take_over(&member->filter, best);
	member->log_weight = -BEHIND;
}

// Returns the probability that the sample was an outlier.
static double learn(struct estimator *estimator, const struct sample *sample)
{
	double seconds = fmax(difference(sample->free_ns, estimator->free_ns), 0) / NS_PER_S;
	double sum = 0, outlier = 0, top, one;
	struct clock_filter best;

	for (int i = 0; i < FILTERS; i++) {
		struct member *member = &estimator->members[i];
		double weight = exp(member->log_weight);
		double learning = 1 / fmin(estimator->samples + 2, shapes[i % SHAPES].memory);

		clock_filter_predict(&member->filter, seconds);
		member->log_weight += clock_filter_update(&member->filter,
				difference(sample->offset_ns, estimator->origin_ns),
				(double)sample->delay_ns, learning, &one);
		sum += weight;
		outlier += weight * one;
	}
	best = best_member(estimator)->filter;
	top = best_member(estimator)->log_weight;
	for (int i = 0; i < FILTERS; i++) {
		estimator->members[i].log_weight -= top;
		if (estimator->members[i].log_weight < -BEHIND)
			go_on_from(&estimator->members[i], &best);
	}
	estimator->evidence += top;
	estimator->free_ns = sample->free_ns;
	estimator->samples++;
	return outlier / sum;
}

// Starts from the prior and learns the last `count` samples.
static double replay(struct estimator *estimator, unsigned count)
{
	const struct sample *first = recent(estimator, count - 1);
	double wait = guess_wait(estimator, count), outlier = 0;

	estimator->origin_ns = first->offset_ns;
	estimator->free_ns = first->free_ns;
	estimator->samples = 0;
	estimator->evidence = 0;
	for (int i = 0; i < FILTERS; i++)
		start_member(estimator, i, wait, fmax((double)first->delay_ns, 1));
	while (count-- > 0)
		outlier = learn(estimator, recent(estimator, count));
	return outlier;
}

// Another route, another time at the source, or our clock goes at another rate: whichever explains
// the last samples best.
static void start_over(struct estimator *estimator)
{
	const struct sample *first = recent(estimator, LOST - 1);
	double max_skew = estimator->options.max_skew * NS_PER_S, best = -INFINITY;
	struct estimate now;
	struct prior priors[3];
	int choice = 0;

	estimator_at(estimator, estimator->free_ns, &now);
	priors[0] = (struct prior){
		.offset = difference(now.offset_ns, first->offset_ns)
				- now.frequency * difference(estimator->free_ns, first->free_ns),
		.offset_sd = DOUBT * now.offset_sd_ns + 1,
		.frequency = now.frequency * NS_PER_S,
		.frequency_sd = fmin(
				fmax(DOUBT * now.frequency_sd, LEAST_SKEW) * NS_PER_S, max_skew),
	};
	priors[1] = (struct prior){ 0, 0, priors[0].frequency, priors[0].frequency_sd };
	priors[2] = (struct prior){ 0, 0, priors[0].frequency,
		hypot(max_skew, priors[0].frequency) };
	for (int i = 0; i < 3; i++) {
		// That the source's time is another is the less likely the farther it is.
		double doubt = i ? log1p(fabs(priors[0].offset) / fmax((double)first->delay_ns, 1))
				 : 0;

		estimator->prior = priors[i];
		replay(estimator, LOST);
		if (estimator->evidence - doubt > best) {
			best = estimator->evidence - doubt;
			choice = i;
		}
	}
	estimator->prior = priors[choice];
	replay(estimator, LOST);
	estimator->settled = false;
	estimator->outliers = 0;
}

// The noise is learned too slowly for a link that has become quiet by far.
static bool is_calm(const struct estimator *estimator)
{
	const struct noise_model *noise = best_member(estimator)->filter.noise;

	return estimator->settled
			&& CALM * guess_wait(estimator, REPLAYED)
			< fmax(noise_model_deviation(&noise[0]), noise_model_deviation(&noise[1]));
}

// Keeps the nanoseconds of offsets of any size.
static void move_origin(struct estimator *estimator)
{
	double whole = rint(best_member(estimator)->filter.state[FILTER_OFFSET]);

	if (__builtin_add_overflow(estimator->origin_ns, (int64_t)whole, &estimator->origin_ns))
		return;
	for (int i = 0; i < FILTERS; i++)
		estimator->members[i].filter.state[FILTER_OFFSET] -= whole;
}

// Goes over the first samples again, and believes what was said of the frequency only as long as they do not
// tell otherwise: drift files can be of another machine, or of a colder day.
static double replay_first(struct estimator *estimator)
{
	unsigned count = estimator->samples + 1;
	double max_skew = estimator->options.max_skew * NS_PER_S, told;
	double outlier = replay(estimator, count);
	struct prior prior = estimator->prior;

	if (prior.offset_sd > 0 || prior.frequency_sd >= max_skew || count < 2)
		return outlier;
	told = estimator->evidence;
	estimator->prior.frequency_sd = hypot(max_skew, prior.frequency);
	outlier = replay(estimator, count);
	if (estimator->evidence - MISTRUST > told)
		return outlier;
	estimator->prior = prior;
	return replay(estimator, count);
}

bool estimator_add(struct estimator *estimator, const struct sample *sample)
{
	double outlier;

	estimator->recent[estimator->recent_count++ % REPLAYED] = *sample;
	estimator->settled = estimator->settled || estimator->samples >= REPLAYED;
	if (estimator->settled)
		outlier = learn(estimator, sample);
	else
		outlier = replay_first(estimator);
	estimator->outliers = outlier > 0.5 ? estimator->outliers + 1 : 0;
	if (estimator->outliers >= LOST || is_calm(estimator))
		start_over(estimator);
	move_origin(estimator);
	return estimator->outliers == 0;
}

void estimator_forget(struct estimator *estimator, double frequency, double skew)
{
	estimator->prior = (struct prior){
		.frequency = frequency * NS_PER_S,
		.frequency_sd = fmax(skew, LEAST_DOUBT) * NS_PER_S,
	};
	estimator->settled = false;
	estimator->outliers = 0;
	replay(estimator, 1);
	move_origin(estimator);
}

static void mix(const struct clock_filter filters[FILTERS], const double weights[FILTERS],
		int state, double *mean, double *deviation)
{
	double square = 0;

	*mean = 0;
	for (int i = 0; i < FILTERS; i++)
		*mean += weights[i] * filters[i].state[state];
	for (int i = 0; i < FILTERS; i++) {
		double apart = filters[i].state[state] - *mean;

		square += weights[i] * (apart * apart + filters[i].variance[state][state]);
	}
	*deviation = sqrt(square);
}

bool estimator_at(const struct estimator *estimator, int64_t free_ns, struct estimate *estimate)
{
	double seconds = fmax(difference(free_ns, estimator->free_ns), 0) / NS_PER_S, sum = 0;
	double weights[FILTERS], offset, offset_sd, frequency, frequency_sd, jitter = 0, wander = 0,
									     few;
	struct clock_filter filters[FILTERS];

	if (estimator->samples == 0)
		return false;
	few = 1 + FEW / estimator->samples;
	for (int i = 0; i < FILTERS; i++) {
		weights[i] = estimator->members[i].log_weight < -SILENT
				? 0
				: exp(estimator->members[i].log_weight);
		sum += weights[i];
		filters[i] = estimator->members[i].filter;
		clock_filter_predict(&filters[i], seconds);
	}
	for (int i = 0; i < FILTERS; i++) {
		weights[i] /= sum;
		wander += weights[i] * filters[i].wander;
		jitter += weights[i]
				* hypot(noise_model_deviation(&filters[i].noise[0]),
						noise_model_deviation(&filters[i].noise[1]))
				/ 2;
	}
	mix(filters, weights, FILTER_OFFSET, &offset, &offset_sd);
	mix(filters, weights, FILTER_FREQUENCY, &frequency, &frequency_sd);
	*estimate = (struct estimate){
		.offset_ns = estimator->origin_ns + llround(offset),
		.frequency = frequency / NS_PER_S,
		.offset_sd_ns = few * offset_sd,
		.frequency_sd = few * frequency_sd / NS_PER_S,
		.jitter_ns = jitter,
		.wander = wander / NS_PER_S,
	};
	return true;
}

unsigned estimator_samples(const struct estimator *estimator)
{
	return estimator->recent_count;
}
