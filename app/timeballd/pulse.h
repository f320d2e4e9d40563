// SPDX-License-Identifier: BSD-3-Clause
// Whether a worker still goes round its loop. Pure: who looks tells what it saw, and when.
#pragma once

#include <stdbool.h>

struct pulse {
	double looked_s;
	double quiet_s; // how long it was watched and did not come round
	bool lost;      // for 2 s
};

// To be called some times a second with whether the worker came round since the last look. Returns
// whether `lost` has changed. What passes while nobody looks counts for little.
bool pulse_look(struct pulse *pulse, bool came_round, double uptime_s);
