// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/clock_choice.h"

#include "drivers/clock/rival.h"
#include "drivers/drivers.h"

#include <stdio.h>
#include <string.h>

int clock_choose(struct local_clock *clock, const struct config *config, bool software,
		char *problem, size_t size)
{
	const struct local_clock_driver *driver = &local_clock_system;
	int error = 0;

	if (software)
		driver = &local_clock_null;
	else if (config->clock == CONFIG_CLOCK_FOLLOW)
		driver = &local_clock_follow;
	if (driver == &local_clock_system && config->upstream.source_count)
		error = rival_find("/proc", problem, size);
	if (error)
		return error;
	error = driver->open(clock);
	if (error)
		snprintf(problem, size, "clock: %s", strerror(-error));
	else
		clock->driver = driver;
	return error;
}
