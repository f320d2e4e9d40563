// SPDX-License-Identifier: BSD-3-Clause
// A Kalman filter of offset and frequency whose noise is learned from the samples and grows with
// each sample's delay above the least one.
#include "sync/estimator.h"

#include <math.h>

#define OUTLIER_SD     6.0
#define OUTLIERS       4 // in a row: then it is not them but us
#define LEARN          32.0
#define FIRST_DOUBT_NS 1e18

struct estimator {
	struct estimator_options options;
	unsigned samples, outliers;
	int64_t free_ns;   // of the last sample
	int64_t origin_ns; // offsets below are less this one, to keep their nanoseconds
	double offset_ns;  // the state
	double frequency;
	double variance[3]; // offset, both, frequency
	double least_delay_ns;
	double noise_ns2; // of a sample
};

size_t estimator_size(void)
{
	return sizeof(struct estimator);
}

void estimator_init(struct estimator *estimator, const struct estimator_options *options)
{
	*estimator = (struct estimator){ .options = *options };
	estimator->variance[2] = options->max_skew * options->max_skew;
}

void estimator_set_frequency(struct estimator *estimator, double frequency, double skew)
{
	estimator->frequency = frequency;
	estimator->variance[1] = 0;
	estimator->variance[2] = skew * skew;
}

static double wander_of(const struct estimator *estimator)
{
	return fmax(estimator->options.wander, 1e-12);
}

// Variances `seconds` after the last sample.
static void predict(const struct estimator *estimator, double seconds, double variance[3])
{
	double wander = wander_of(estimator);
	double q = wander * wander * seconds;
	double ns = seconds * 1e9;
	const double *v = estimator->variance;

	variance[0] = v[0] + 2 * v[1] * ns + v[2] * ns * ns + q * ns * ns / 3;
	variance[1] = v[1] + v[2] * ns + q * ns / 2;
	variance[2] = v[2] + q;
}

static bool add_first(struct estimator *estimator, const struct sample *sample)
{
	double jitter = (double)sample->delay_ns / 4 + estimator->options.precision_ns + 1;

	estimator->samples = 1;
	estimator->free_ns = sample->free_ns;
	estimator->origin_ns = sample->offset_ns;
	estimator->offset_ns = 0;
	estimator->least_delay_ns = (double)sample->delay_ns;
	estimator->noise_ns2 = jitter * jitter;
	estimator->variance[0] = jitter * jitter;
	estimator->variance[1] = 0;
	return true;
}

// What happened: the server or the route is another. Frequency is of our clock and stays.
static void start_over(struct estimator *estimator, const struct sample *sample)
{
	add_first(estimator, sample);
	estimator->outliers = 0;
}

static void update(
		struct estimator *estimator, const double variance[3], double error, double noise)
{
	double total = variance[0] + noise;
	double gain = variance[0] / total, gain_frequency = variance[1] / total;

	estimator->offset_ns += gain * error;
	estimator->frequency += gain_frequency * error;
	estimator->variance[0] = (1 - gain) * variance[0];
	estimator->variance[1] = (1 - gain) * variance[1];
	estimator->variance[2] = fmax(variance[2] - gain_frequency * variance[1], 1e-26);
}

bool estimator_add(struct estimator *estimator, const struct sample *sample)
{
	double seconds, delay = (double)sample->delay_ns, variance[3], error, noise, excess, learn;

	if (estimator->samples == 0)
		return add_first(estimator, sample);
	seconds = fmax((double)(sample->free_ns - estimator->free_ns), 1) * 1e-9;
	predict(estimator, seconds, variance);
	error = (double)(sample->offset_ns - estimator->origin_ns) - estimator->offset_ns
			- estimator->frequency * seconds * 1e9;
	estimator->least_delay_ns = fmin(estimator->least_delay_ns, delay);
	excess = delay - estimator->least_delay_ns;
	learn = fmin(estimator->samples, LEARN);
	noise = estimator->noise_ns2 / 4 + excess * excess / 12;
	if (error * error > OUTLIER_SD * OUTLIER_SD * (variance[0] + noise)) {
		if (++estimator->outliers < OUTLIERS)
			return false;
		start_over(estimator, sample);
		return true;
	}
	estimator->outliers = 0;
	estimator->samples++;
	estimator->noise_ns2 +=
			(fmax(error * error - variance[0], 0) - estimator->noise_ns2) / (learn + 1);
	estimator->noise_ns2 = fmax(estimator->noise_ns2,
			estimator->options.precision_ns * estimator->options.precision_ns + 1);
	estimator->offset_ns += estimator->frequency * seconds * 1e9;
	update(estimator, variance, error, noise);
	// Rebase, so that no double ever holds more than it can.
	int64_t whole = (int64_t)estimator->offset_ns;
	estimator->origin_ns += whole;
	estimator->offset_ns -= (double)whole;
	estimator->free_ns = sample->free_ns;
	return true;
}

bool estimator_at(const struct estimator *estimator, int64_t free_ns, struct estimate *estimate)
{
	double ns = (double)(free_ns - estimator->free_ns), variance[3];

	if (estimator->samples == 0)
		return false;
	predict(estimator, fmax(ns, 0) * 1e-9, variance);
	*estimate = (struct estimate){
		.offset_ns = estimator->origin_ns
				+ llround(estimator->offset_ns + estimator->frequency * ns),
		.frequency = estimator->frequency,
		.offset_sd_ns = sqrt(variance[0]),
		.frequency_sd = sqrt(variance[2]),
		.jitter_ns = sqrt(estimator->noise_ns2),
		.wander = wander_of(estimator),
	};
	return true;
}

unsigned estimator_samples(const struct estimator *estimator)
{
	return estimator->samples;
}
