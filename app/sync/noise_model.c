// SPDX-License-Identifier: BSD-3-Clause
// The evidence of a normal belief under a sum of k exponential waits is, up to simple factors, the
// k-fold integral I_k of the normal density at w, the error in deviations less deviation / scale.
// Their ratios r_k = I_(k-1) / I_k obey r_k = k / r_(k+1) - w, which is all that is needed here.
#include "sync/noise_model.h"

#include <math.h>

#define MOST_STAGES    8
#define FRACTION_DEPTH 40
#define TAIL           -3.0 // below it the continued fraction is exact to the last digits
#define CERTAIN        8.0  // above it I_1 is 1
#define OUTLIERS       1e-3 // share of values that are expected to be
#define OUTLIER_WIDTH  1e4  // over how many deviations they spread

// ratios[1..stages + 1] at w.
static void find_ratios(double w, unsigned stages, double ratios[MOST_STAGES + 2])
{
	double ratio = (sqrt(w * w + 4 * FRACTION_DEPTH) - w) / 2;

	if (w < TAIL) {
		for (unsigned k = FRACTION_DEPTH; k-- > 1;) {
			ratio = k / ratio - w;
			if (k <= stages + 1)
				ratios[k] = ratio;
		}
		return;
	}
	ratios[1] = exp(-w * w / 2) / sqrt(2 * M_PI) / (erfc(-w / sqrt(2)) / 2);
	for (unsigned k = 1; k <= stages; k++)
		ratios[k + 1] = k / (w + ratios[k]);
}

static struct noise_lesson weigh_normal(double error, double variance)
{
	return (struct noise_lesson){
		.log_evidence = -error * error / variance / 2 - log(2 * M_PI * variance) / 2,
		.gradient = error / variance,
		.curvature = 1 / variance,
	};
}

static struct noise_lesson weigh_waits(
		const struct noise_model *model, double error, double variance)
{
	double ratios[MOST_STAGES + 2], deviation = sqrt(variance);
	double u = error / deviation, steepness = deviation / model->scale, w = u - steepness;
	unsigned k = model->stages;
	double evidence = (k - 1) * log(deviation) - k * log(model->scale);

	find_ratios(w, k, ratios);
	if (w < CERTAIN)
		evidence -= u * u / 2 + log(2 * M_PI) / 2 + log(ratios[1]);
	else
		evidence += steepness * (steepness / 2 - u);
	for (unsigned j = 2; j <= k; j++)
		evidence -= log(ratios[j]);
	return (struct noise_lesson){
		.log_evidence = evidence,
		.gradient = (u - k / ratios[k + 1]) / deviation,
		.curvature = (k * ratios[k] / ratios[k + 1] - (k - 1)) / variance,
	};
}

// A value is an outlier with a small probability everywhere, and then teaches nothing.
static void allow_outlier(struct noise_lesson *lesson, double width)
{
	double log_outlier = log(OUTLIERS / OUTLIER_WIDTH / width);
	double believed = 1 / (1 + exp(fmin(log_outlier - lesson->log_evidence, 700)));
	double gradient = lesson->gradient;

	lesson->log_evidence = fmax(lesson->log_evidence, log_outlier)
			+ log1p(exp(-fabs(lesson->log_evidence - log_outlier)));
	lesson->outlier = 1 - believed;
	lesson->gradient = believed * gradient;
	lesson->curvature = believed * (lesson->curvature - (1 - believed) * gradient * gradient);
}

struct noise_lesson noise_model_weigh(
		const struct noise_model *model, double error, double variance)
{
	double scale2 = model->scale * model->scale;
	struct noise_lesson lesson;

	if (model->stages == NOISE_NORMAL)
		lesson = weigh_normal(error, variance + scale2);
	else
		lesson = weigh_waits(model, error, variance + model->blur * model->blur);
	allow_outlier(&lesson, noise_model_deviation(model) + sqrt(variance));
	return lesson;
}

double noise_model_mean(const struct noise_model *model)
{
	return model->stages * model->scale;
}

double noise_model_deviation(const struct noise_model *model)
{
	return model->stages == NOISE_NORMAL ? model->scale : sqrt(model->stages) * model->scale;
}
