// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/clock/kernel.h"

#include <errno.h>
#include <sys/timex.h>
#include <time.h>

utc_t kernel_clock_now(const struct local_clock *)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (utc_t){ (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec };
}

double kernel_clock_frequency(long tick, long freq)
{
	return (double)(tick - KERNEL_TICK) / KERNEL_TICK + (double)freq / KERNEL_PPM / 1e6;
}

int kernel_clock_state(struct local_clock_state *state)
{
	struct timex timex = { .modes = 0 };
	int leap_state = clock_adjtime(CLOCK_REALTIME, &timex);

	if (leap_state < 0)
		return -errno;
	double frequency = kernel_clock_frequency(timex.tick, timex.freq);

	*state = (struct local_clock_state){
		.rate = 1 + frequency,
		.frequency = frequency,
		.max_error_ns = (int64_t)timex.maxerror * 1000,
		.insert_leap = timex.status & STA_INS,
		.delete_leap = timex.status & STA_DEL,
		.leap_in_progress = leap_state == TIME_OOP,
		.tai_offset_s = timex.tai,
	};
	return 0;
}
