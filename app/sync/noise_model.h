// SPDX-License-Identifier: BSD-3-Clause
// What one measured value tells of a quantity whose belief is a normal distribution, when the
// measuring error is one-sided: the sum of some exponential waits, as queues make them. Pure.
#pragma once

#define NOISE_NORMAL 0 // as many waits that their sum is a normal deviate

struct noise_model {
	unsigned stages; // waits in a row, 0 to 8; NOISE_NORMAL: the mean is no part of it
	double scale;    // mean of one wait, or the normal's deviation; positive
	double blur;     // normal deviation on top of the waits
};

struct noise_lesson {
	double log_evidence; // of the value, its density's logarithm
	double gradient;     // of log_evidence by the believed mean
	double curvature;    // minus its second derivative
	double outlier;      // probability that the value has nothing to do with the quantity
};

// `error` is value less believed mean, `variance` the belief's. The belief after it has the mean
// + variance * gradient and the variance variance - variance^2 * curvature.
struct noise_lesson noise_model_weigh(
		const struct noise_model *model, double error, double variance);
double noise_model_mean(const struct noise_model *model);
double noise_model_deviation(const struct noise_model *model);
