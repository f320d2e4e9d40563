// SPDX-License-Identifier: BSD-3-Clause
// Each way is measured on its own: a packet to the source takes base / 2 + wait longer than the
// offset says, one from it base / 2 + wait less the offset. So each gives a one-sided bound, and a
// normal distribution is fitted to belief times bound by its first two moments (assumed density
// filtering).
#include "sync/clock_filter.h"

#include <math.h>

#define DELAY_WANDER 0.02 // of the base delay, in deviations of the noise, per sqrt(sample)
#define BLUR         0.03 // of the edge, in scales of the wait
#define LEAST_NS     0.3  // what the stamps' nanoseconds hide
#define CORRELATION   (1 - 1e-12)
#define LEAST_LEFT    1e-13 // of a variance after an update

static const double least_variance[FILTER_STATES] = { 1e-3, 1e-10, 1e-3 };

// Rounding must not make a matrix of what no belief can be.
static void tidy(struct clock_filter *filter)
{
	for (int i = 0; i < FILTER_STATES; i++)
		filter->variance[i][i] = fmax(filter->variance[i][i], least_variance[i]);
	for (int i = 0; i < FILTER_STATES; i++) {
		for (int j = 0; j < i; j++) {
			double limit = CORRELATION
					* sqrt(filter->variance[i][i] * filter->variance[j][j]);
			double both = fmax(-limit, fmin(filter->variance[i][j], limit));

			filter->variance[i][j] = both;
			filter->variance[j][i] = both;
		}
	}
}

void clock_filter_predict(struct clock_filter *filter, double seconds)
{
	double q = filter->wander * filter->wander * seconds;
	double(*v)[FILTER_STATES] = filter->variance;

	filter->state[FILTER_OFFSET] += seconds * filter->state[FILTER_FREQUENCY];
	v[0][0] += seconds * (2 * v[0][1] + seconds * (v[1][1] + q / 3));
	v[0][1] += seconds * (v[1][1] + q / 2);
	v[0][2] += seconds * v[1][2];
	v[1][1] += q;
	v[1][0] = v[0][1];
	v[2][0] = v[0][2];
}

// `sign` is that of the offset in the measured `ns`. Returns the evidence.
static double learn_way(struct clock_filter *filter, double sign, double ns, double learning,
		double *outlier)
{
	struct noise_model *noise = &filter->noise[sign < 0];
	double gain[FILTER_STATES], *state = filter->state;

	for (int i = 0; i < FILTER_STATES; i++)
		gain[i] = sign * filter->variance[i][FILTER_OFFSET]
				+ filter->variance[i][FILTER_DELAY] / 2;

	double variance = sign * gain[FILTER_OFFSET] + gain[FILTER_DELAY] / 2;
	double error = ns - sign * state[FILTER_OFFSET] - state[FILTER_DELAY] / 2;
	struct noise_lesson lesson = noise_model_weigh(noise, error, variance);
	double curvature = fmin(lesson.curvature, (1 - LEAST_LEFT) / variance);
	double wait = error - variance * lesson.gradient;

	learning *= 1 - lesson.outlier;
	if (noise->stages == NOISE_NORMAL) {
		double wait2 = wait * wait + variance - variance * variance * curvature;

		noise->scale = sqrt(
				noise->scale * noise->scale * (1 - learning) + learning * wait2);
	} else {
		noise->scale += learning * (fmax(wait, 0) / noise->stages - noise->scale);
	}
	noise->scale = fmax(noise->scale, LEAST_NS);
	noise->blur = fmax(BLUR * noise->scale, LEAST_NS);
	for (int i = 0; i < FILTER_STATES; i++) {
		state[i] += gain[i] * lesson.gradient;
		for (int j = 0; j < FILTER_STATES; j++)
			filter->variance[i][j] -= gain[i] * gain[j] * curvature;
	}
	tidy(filter);
	*outlier = lesson.outlier;
	return lesson.log_evidence;
}

double clock_filter_update(struct clock_filter *filter, double offset_ns, double delay_ns,
		double learning, double *outlier)
{
	double drift = DELAY_WANDER
			* fmin(noise_model_deviation(&filter->noise[0]),
					noise_model_deviation(&filter->noise[1]));
	double outliers[2], evidence;

	filter->variance[FILTER_DELAY][FILTER_DELAY] += drift * drift;
	evidence = learn_way(filter, 1, delay_ns / 2 + offset_ns, learning, &outliers[0]);
	evidence += learn_way(filter, -1, delay_ns / 2 - offset_ns, learning, &outliers[1]);
	*outlier = fmin(outliers[0], outliers[1]);
	return evidence;
}
