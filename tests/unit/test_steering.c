// SPDX-License-Identifier: BSD-3-Clause
// The `system` driver's arithmetic against a simulated kernel, which keeps a clock as Linux does
// (kernel/time/ntp.c, timekeeping.c): tick and freq add up, bounds are refused, a step forgets maxerror
// and what adjtime() and the PLL left under way.
#include "drivers/clock/kernel.h"
#include "drivers/clock/steering.h"
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define BEGINNING INT64_C(1'700'000'000'000'000'000)

static struct {
	double raw_ns;
	double real_ns; // since BEGINNING
	long tick, freq, maxerror, esterror;
	int status;
	double slewing; // a fraction, of adjtime() or the PLL's offset
	int fails_with; // -errno of the next call with modes
	unsigned commands;
} kernel;

static void pass(double ns)
{
	kernel.raw_ns += ns;
	kernel.real_ns += ns
			* (1 + kernel_clock_frequency(kernel.tick, kernel.freq) + kernel.slewing);
}

static int bounds_check(const struct timex *timex)
{
	if (timex->modes & ADJ_TICK && (timex->tick < 9000 || timex->tick > 11000))
		return -EINVAL;
	if (timex->modes & ADJ_SETOFFSET
			&& (timex->time.tv_usec < 0 || timex->time.tv_usec >= 1'000'000'000))
		return -EINVAL;
	// Nothing else is asked of the kernel, the PLL's modes least of all.
	if (timex->modes
			& ~(unsigned)(ADJ_FREQUENCY | ADJ_TICK | ADJ_SETOFFSET | ADJ_NANO
					| ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR))
		fail_msg("modes %x", timex->modes);
	return kernel.fails_with;
}

static void set_offset(const struct timex *timex)
{
	assert_true(timex->modes & ADJ_NANO);
	kernel.real_ns += (double)timex->time.tv_sec * 1e9 + (double)timex->time.tv_usec;
	kernel.slewing = 0;
	kernel.status |= STA_UNSYNC;
	kernel.maxerror = kernel.esterror = 16'000'000;
}

static void set_values(const struct timex *timex)
{
	if (timex->modes & ADJ_STATUS)
		kernel.status = (kernel.status & STA_RONLY) | (timex->status & ~STA_RONLY);
	if (timex->modes & ADJ_NANO)
		kernel.status |= STA_NANO;
	if (timex->modes & ADJ_FREQUENCY) {
		long most = 500L * KERNEL_PPM;

		kernel.freq = timex->freq > most ? most : timex->freq < -most ? -most : timex->freq;
	}
	if (timex->modes & ADJ_TICK)
		kernel.tick = timex->tick;
	if (timex->modes & ADJ_MAXERROR)
		kernel.maxerror = timex->maxerror;
	if (timex->modes & ADJ_ESTERROR)
		kernel.esterror = timex->esterror;
}

static int adjust(void *, struct timex *timex)
{
	int error = timex->modes ? bounds_check(timex) : 0;

	pass(300);
	if (error)
		return error;
	kernel.commands += timex->modes != 0;
	if (timex->modes & ADJ_SETOFFSET)
		set_offset(timex);
	set_values(timex);
	timex->tick = kernel.tick;
	timex->freq = kernel.freq;
	timex->status = kernel.status;
	timex->maxerror = kernel.maxerror;
	timex->esterror = kernel.esterror;
	return kernel.status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

static int64_t real_ns(void *)
{
	pass(30);
	return BEGINNING + (int64_t)kernel.real_ns;
}

static int64_t raw_ns(void *)
{
	pass(30);
	return (int64_t)kernel.raw_ns;
}

static const struct kernel_calls calls = {
	.adjust = adjust,
	.real_ns = real_ns,
	.raw_ns = raw_ns,
};

static struct steering start(void)
{
	struct steering steering;

	memset(&kernel, 0, sizeof(kernel));
	kernel.tick = KERNEL_TICK;
	kernel.maxerror = kernel.esterror = 16'000'000;
	kernel.status = STA_UNSYNC;
	steering_init(&steering, &calls);
	return steering;
}

static double set(struct steering *steering, double frequency)
{
	assert_int_equal(steering_set_frequency(steering, &frequency), 0);
	return frequency;
}

static enum local_clock_meddling watch(struct steering *steering, int64_t *step_ns)
{
	enum local_clock_meddling what;

	assert_int_equal(steering_watch(steering, &what, step_ns), 0);
	return what;
}

static void what_the_kernel_runs_at_is_what_is_told(void **)
{
	struct steering steering = start();
	uint64_t random = test_seed();

	for (int i = 0; i < 100'000; i++) {
		double wished = ((double)random_below(&random, 2'000'001) - 1e6) * 1e-7
				/ (double)(1 + random_below(&random, 1000));
		double took = set(&steering, wished);

		assert_true(took == kernel_clock_frequency(kernel.tick, kernel.freq));
		// Half of 2^-16 ppm.
		assert_true(fabs(took - wished) <= 0.5001e-6 / KERNEL_PPM);
		assert_true(labs(kernel.freq) <= 500L * KERNEL_PPM);
	}
}

static void frequency_is_bounded_by_what_tick_can_be(void **)
{
	struct steering steering = start();

	assert_true(fabs(set(&steering, 0.2) - 0.1) < 1e-12);
	assert_true(fabs(set(&steering, -5) + 0.1) < 1e-12);
	assert_true(fabs(set(&steering, 0.0833333) - 0.0833333) < 1e-11);
	assert_int_equal(kernel.tick, 10833);
}

static void tick_does_not_flap(void **)
{
	struct steering steering = start();
	unsigned changes = 0;
	long tick;

	// Around the bound of freq, and around the middle between two ticks.
	for (int i = 0; i < 1000; i++) {
		double base = i < 500 ? 500e-6 : 1050e-6;

		tick = kernel.tick;
		set(&steering, base + (i % 2 ? 60e-6 : -60e-6));
		changes += kernel.tick != tick;
	}
	assert_in_range(changes, 1, 2);
	set(&steering, 20e-6);
	assert_int_equal(kernel.tick, KERNEL_TICK);
	// As long as freq alone can do it tick is as people expect it.
	set(&steering, -499e-6);
	assert_int_equal(kernel.tick, KERNEL_TICK);
}

static void steps_are_exact_both_ways(void **)
{
	static const int64_t steps[] = { 1, -1, 999'999'999, -999'999'999, 1'000'000'000,
		-1'000'000'000, 100'500'000'000, -100'500'000'000, INT64_C(100'000'000'000'000) };
	struct steering steering = start();

	set(&steering, 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		double before = kernel.real_ns - kernel.raw_ns;

		assert_int_equal(steering_step(&steering, steps[i]), 0);
		assert_true(fabs(kernel.real_ns - kernel.raw_ns - before - (double)steps[i]) < 0.1);
	}
}

static void nothing_is_touched_before_the_first_command_or_after_none(void **)
{
	struct steering steering = start();
	int64_t step_ns;

	kernel.freq = 12 * KERNEL_PPM;
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_UNTOUCHED);
	steering_done(&steering);
	assert_int_equal(kernel.commands, 0);
	assert_int_equal(kernel.freq, 12 * KERNEL_PPM);
}

static void the_kernels_own_loops_and_slews_are_ended(void **)
{
	struct steering steering = start();

	kernel.status = STA_PLL | STA_FLL | STA_FREQHOLD | STA_PPSFREQ | STA_PPSTIME | STA_INS
			| STA_PPSSIGNAL;
	kernel.slewing = 500e-6;
	kernel.freq = -7 * KERNEL_PPM;
	assert_int_equal(steering_step(&steering, 5), 0);
	assert_int_equal(kernel.status, STA_INS | STA_UNSYNC | STA_PPSSIGNAL | STA_NANO);
	assert_true(kernel.slewing == 0);
	// The frequency found is the one to go on with.
	assert_int_equal(kernel.freq, -7 * KERNEL_PPM);
	steering_done(&steering);
	assert_int_equal(kernel.freq, -7 * KERNEL_PPM);
}

static void claims_are_told_and_rounded_up(void **)
{
	struct steering steering = start();
	struct local_clock_claim claim = {
		.synchronised = true,
		.max_error_ns = 12'001,
		.estimated_error_ns = 3'000,
		.base_frequency = 5e-6,
	};

	kernel.status |= STA_DEL;
	assert_int_equal(steering_tell(&steering, &claim), 0);
	assert_int_equal(kernel.maxerror, 13);
	assert_int_equal(kernel.esterror, 3);
	// As in chronyd, only `rtcsync` calls the clock synchronised.
	assert_true(kernel.status & STA_UNSYNC);
	claim.rtcsync = true;
	assert_int_equal(steering_tell(&steering, &claim), 0);
	assert_int_equal(kernel.status & ~STA_NANO, STA_DEL);
	claim.max_error_ns = 17 * NS_PER_S;
	assert_int_equal(steering_tell(&steering, &claim), 0);
	assert_int_equal(kernel.maxerror, 16'000'000);
	claim.synchronised = false;
	assert_int_equal(steering_tell(&steering, &claim), 0);
	assert_true(kernel.status & STA_UNSYNC);
	assert_int_equal(kernel.maxerror, 16'000'000);
	assert_int_equal(kernel.esterror, 16'000'000);
}

static void no_slew_is_left_behind(void **)
{
	struct steering steering = start();
	struct local_clock_claim claim = { .synchronised = true, .base_frequency = -30e-6 };

	assert_int_equal(steering_tell(&steering, &claim), 0);
	set(&steering, 0.08);
	steering_done(&steering);
	assert_int_equal(kernel.tick, KERNEL_TICK);
	assert_int_equal(kernel.freq, -30 * KERNEL_PPM);
}

static void our_own_commands_are_no_meddling(void **)
{
	struct steering steering = start();
	uint64_t random = test_seed();
	int64_t step_ns;

	for (int i = 0; i < 10'000; i++) {
		double frequency = ((double)random_below(&random, 2001) - 1000) * 1e-4;
		struct local_clock_claim claim = { .synchronised = i % 3 };

		pass((double)random_below(&random, 10'000'000'000));
		if (i % 2)
			set(&steering, frequency);
		if (i % 5 == 0)
			assert_int_equal(steering_step(&steering, (i % 7 - 3) * NS_PER_S), 0);
		if (i % 3)
			assert_int_equal(steering_tell(&steering, &claim), 0);
		if (i % 4 == 0)
			assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_UNTOUCHED);
	}
}

static void meddling_of_others_is_seen_once(void **)
{
	struct steering steering = start();
	int64_t step_ns;

	set(&steering, 10e-6);
	pass(5e9);
	kernel.freq += 1;
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_FREQUENCY_CHANGED);
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_UNTOUCHED);
	kernel.tick += 1;
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_FREQUENCY_CHANGED);
	pass(5e9);
	kernel.real_ns -= 3e6;
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_STEPPED);
	assert_in_range(step_ns + 3'000'000 + 20'000, 0, 40'000);
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_UNTOUCHED);
	// Suspended: the clock has gone on, the raw one has not.
	kernel.real_ns += 3600e9;
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_STEPPED);
	kernel.status |= STA_PLL;
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_KERNEL_LOOP);
}

