// SPDX-License-Identifier: BSD-3-Clause
// An error found that is beyond doubt is removed in a sixteenth of the time between updates, a smaller one
// takes as much longer as it is smaller than the doubt, a quarter of that time at most. Removing an error e in
// a share s of the interval costs e^2 s / 3 of variance against removing it at once: together 0.3 % of rms where
// jitter rules and 3 % where wander does (tests/sim). All of the interval would save no more frequency error,
// and cost 3 % of rms with normal jitter.
#include "sync/servo.h"

#include <math.h>
#include <stdlib.h>

#define SPAN_DIVISOR    16
#define GENTLEST        4
#define MIN_SPAN_NS     50e6 // timers are late by milliseconds
#define MAX_SPAN_NS     16e9
#define FIRST_SPAN_NS   250e6
#define MAX_STAGES_LATE 4     // a stage lasts so many times as long as the one before was late
#define SAME_FREQUENCY  1e-12 // a tenth of what the kernel tells apart

void servo_init(struct servo *servo, const struct servo_options *options, double frequency)
{
	*servo = (struct servo){
		.options = *options,
		.base_frequency = frequency,
		.target_free_ns = INT64_MAX,
	};
}

static double clamp(double value, double limit)
{
	return fmin(fmax(value, -limit), limit);
}

static int64_t clamp_span(double span_ns)
{
	return (int64_t)fmin(fmax(span_ns, MIN_SPAN_NS), MAX_SPAN_NS);
}

// UTC less the clock, as far as it was known at the last update.
static int64_t error_at(const struct servo *servo, const struct timeline *timeline, int64_t free_ns)
{
	double grown_ns = servo->base_frequency * (double)(free_ns - servo->believed_free_ns);
	int64_t correction_ns = timeline_correction_ns(timeline, free_ns);

	// Modulo 2^64, as moments are: from one end of time to the other is a step like any.
	return (int64_t)((uint64_t)servo->believed_offset_ns - (uint64_t)correction_ns)
			+ llround(grown_ns);
}

static struct servo_command command_for(
		const struct servo *servo, const struct timeline *timeline, double frequency)
{
	bool same = fabs(frequency - timeline_frequency(timeline)) < SAME_FREQUENCY;

	return (struct servo_command){
		.verdict = same ? SERVO_NOTHING : SERVO_ADJUST,
		.frequency = frequency,
		.wake_free_ns = servo->target_free_ns,
	};
}

// `span_ns` is what the slew takes unless the clock cannot go that fast.
static struct servo_command slew(struct servo *servo, const struct timeline *timeline,
		int64_t free_ns, double span_ns)
{
	double error_ns = (double)error_at(servo, timeline, free_ns);
	double rate = clamp(error_ns / span_ns, servo->options.max_slew_rate);
	double frequency = clamp(servo->base_frequency + rate, SERVO_MAX_FREQUENCY);

	rate = frequency - servo->base_frequency;
	servo->target_free_ns = INT64_MAX;
	// At its limit a clock may have no room left for this direction: then it does what it can.
	if (error_ns != 0 && rate != 0)
		servo->target_free_ns = free_ns + (int64_t)fmin(ceil(error_ns / rate), 1e18);
	return command_for(servo, timeline, frequency);
}

// chrony's corrtimeratio: amount and duration are inversely proportional, an average correction
// takes `correction_time_ratio` intervals.
static double span_of_ratio(
		const struct servo *servo, const struct estimate *estimate, double interval_ns)
{
	double average_ns = fmax(estimate->offset_sd_ns, 1);
	double error_ns = fmax(fabs((double)servo->last_offset_ns), 1);

	return fmax(servo->options.correction_time_ratio * interval_ns * average_ns / error_ns,
			MIN_SPAN_NS);
}

static double span_of_update(
		const struct servo *servo, const struct estimate *estimate, int64_t free_ns)
{
	double interval_ns = (double)(free_ns - servo->believed_free_ns);

	if (servo->updates == 0)
		return FIRST_SPAN_NS;
	if (servo->options.correction_time_ratio > 0)
		return span_of_ratio(servo, estimate, interval_ns);
	double doubts = estimate->offset_sd_ns / fmax(fabs((double)servo->last_offset_ns), 1);

	return (double)clamp_span(interval_ns / SPAN_DIVISOR) * fmin(fmax(doubts, 1), GENTLEST);
}

static bool is_over(double limit_s, int64_t error_ns)
{
	return limit_s > 0 && fabs((double)error_ns) > limit_s * NS_PER_S;
}

static enum servo_verdict judge_change(struct servo *servo, int64_t error_ns)
{
	const struct servo_options *options = &servo->options;

	if (servo->updates < options->max_change_start || !is_over(options->max_change_s, error_ns))
		return SERVO_ADJUST;
	if (options->max_change_ignore >= 0 && servo->refused >= options->max_change_ignore)
		return SERVO_GIVE_UP;
	servo->refused++;
	return SERVO_REFUSED;
}

static bool may_step(const struct servo *servo, int64_t error_ns)
{
	const struct servo_options *options = &servo->options;
	bool in_time = options->makestep_limit < 0 || servo->updates < options->makestep_limit;

	return in_time && is_over(options->makestep_threshold_s, error_ns);
}

struct servo_command servo_update(struct servo *servo, const struct timeline *timeline,
		const struct estimate *estimate, int64_t free_ns)
{
	int64_t error_ns = (int64_t)((uint64_t)estimate->offset_ns
			- (uint64_t)timeline_correction_ns(timeline, free_ns));
	enum servo_verdict verdict = judge_change(servo, error_ns);

	if (verdict != SERVO_ADJUST) {
		return (struct servo_command){
			.verdict = verdict,
			.frequency = timeline_frequency(timeline),
			.wake_free_ns = servo->target_free_ns,
		};
	}
	servo->last_offset_ns = error_ns;
	double span_ns = span_of_update(servo, estimate, free_ns);
	bool step = may_step(servo, error_ns);

	servo->updates += servo->updates < INT32_MAX;
	servo->believed_free_ns = free_ns;
	servo->believed_offset_ns = estimate->offset_ns;
	servo->tolerated_ns = (int64_t)fmin(estimate->offset_sd_ns / 32, 1e6) + 1;
	if (estimate->frequency_sd <= servo->options.max_update_skew) {
		servo->base_frequency = clamp(estimate->frequency,
				fmin(servo->options.max_drift, SERVO_MAX_FREQUENCY));
		servo->frequency_known = true;
	}
	if (!step)
		return slew(servo, timeline, free_ns, span_ns);
	servo->target_free_ns = INT64_MAX;
	return (struct servo_command){
		.verdict = SERVO_ADJUST,
		.step_ns = error_ns,
		.frequency = servo->base_frequency,
		.wake_free_ns = INT64_MAX,
	};
}

struct servo_command servo_continue(
		struct servo *servo, const struct timeline *timeline, int64_t free_ns)
{
	int64_t target_free_ns = servo->target_free_ns;

	if (free_ns < target_free_ns)
		return command_for(servo, timeline, timeline_frequency(timeline));
	int64_t late_ns = free_ns - target_free_ns;

	if (llabs(error_at(servo, timeline, free_ns)) <= servo->tolerated_ns)
		return servo_stop(servo, timeline);
	// What a late end made too much, or an early one left over.
	return slew(servo, timeline, free_ns,
			(double)clamp_span(MAX_STAGES_LATE * (double)late_ns));
}

struct servo_command servo_stop(struct servo *servo, const struct timeline *timeline)
{
	servo->target_free_ns = INT64_MAX;
	return command_for(servo, timeline, servo->base_frequency);
}
