// SPDX-License-Identifier: BSD-3-Clause
#include "kernel_clock.h"

#include <math.h>

#define FREQUENCY_GRAIN (1e-6 / 65536)
#define FREQUENCY_LIMIT 0.1

void kernel_clock_init(struct kernel_clock *clock, long double raw_ns, utc_t local)
{
	clock->now = (struct kernel_clock_stretch){ .raw_ns = raw_ns, .local = local };
	clock->before = clock->now;
}

static const struct kernel_clock_stretch *stretch_of(
		const struct kernel_clock *clock, long double raw_ns)
{
	return raw_ns >= clock->now.raw_ns ? &clock->now : &clock->before;
}

static long double gone_ns(const struct kernel_clock_stretch *stretch, long double raw_ns)
{
	return (raw_ns - stretch->raw_ns) * (1 + (long double)stretch->frequency)
			+ stretch->local_rest_ns;
}

utc_t kernel_clock_read(const struct kernel_clock *clock, long double raw_ns)
{
	const struct kernel_clock_stretch *stretch = stretch_of(clock, raw_ns);

	return utc_add(stretch->local, (int64_t)floorl(gone_ns(stretch, raw_ns)));
}

uint64_t kernel_clock_epoch(const struct kernel_clock *clock, long double raw_ns)
{
	return stretch_of(clock, raw_ns)->epoch;
}

double kernel_clock_error_ns(const struct kernel_clock *clock, long double raw_ns, utc_t moment)
{
	const struct kernel_clock_stretch *stretch = stretch_of(clock, raw_ns);

	return (double)((long double)utc_diff_ns(stretch->local, moment)
			+ gone_ns(stretch, raw_ns));
}

double kernel_clock_adjust(
		struct kernel_clock *clock, long double raw_ns, int64_t step_ns, double frequency)
{
	struct kernel_clock_stretch *now = &clock->now;
	long double gone = gone_ns(now, raw_ns), whole = floorl(gone);

	frequency = fmin(fmax(frequency, -FREQUENCY_LIMIT), FREQUENCY_LIMIT);
	frequency = round(frequency / FREQUENCY_GRAIN) * FREQUENCY_GRAIN;
	clock->before = *now;
	*now = (struct kernel_clock_stretch){
		.raw_ns = raw_ns,
		.local = utc_add(now->local, (int64_t)whole + step_ns),
		.local_rest_ns = (double)(gone - whole),
		.frequency = frequency,
		.epoch = now->epoch + (step_ns != 0),
	};
	return frequency;
}
