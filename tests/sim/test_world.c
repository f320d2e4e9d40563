// SPDX-License-Identifier: BSD-3-Clause
// The simulator itself: its noise is what it says, its clock agrees with the timeline, and a plain
// Kalman filter that is told everything comes to the error that the Riccati equation foretells.
#include "events.h"
#include "kernel_clock.h"
#include "link.h"
#include "noise.h"
#include "optimum.h"
#include "oscillator.h"
#include "sync/servo.h"
#include "unit.h"

#define START ((utc_t){ INT64_C(1795392000) * NS_PER_S })

static void assert_near(double found, double expected, double share)
{
	if (fabs(found - expected) > share * fabs(expected))
		fail_msg("%g is not within %g %% of %g", found, share * 100, expected);
}

// After t seconds the frequency has walked by wander * sqrt(t), the offset by wander * sqrt(t^3 / 3).
static void check_wander(double wander, double white)
{
	const struct oscillator_options options = { .wander = wander, .white = white };
	double offset2 = 0, frequency2 = 0;
	uint64_t random = 1;

	for (unsigned i = 0; i < 4000; i++) {
		struct oscillator oscillator;

		oscillator_init(&oscillator, &options, 0, random_next(&random));
		for (int64_t t = 0; t <= 100 * NS_PER_S;)
			oscillator_advance(&oscillator,
					t += 1 + (int64_t)random_below(&random, 20 * NS_PER_S));
		double t_s = (double)oscillator.true_ns * 1e-9;
		double walk = wander * wander * t_s * t_s * t_s / 3 + white * white * t_s;

		offset2 += oscillator.ahead_ns * oscillator.ahead_ns * 1e-18 / walk;
		frequency2 += oscillator.frequency * oscillator.frequency / t_s;
	}
	assert_near(offset2 / 4000, 1, 0.1);
	assert_near(frequency2 / 4000, wander * wander, 0.1);
}

static void oscillators_wander_as_they_are_told(void **)
{
	check_wander(1e-8, 0);
	check_wander(0, 1e-8);
	check_wander(1e-8, 1e-7);
}

static void swings_come_back(void **)
{
	const struct oscillator_options options = { .swing = 1e-6, .swing_period_s = 1000 };
	struct oscillator oscillator;
	double least = 0, most = 0;

	oscillator_init(&oscillator, &options, 0, 7);
	for (int64_t s = 1; s <= 5000; s++) {
		oscillator_advance(&oscillator, s * NS_PER_S);
		least = fmin(least, oscillator_frequency(&oscillator));
		most = fmax(most, oscillator_frequency(&oscillator));
	}
	assert_near(least, -1e-6, 0.01);
	assert_near(most, 1e-6, 0.01);
	assert_true(fabs(oscillator.ahead_ns) < 1);
}

