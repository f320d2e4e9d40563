// SPDX-License-Identifier: BSD-3-Clause
#include "measure.h"

#include <math.h>

const double measure_lock_limits_s[MEASURE_LOCKS] = { 1e-3, 1e-4, 1e-5, 1e-6 };

void measure_init(struct measure *measure)
{
	*measure = (struct measure){ .first_answer_s = -1 };
	for (unsigned i = 0; i < MEASURE_LOCKS; i++)
		measure->within_s[i] = measure->locked_s[i] = -1;
}

static void note_lie(struct measure *measure, const struct look *look)
{
	double error_ns = fabs(look->answer_error_ns);

	if (measure->lies++ == 0) {
		measure->first_lie_s = look->true_s;
		measure->first_lie_ns = look->answer_error_ns;
		measure->first_lie_claim_ns = look->claim_ns;
	}
	if (!measure->lies_now)
		measure->lying_since_s = look->true_s;
	measure->lies_now = true;
	measure->last_lie_s = look->true_s;
	measure->lying_s = fmax(measure->lying_s, look->true_s - measure->lying_since_s);
	measure->worst_lie_ns = fmax(measure->worst_lie_ns, error_ns);
}

static void judge_answer(struct measure *measure, const struct look *look)
{
	if (look->leap == NTP_LEAP_UNSYNCHRONISED) {
		measure->lies_now = false;
		return;
	}
	if (measure->answers++ == 0)
		measure->first_answer_s = look->true_s;
	measure->max_claim_ns = fmax(measure->max_claim_ns, look->claim_ns);
	if (fabs(look->answer_error_ns) > look->claim_ns)
		note_lie(measure, look);
	else
		measure->lies_now = false;
}

static void add_settled(struct measure *measure, const struct look *look)
{
	double error_ns = look->clock_error_ns;

	measure->looks++;
	measure->sum_ns += error_ns;
	measure->squares_ns2 += error_ns * error_ns;
	measure->max_ns = fmax(measure->max_ns, fabs(error_ns));
	measure->frequency_squares += look->clock_frequency * look->clock_frequency;
	measure->ideal_squares_ns2 += look->ideal_error_ns * look->ideal_error_ns;
	if (look->leap != NTP_LEAP_UNSYNCHRONISED) {
		measure->synchronised++;
		measure->claim_sum_ns += look->claim_ns;
	}
}

void measure_add(struct measure *measure, const struct look *look, bool settled)
{
	measure->all++;
	for (unsigned i = 0; i < MEASURE_LOCKS; i++) {
		bool within = fabs(look->clock_error_ns) < measure_lock_limits_s[i] * 1e9;

		if (within && measure->within_s[i] < 0)
			measure->within_s[i] = look->true_s;
		if (!within)
			measure->locked_s[i] = -1;
		else if (measure->locked_s[i] < 0)
			measure->locked_s[i] = look->true_s;
	}
	judge_answer(measure, look);
	if (settled)
		add_settled(measure, look);
	measure->last = *look;
}

double measure_rms_ns(const struct measure *measure)
{
	return sqrt(measure->squares_ns2 / fmax((double)measure->looks, 1));
}

double measure_ideal_rms_ns(const struct measure *measure)
{
	return sqrt(measure->ideal_squares_ns2 / fmax((double)measure->looks, 1));
}