static void meddling_before_a_command_is_not_lost(void **)
{
	struct steering steering = start();
	int64_t step_ns;

	set(&steering, 0);
	kernel.real_ns += 2e9;
	set(&steering, 1e-6);
	assert_int_equal(steering_step(&steering, -NS_PER_S), 0);
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_STEPPED);
	assert_in_range(step_ns - 2 * NS_PER_S + 20'000, 0, 40'000);
	// The next command takes the clock back.
	kernel.status |= STA_PLL;
	kernel.slewing = 100e-6;
	set(&steering, 2e-6);
	assert_int_equal(watch(&steering, &step_ns), LOCAL_CLOCK_KERNEL_LOOP);
	assert_false(kernel.status & STA_PLL);
	assert_true(kernel.slewing == 0);
	assert_int_equal(kernel.freq, 2 * KERNEL_PPM);
}

static void refusals_of_the_kernel_are_passed_on(void **)
{
	struct steering steering = start();
	struct local_clock_claim claim = { 0 };
	double frequency = 1e-6;

	kernel.fails_with = -EPERM;
	assert_int_equal(steering_set_frequency(&steering, &frequency), -EPERM);
	assert_int_equal(steering_step(&steering, 1), -EPERM);
	assert_int_equal(steering_tell(&steering, &claim), -EPERM);
	steering_done(&steering);
	assert_int_equal(kernel.commands, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_kernel_runs_at_is_what_is_told),
		cmocka_unit_test(frequency_is_bounded_by_what_tick_can_be),
		cmocka_unit_test(tick_does_not_flap),
		cmocka_unit_test(steps_are_exact_both_ways),
		cmocka_unit_test(nothing_is_touched_before_the_first_command_or_after_none),
		cmocka_unit_test(the_kernels_own_loops_and_slews_are_ended),
		cmocka_unit_test(claims_are_told_and_rounded_up),
		cmocka_unit_test(no_slew_is_left_behind),
		cmocka_unit_test(our_own_commands_are_no_meddling),
		cmocka_unit_test(meddling_of_others_is_seen_once),
		cmocka_unit_test(meddling_before_a_command_is_not_lost),
		cmocka_unit_test(refusals_of_the_kernel_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