static void links_delay_as_they_are_told(void **)
{
	static const enum jitter kinds[] = { JITTER_EXPONENTIAL, JITTER_NORMAL, JITTER_TWO_STAGE };
	uint64_t random = 2;

	for (unsigned kind = 0; kind < 3; kind++) {
		const struct link_options link = {
			.base_s = 1e-3,
			.jitter = kinds[kind],
			.jitter_s = 1e-4,
			.jitter_back_s = 2e-4,
			.asymmetry_s = 4e-4,
			.loss = 0.25,
		};

		for (unsigned back = 0; back < 2; back++) {
			double sum = 0, squares = 0, delay, deviation = back ? 2e5 : 1e5;
			double base = (back ? 0.8e6 : 1.2e6)
					+ (kind == 1 ? 0
									: kind == 0
									? deviation
									: deviation * sqrt(2));
			unsigned count = 0;

			for (unsigned i = 0; i < 200'000; i++) {
				if (!link_carry(&link, 0, back, &random, &delay))
					continue;
				count++;
				sum += delay;
				squares += delay * delay;
			}
			double mean = sum / count;

			assert_near(count, 150'000, 0.02);
			assert_near(mean, base, 0.01);
			assert_near(sqrt(squares / count - mean * mean), deviation, 0.03);
		}
	}
}

static void links_are_up_when_they_should(void **)
{
	const struct link_options link = { .period_s = 10'000, .up_s = 1200 };
	uint64_t random = 3;
	double delay;

	assert_true(link_carry(&link, 1199 * NS_PER_S, false, &random, &delay));
	assert_false(link_carry(&link, 1201 * NS_PER_S, false, &random, &delay));
	assert_false(link_carry(&link, 29'999 * NS_PER_S, true, &random, &delay));
	assert_true(link_carry(&link, 30'001 * NS_PER_S, true, &random, &delay));
}

// Two implementations of the same arithmetic: what the clock shows and what the timeline knows of it. The
// timeline is told of changes by whole nanoseconds of the clock, so they walk apart by their fractions.
static void clock_and_timeline_agree(void **)
{
	uint64_t random = test_seed();
	struct kernel_clock clock;
	struct timeline timeline;
	long double raw = 0;

	kernel_clock_init(&clock, raw, START);
	timeline_init(&timeline, START, 0);
	for (unsigned i = 0; i < 20'000; i++) {
		raw += (long double)random_below(&random, 3 * NS_PER_S) + noise_uniform(&random);
		utc_t now = kernel_clock_read(&clock, raw);

		assert_in_range(timeline_free_ns(&timeline, now) - (int64_t)floorl(raw) + 2, 0, 4);
		int64_t step_ns = i % 100 ? 0 : (int64_t)random_below(&random, 1000) - 500;
		double took = kernel_clock_adjust(
				&clock, raw, step_ns, (noise_uniform(&random) - 0.5) * 0.01);

		if (step_ns)
			timeline_step(&timeline, now, step_ns);
		timeline_set_frequency(&timeline, utc_add(now, step_ns), took);
	}
}

static void events_happen_in_order(void **)
{
	uint64_t random = test_seed();
	struct events *events = events_open();
	struct event event;
	int64_t last_ns = 0;
	uint64_t last_order = 0;
	unsigned count = 0;

	for (unsigned i = 0; i < 5000; i++)
		events_add(events,
				&(struct event){ .true_ns = (int64_t)random_below(&random, 700) });
	while (events_next(events, &event)) {
		assert_true(event.true_ns > last_ns
				|| (event.true_ns == last_ns && event.order >= last_order));
		last_ns = event.true_ns;
		last_order = event.order;
		count++;
	}
	assert_int_equal(count, 5000);
	events_close(events);
}

// The filter of the oracle: offset of UTC from free time in ns, and its growth in ns/s.
struct oracle {
	double x, y, xx, xy, yy;
};

static void oracle_predict(struct oracle *oracle, double t, double wander)
{
	double q = wander * wander * 1e18;

	oracle->x += oracle->y * t;
	oracle->xx += 2 * oracle->xy * t + oracle->yy * t * t + q * t * t * t / 3;
	oracle->xy += oracle->yy * t + q * t * t / 2;
	oracle->yy += q * t;
}

static void oracle_update(struct oracle *oracle, double measured, double noise)
{
	double total = oracle->xx + noise * noise, error = measured - oracle->x;
	double gain = oracle->xx / total, gain_frequency = oracle->xy / total;

	oracle->x += gain * error;
	oracle->y += gain_frequency * error;
	oracle->yy -= gain_frequency * oracle->xy;
	oracle->xx *= 1 - gain;
	oracle->xy *= 1 - gain;
}

struct loop {
	struct oscillator oscillator;
	struct kernel_clock clock;
	struct timeline timeline;
	struct servo servo;
	double squares_ns2;
	unsigned looks;
};

static void loop_perform(struct loop *loop, const struct servo_command *command)
{
	long double raw = oscillator_raw_ns(&loop->oscillator, 0);
	utc_t now = kernel_clock_read(&loop->clock, raw);

	if (command->verdict != SERVO_ADJUST)
		return;
	double took = kernel_clock_adjust(&loop->clock, raw, command->step_ns, command->frequency);

	if (command->step_ns)
		timeline_step(&loop->timeline, now, command->step_ns);
	timeline_set_frequency(&loop->timeline, utc_add(now, command->step_ns), took);
}

static int64_t loop_advance(struct loop *loop, double true_ns)
{
	oscillator_advance(&loop->oscillator, llround(true_ns));
	return timeline_free_ns(&loop->timeline,
			kernel_clock_read(&loop->clock, oscillator_raw_ns(&loop->oscillator, 0)));
}

static void loop_look(struct loop *loop)
{
	double error_ns =
			kernel_clock_error_ns(&loop->clock, oscillator_raw_ns(&loop->oscillator, 0),
					utc_add(START, loop->oscillator.true_ns));

	loop->squares_ns2 += error_ns * error_ns;
	loop->looks++;
}

// One interval of the loop: a sample now, the slew, and a look at each eighth.
static void loop_interval(struct loop *loop, struct oracle *oracle, double t, double measured_ns,
		double noise_ns)
{
	double from_ns = (double)loop->oscillator.true_ns;
	int64_t free_ns = loop_advance(loop, from_ns);

	oracle_update(oracle, measured_ns, noise_ns);
	struct estimate estimate = {
		.offset_ns = START.ns + llround(oracle->x),
		.frequency = oracle->y * 1e-9,
		.offset_sd_ns = sqrt(oracle->xx),
	};
	struct servo_command command =
			servo_update(&loop->servo, &loop->timeline, &estimate, free_ns);

	loop_perform(loop, &command);
	for (unsigned i = 0; i < 32; i++) {
		free_ns = loop_advance(loop, from_ns + (i + 0.5) / 32 * t * 1e9);
		loop_look(loop);
		if (free_ns < command.wake_free_ns)
			continue;
		command = servo_continue(&loop->servo, &loop->timeline, free_ns);
		loop_perform(loop, &command);
	}
	loop_advance(loop, from_ns + t * 1e9);
}

static double loop_rms_ns(double t, enum jitter kind, double jitter_s, double wander)
{
	const struct oscillator_options oscillator = { .frequency = 1e-6, .wander = wander };
	const struct link_options link = {
		.base_s = 20 * jitter_s, .jitter = kind, .jitter_s = jitter_s
	};
	const struct servo_options servo = {
		.max_slew_rate = 0.08,
		.max_update_skew = 1e-3,
		.max_drift = 0.1,
	};
	double noise_ns = link_offset_deviation(&link) * 1e9, out, back;
	struct oracle oracle = { .xx = 1e6 * noise_ns * noise_ns, .yy = 1e8 };
	struct loop loop = { 0 };
	uint64_t random = 4;

	oscillator_init(&loop.oscillator, &oscillator, 0, 5);
	kernel_clock_init(&loop.clock, 0, START);
	timeline_init(&loop.timeline, START, 0);
	servo_init(&loop.servo, &servo, 0);
	for (unsigned i = 0; i < 30'000; i++) {
		double ahead_ns = loop.oscillator.ahead_ns;

		if (i == 2000) {
			loop.squares_ns2 = 0;
			loop.looks = 0;
		}
		assert_true(link_carry(&link, 0, false, &random, &out));
		assert_true(link_carry(&link, 0, true, &random, &back));
		loop_interval(&loop, &oracle, t, (out - back) / 2 - ahead_ns, noise_ns);
		oracle_predict(&oracle, t, wander);
	}
	return sqrt(loop.squares_ns2 / loop.looks);
}

static void kalman_comes_to_its_optimum(void **)
{
	static const struct {
		double t, jitter, wander;
	} worlds[] = {
		{ 2, 10e-6, 1e-9 },
		{ 16, 10e-6, 1e-9 },
		{ 64, 100e-6, 1e-9 },
		{ 1, 1e-6, 1e-8 },
		{ 16, 1e-6, 1e-7 },
	};
	static const enum jitter kinds[] = { JITTER_NORMAL, JITTER_TWO_STAGE };

	for (unsigned i = 0; i < 5; i++) {
		for (unsigned kind = 0; kind < 2; kind++) {
			double found_ns = loop_rms_ns(worlds[i].t, kinds[kind], worlds[i].jitter,
					worlds[i].wander);
			double foretold_ns = 1e9
					* optimum_kalman_s(worlds[i].t, worlds[i].jitter / sqrt(2),
							worlds[i].wander);

			printf("%3g s, jitter %g s, wander %g: %.1f ns, foretold %.1f ns\n",
					worlds[i].t, worlds[i].jitter, worlds[i].wander, found_ns,
					foretold_ns);
			assert_near(found_ns, foretold_ns, 0.06);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oscillators_wander_as_they_are_told),
		cmocka_unit_test(swings_come_back),
		cmocka_unit_test(links_delay_as_they_are_told),
		cmocka_unit_test(links_are_up_when_they_should),
		cmocka_unit_test(clock_and_timeline_agree),
		cmocka_unit_test(events_happen_in_order),
		cmocka_unit_test(kalman_comes_to_its_optimum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
