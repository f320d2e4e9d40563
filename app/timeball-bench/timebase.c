// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/timebase.h"

#include "drivers/drivers.h"

#include <time.h>

#define MAPS_PER_S 100

static void sleep_ns(int64_t ns)
{
	const struct timespec interval = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };

	nanosleep(&interval, NULL);
}

int timebase_open(struct timebase *timebase)
{
	*timebase = (struct timebase){
		.counter = counter_choose(),
		.clock = { .driver = &local_clock_system },
	};
	int error = timebase->clock.driver->open(&timebase->clock);

	if (!error)
		error = timebase->clock.driver->state(&timebase->clock, &timebase->state);
	if (!error)
		error = map_tracker_init(
				&timebase->tracker, timebase->counter, &timebase->clock, sleep_ns);
	return error;
}

void timebase_close(struct timebase *timebase)
{
	if (timebase->clock.driver)
		timebase->clock.driver->close(&timebase->clock);
}

double timebase_ticks_per_s(const struct timebase *timebase)
{
	return (double)NS_PER_S / timebase->tracker.raw_ns_per_tick;
}

void timebase_pair(struct timebase *timebase, uint64_t now_ticks)
{
	uint64_t second = (uint64_t)timebase_ticks_per_s(timebase);

	if ((int64_t)(now_ticks - timebase->next_state_ticks) >= 0) {
		// The rate there was is good for another second if the kernel does not say.
		timebase->clock.driver->state(&timebase->clock, &timebase->state);
		timebase->next_state_ticks = now_ticks + second;
	}
	map_tracker_update(&timebase->tracker, timebase->state.rate);
	timebase->next_map_ticks = now_ticks + second / MAPS_PER_S;
}
