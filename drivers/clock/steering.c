// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/clock/steering.h"

#include "drivers/clock/kernel.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TICK_SPAN         (KERNEL_TICK / 10)  // the kernel takes no tick farther from KERNEL_TICK
#define FREQ_SPAN         (500L * KERNEL_PPM) // nor a freq farther from 0
#define FREQ_COMFORT      (400L * KERNEL_PPM) // within which tick goes back to KERNEL_TICK
#define FREQ_OF_TICK      (1'000'000L / KERNEL_TICK * KERNEL_PPM) // one tick more, as freq
#define KERNEL_LOOPS      (STA_PLL | STA_FLL | STA_FREQHOLD | STA_PPSFREQ | STA_PPSTIME)
#define READ_ONLY         (STA_RONLY)
#define UNSYNCHRONISED_US 16'000'000 // NTP_PHASE_LIMIT: more is no clock the kernel would believe
#define STEP_NS           1'000'000
#define RAW_ERROR         1e-6 // of CLOCK_MONOTONIC_RAW against an undisturbed CLOCK_REALTIME

static int look(const struct steering *steering, struct kernel_view *view)
{
	const struct kernel_calls *calls = steering->calls;
	struct timex timex = { .modes = 0 };
	int state = calls->adjust(calls->context, &timex);
	int64_t before_ns, after_ns;

	if (state < 0)
		return state;
	*view = (struct kernel_view){
		.tick = timex.tick,
		.freq = timex.freq,
		.status = timex.status,
	};
	before_ns = calls->raw_ns(calls->context);
	view->real_ns = calls->real_ns(calls->context);
	after_ns = calls->raw_ns(calls->context);
	view->width_ns = after_ns - before_ns;
	view->raw_ns = before_ns + view->width_ns / 2;
	return 0;
}

// Looks at what happened since the last time, for steering_watch() to tell.
static int take_note(struct steering *steering)
{
	enum local_clock_meddling what;
	struct kernel_view found;
	int64_t step_ns = 0;
	int error = look(steering, &found);

	if (error)
		return error;
	what = kernel_view_compare(&steering->left, &found, &step_ns);
	if (what == LOCAL_CLOCK_STEPPED)
		steering->noted_step_ns += step_ns;
	if (what != LOCAL_CLOCK_UNTOUCHED)
		steering->noted = what;
	steering->left = found;
	return 0;
}

static int command(struct steering *steering, struct timex *timex)
{
	int state = steering->calls->adjust(steering->calls->context, timex);

	return state < 0 ? state : look(steering, &steering->left);
}

// Also from a kernel whose own loop somebody has switched on. A step by nothing ends what adjtime() and
// the PLL left under way, which no other mode does once the PLL is off.
static int take_over(struct steering *steering)
{
	int error = steering->taken ? take_note(steering) : look(steering, &steering->left);

	if (error || (steering->taken && !(steering->left.status & KERNEL_LOOPS)))
		return error;
	struct timex timex = {
		.modes = ADJ_SETOFFSET | ADJ_NANO | ADJ_STATUS,
		.status = (steering->left.status & ~(KERNEL_LOOPS | READ_ONLY)) | STA_UNSYNC,
	};

	if (!steering->taken)
		steering->base_frequency =
				kernel_clock_frequency(steering->left.tick, steering->left.freq);
	error = command(steering, &timex);
	steering->taken |= !error;
	return error;
}

void steering_split(double frequency, long *tick, long *freq)
{
	double most = (double)TICK_SPAN / KERNEL_TICK;
	long wished = lround(fmin(fmax(frequency, -most), most) * 1e6 * KERNEL_PPM);
	long rest = wished - (*tick - KERNEL_TICK) * FREQ_OF_TICK;

	if (labs(rest) > FREQ_SPAN)
		*tick = KERNEL_TICK + lround((double)wished / FREQ_OF_TICK);
	// Only now is the way back free of the next change of tick.
	if (labs(wished) <= FREQ_COMFORT)
		*tick = KERNEL_TICK;
	*freq = wished - (*tick - KERNEL_TICK) * FREQ_OF_TICK;
}

