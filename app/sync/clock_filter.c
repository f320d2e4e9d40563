// SPDX-License-Identifier: BSD-3-Clause
// A packet to the source is measured to take base / 2 + offset + wait, one from it base / 2 - offset
// + wait. Each is a bound with one soft side. Belief times bound is no normal distribution; one is
// fitted to it by its first two moments (assumed density filtering).
#include "sync/clock_filter.h"

#include <math.h>
#include <stdbool.h>

#define DELAY_WANDER 0.001 // of the base delay, in deviations of the noise, per sample
#define BLUR         0.002 // of the edge, in scales of the wait
#define LEAST_NS     0.3   // what the stamps' nanoseconds hide
#define WIDE         2.0   // beliefs over so many deviations of the noise need other arithmetic
#define EARLY        6.0   // deviations that are no accident any more
#define CORRELATION  (1 - 1e-12)
#define LEAST_LEFT   1e-13 // of a variance after an update

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

void clock_filter_set_frequency(struct clock_filter *filter, double frequency, double deviation)
{
	for (int i = 0; i < FILTER_STATES; i++) {
		filter->variance[FILTER_FREQUENCY][i] = 0;
		filter->variance[i][FILTER_FREQUENCY] = 0;
	}
	filter->state[FILTER_FREQUENCY] = frequency;
	filter->variance[FILTER_FREQUENCY][FILTER_FREQUENCY] = deviation * deviation;
}

void clock_filter_take_over(struct clock_filter *filter, const struct clock_filter *from)
{
	struct clock_filter taken = *from;
	double more[2]; // wait, and so less base delay

	taken.wander = filter->wander;
	taken.forgetting = filter->forgetting;
	for (int way = 0; way < 2; way++) {
		double deviation = noise_model_deviation(&from->noise[way]);
		unsigned stages = filter->noise[way].stages;

		taken.noise[way].stages = stages;
		taken.noise[way].scale = stages ? deviation / sqrt(stages) : deviation;
		more[way] = noise_model_mean(&taken.noise[way])
				- noise_model_mean(&from->noise[way]);
	}
	taken.state[FILTER_OFFSET] -= (more[0] - more[1]) / 2;
	taken.state[FILTER_DELAY] -= more[0] + more[1];
	*filter = taken;
}

// A measured value, as what it is the sum of: shares of offset and base delay, and a wait.
struct measure {
	double offset, delay;
	double ns;
};

// Its covariance with the states goes to `gain`; returns its variance.
static double project(const struct clock_filter *filter, const struct measure *measure,
		double gain[FILTER_STATES])
{
	for (int i = 0; i < FILTER_STATES; i++)
		gain[i] = measure->offset * filter->variance[i][FILTER_OFFSET]
				+ measure->delay * filter->variance[i][FILTER_DELAY];
	return measure->offset * gain[FILTER_OFFSET] + measure->delay * gain[FILTER_DELAY];
}

static double wait_of(const struct clock_filter *filter, const struct measure *measure)
{
	return measure->ns - measure->offset * filter->state[FILTER_OFFSET]
			- measure->delay * filter->state[FILTER_DELAY];
}

static struct noise_lesson learn(struct clock_filter *filter, const struct measure *measure,
		const struct noise_model *noise)
{
	double gain[FILTER_STATES], variance = project(filter, measure, gain);
	double wait = wait_of(filter, measure);
	struct noise_lesson lesson = noise_model_weigh(noise, wait, variance);
	double curvature = fmin(lesson.curvature, (1 - LEAST_LEFT) / variance);

	for (int i = 0; i < FILTER_STATES; i++) {
		filter->state[i] += gain[i] * lesson.gradient;
		for (int j = 0; j < FILTER_STATES; j++)
			filter->variance[i][j] -= gain[i] * gain[j] * curvature;
	}
	tidy(filter);
	return lesson;
}

// What the sample, now that it is weighed, tells of the noise's size.
static void learn_noise(struct clock_filter *filter, struct noise_model *noise,
		const struct measure *measure, double learning)
{
	double gain[FILTER_STATES], variance = project(filter, measure, gain);
	double wait = wait_of(filter, measure), scale = noise->scale;

	if (noise->stages == NOISE_NORMAL)
		scale = sqrt(scale * scale + learning * (wait * wait + variance - scale * scale));
	else
		scale += learning * (fmax(wait, 0) / noise->stages - scale);
	noise->scale = fmax(scale, LEAST_NS);
	noise->blur = fmax(BLUR * noise->scale, LEAST_NS);
}

