// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/pulse.h"

#include <sys/param.h>

#define LOST_AFTER_S 2.0
// Whoever looks so late was held up too, with the whole process perhaps.
#define LONGEST_LOOK_S 0.1

bool pulse_look(struct pulse *pulse, bool came_round, double uptime_s)
{
	double watched_s = MIN(uptime_s - pulse->looked_s, LONGEST_LOOK_S);
	bool was_lost = pulse->lost;

	pulse->looked_s = uptime_s;
	pulse->quiet_s = came_round ? 0 : pulse->quiet_s + watched_s;
	pulse->lost = pulse->quiet_s >= LOST_AFTER_S;
	return pulse->lost != was_lost;
}
