// SPDX-License-Identifier: BSD-3-Clause
#include "optimum.h"

#include <math.h>

// Variances of offset, offset and frequency, frequency.
struct doubt {
	double xx, xy, yy;
};

static struct doubt later(struct doubt doubt, double seconds, double wander)
{
	double q = wander * wander;

	return (struct doubt){
		.xx = doubt.xx + 2 * doubt.xy * seconds + doubt.yy * seconds * seconds
				+ q * seconds * seconds * seconds / 3,
		.xy = doubt.xy + doubt.yy * seconds + q * seconds * seconds / 2,
		.yy = doubt.yy + q * seconds,
	};
}

// The Riccati equation, iterated until it stands.
static struct doubt after_sample(double interval_s, double noise_s, double wander)
{
	struct doubt doubt = { noise_s * noise_s, 0, 1e-6 };
	double last = INFINITY;

	for (unsigned i = 0; i < 10'000'000 && fabs(last - doubt.yy) > 1e-13 * doubt.yy; i++) {
		struct doubt before = later(doubt, interval_s, wander);
		double gain = before.xx / (before.xx + noise_s * noise_s);
		double gain_frequency = before.xy / (before.xx + noise_s * noise_s);

		last = doubt.yy;
		doubt = (struct doubt){
			.xx = (1 - gain) * before.xx,
			.xy = (1 - gain) * before.xy,
			.yy = before.yy - gain_frequency * before.xy,
		};
	}
	return doubt;
}

double optimum_kalman_s(double interval_s, double noise_s, double wander)
{
	struct doubt doubt = after_sample(interval_s, noise_s, wander);
	double t = interval_s, sum = doubt.xx + doubt.xy * t + doubt.yy * t * t / 3;

	return sqrt(sum + wander * wander * t * t * t / 12);
}

double optimum_frequency(double interval_s, double noise_s, double wander)
{
	return sqrt(after_sample(interval_s, noise_s, wander).yy);
}

double optimum_exponential_s(double interval_s, double jitter_s, double wander)
{
	return 0.84 * pow(jitter_s * interval_s, 0.6) * pow(wander, 0.4);
}