// Earlier than it can be by what is believed.
static bool too_early(const struct clock_filter *filter, const struct measure *measure, double edge)
{
	double gain[FILTER_STATES], variance = project(filter, measure, gain);

	return wait_of(filter, measure) < -EARLY * sqrt(variance + edge * edge);
}

static double edge_of(const struct noise_model *noise)
{
	return noise->stages == NOISE_NORMAL ? noise->scale : noise->blur;
}

// Another route, or another time at the source or on our side. Then no part of the sample is worth
// anything, however well one way seems to fit.
static bool sample_too_early(const struct clock_filter *filter, const struct measure ways[2])
{
	struct measure whole = { 0, 1, ways[0].ns + ways[1].ns };
	double edges[2] = { edge_of(&filter->noise[0]), edge_of(&filter->noise[1]) };

	return too_early(filter, &ways[0], edges[0]) || too_early(filter, &ways[1], edges[1])
			|| too_early(filter, &whole, hypot(edges[0], edges[1]));
}

// Both ways on their own, the sharpest there is while the belief is not much wider than the noise.
static double learn_ways(
		struct clock_filter *filter, const struct measure ways[2], double outliers[2])
{
	struct noise_lesson lessons[2];

	for (int way = 0; way < 2; way++) {
		lessons[way] = learn(filter, &ways[way], &filter->noise[way]);
		outliers[way] = lessons[way].outlier;
	}
	return lessons[0].log_evidence + lessons[1].log_evidence;
}

// The belief is wide: a normal distribution is no match for what one way leaves of it. Then the round
// trip tells of the base delay, and how much it waited tells how well it shows the offset: of the
// wait's share on one way, Beta(stages, stages), the variance is known.
static double learn_round_trip(
		struct clock_filter *filter, double offset_ns, double delay_ns, double outliers[2])
{
	unsigned stages = filter->noise[0].stages;
	struct measure whole = { 0, 1, delay_ns }, half = { 1, 0, offset_ns };
	struct noise_model waits = { 2 * stages,
		(filter->noise[0].scale + filter->noise[1].scale) / 2, filter->noise[0].blur };
	struct noise_lesson trip = learn(filter, &whole, &waits), offset;
	double wait, variance;

	wait = wait_of(filter, &whole);
	variance = (wait * wait + filter->variance[FILTER_DELAY][FILTER_DELAY]) / (8 * stages + 4);
	offset = learn(filter, &half, &(struct noise_model){ NOISE_NORMAL, sqrt(variance), 0 });
	outliers[0] = outliers[1] = offset.outlier;
	return trip.log_evidence + offset.log_evidence;
}

double clock_filter_update(struct clock_filter *filter, double offset_ns, double delay_ns,
		double learning, double *outlier)
{
	struct measure ways[2] = { { 1, 0.5, delay_ns / 2 + offset_ns },
		{ -1, 0.5, delay_ns / 2 - offset_ns } };
	double deviations[2] = { noise_model_deviation(&filter->noise[0]),
		noise_model_deviation(&filter->noise[1]) };
	double drift = DELAY_WANDER * fmin(deviations[0], deviations[1]);
	double evidence, outliers[2], gain[FILTER_STATES];
	struct clock_filter before;
	bool early;

	filter->variance[FILTER_DELAY][FILTER_DELAY] += drift * drift
			+ filter->forgetting * filter->variance[FILTER_DELAY][FILTER_DELAY];
	before = *filter;
	early = sample_too_early(filter, ways);
	if (filter->noise[0].stages != NOISE_NORMAL
			&& sqrt(project(filter, &ways[0], gain))
					> WIDE * (deviations[0] + deviations[1]) / 2)
		evidence = learn_round_trip(filter, offset_ns, delay_ns, outliers);
	else
		evidence = learn_ways(filter, ways, outliers);
	*outlier = early ? 1 : fmin(outliers[0], outliers[1]);
	if (*outlier > 0.5) {
		*filter = before;
		return evidence;
	}
	for (int way = 0; way < 2; way++)
		learn_noise(filter, &filter->noise[way], &ways[way],
				learning * (1 - outliers[way]));
	return evidence;
}
