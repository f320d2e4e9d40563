// SPDX-License-Identifier: BSD-3-Clause
#include "oscillator.h"

#include "noise.h"

void oscillator_init(struct oscillator *oscillator, const struct oscillator_options *options,
		int64_t true_ns, uint64_t seed)
{
	*oscillator = (struct oscillator){
		.options = *options,
		.true_ns = true_ns,
		.frequency = options->frequency,
		.random = seed,
	};
	oscillator->swing_phase = 2 * M_PI * noise_uniform(&oscillator->random);
}

static double swing_angle(const struct oscillator *oscillator, int64_t true_ns)
{
	double turns = (double)true_ns * 1e-9 / oscillator->options.swing_period_s;

	return oscillator->swing_phase + 2 * M_PI * turns;
}

static double swing_ns(const struct oscillator *oscillator, int64_t true_ns)
{
	const struct oscillator_options *options = &oscillator->options;
	double from = cos(swing_angle(oscillator, oscillator->true_ns));
	double to = cos(swing_angle(oscillator, true_ns));

	return options->swing * options->swing_period_s * 1e9 / (2 * M_PI) * (from - to);
}

// Offset and frequency of a random walk after a while are normal and correlated: this is exact.
void oscillator_advance(struct oscillator *oscillator, int64_t true_ns)
{
	const struct oscillator_options *options = &oscillator->options;
	double gone_ns = (double)(true_ns - oscillator->true_ns);

	if (gone_ns <= 0)
		return;
	if (options->jump != 0 && !oscillator->jumped
			&& (double)true_ns * 1e-9 >= options->jump_at_s) {
		oscillator->jumped = true;
		oscillator->frequency += options->jump;
	}
	double gone_s = gone_ns * 1e-9;
	double one = noise_normal(&oscillator->random), other = noise_normal(&oscillator->random);
	double walk = options->wander * sqrt(gone_s);

	oscillator->ahead_ns += oscillator->frequency * gone_ns;
	oscillator->ahead_ns += walk * gone_ns * (one / 2 + other / sqrt(12));
	oscillator->frequency += walk * one;
	if (options->white > 0)
		oscillator->ahead_ns += options->white * sqrt(gone_s) * 1e9
				* noise_normal(&oscillator->random);
	if (options->swing > 0)
		oscillator->ahead_ns += swing_ns(oscillator, true_ns);
	oscillator->true_ns = true_ns;
}

void oscillator_skip(struct oscillator *oscillator, int64_t true_ns)
{
	oscillator->ahead_ns -= (double)(true_ns - oscillator->true_ns);
	oscillator->true_ns = true_ns;
}

double oscillator_frequency(const struct oscillator *oscillator)
{
	double frequency = oscillator->frequency;

	if (oscillator->options.swing > 0)
		frequency += oscillator->options.swing
				* sin(swing_angle(oscillator, oscillator->true_ns));
	return frequency;
}

long double oscillator_raw_ns(const struct oscillator *oscillator, double from_now_ns)
{
	double since_ns = from_now_ns * (1 + oscillator_frequency(oscillator));

	return (long double)oscillator->true_ns + oscillator->ahead_ns + since_ns;
}
