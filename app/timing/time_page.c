// SPDX-License-Identifier: BSD-3-Clause
#include "timing/time_page.h"

#include <math.h>

uint64_t time_rate_from_double(double ns_per_tick)
{
	return (uint64_t)(ldexp(ns_per_tick, TIME_MAP_SHIFT) + 0.5);
}