void steering_init(struct steering *steering, const struct kernel_calls *calls)
{
	*steering = (struct steering){ .calls = calls };
}

int steering_step(struct steering *steering, int64_t step_ns)
{
	int error = take_over(steering);
	int64_t seconds = step_ns / NS_PER_S, rest_ns = step_ns % NS_PER_S;

	if (error)
		return error;
	if (rest_ns < 0) {
		rest_ns += NS_PER_S;
		seconds--;
	}
	struct timex timex = {
		.modes = ADJ_SETOFFSET | ADJ_NANO,
		.time = { .tv_sec = seconds, .tv_usec = rest_ns },
	};

	return command(steering, &timex);
}

int steering_set_frequency(struct steering *steering, double *frequency)
{
	int error = take_over(steering);
	struct timex timex = { .modes = ADJ_FREQUENCY | ADJ_TICK };

	if (error)
		return error;
	timex.tick = steering->left.tick;
	steering_split(*frequency, &timex.tick, &timex.freq);
	error = command(steering, &timex);
	if (!error)
		*frequency = kernel_clock_frequency(steering->left.tick, steering->left.freq);
	return error;
}

static long microseconds(int64_t ns)
{
	int64_t us = ns / 1000 + (ns % 1000 > 0);

	return us < 0 || us > UNSYNCHRONISED_US ? UNSYNCHRONISED_US : us;
}

int steering_tell(struct steering *steering, const struct local_clock_claim *claim)
{
	int error = take_over(steering);
	struct timex timex = {
		.modes = ADJ_MAXERROR | ADJ_ESTERROR | ADJ_STATUS,
		.maxerror = UNSYNCHRONISED_US,
		.esterror = UNSYNCHRONISED_US,
	};

	if (error)
		return error;
	steering->base_frequency = claim->base_frequency;
	timex.status = (steering->left.status & ~(KERNEL_LOOPS | READ_ONLY)) | STA_UNSYNC;
	if (claim->synchronised) {
		timex.maxerror = microseconds(claim->max_error_ns);
		timex.esterror = microseconds(claim->estimated_error_ns);
		if (claim->rtcsync)
			timex.status &= ~STA_UNSYNC;
	}
	return command(steering, &timex);
}

int steering_watch(struct steering *steering, enum local_clock_meddling *what, int64_t *step_ns)
{
	int error = steering->taken ? take_note(steering) : 0;

	if (error)
		return error;
	*what = steering->noted;
	*step_ns = steering->noted_step_ns;
	steering->noted = LOCAL_CLOCK_UNTOUCHED;
	steering->noted_step_ns = 0;
	return 0;
}

void steering_done(struct steering *steering)
{
	double frequency = steering->base_frequency;

	if (steering->taken)
		steering_set_frequency(steering, &frequency);
	steering->taken = false;
}

enum local_clock_meddling kernel_view_compare(
		const struct kernel_view *left, const struct kernel_view *found, int64_t *step_ns)
{
	double rate = 1 + kernel_clock_frequency(left->tick, left->freq);
	double elapsed_ns = (double)(found->raw_ns - left->raw_ns);
	double gained_ns = (double)(found->real_ns - left->real_ns);
	double doubt_ns = STEP_NS + elapsed_ns * RAW_ERROR
			+ (double)(left->width_ns + found->width_ns) / 2;

	if (found->status & KERNEL_LOOPS)
		return LOCAL_CLOCK_KERNEL_LOOP;
	if (found->tick != left->tick || found->freq != left->freq)
		return LOCAL_CLOCK_FREQUENCY_CHANGED;
	if (fabs(gained_ns - elapsed_ns * rate) <= doubt_ns)
		return LOCAL_CLOCK_UNTOUCHED;
	*step_ns = (int64_t)(gained_ns - elapsed_ns * rate);
	return LOCAL_CLOCK_STEPPED;
}
