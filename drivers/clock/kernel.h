// SPDX-License-Identifier: BSD-3-Clause
// What `system` and `follow` share: reading CLOCK_REALTIME and the kernel's word on it.
#pragma once

#include "timing/local_clock.h"

#define KERNEL_TICK                                                                                \
	10'000 // timex.tick of an undisturbed clock: microseconds per 1/100 s, see adjtimex(2)
#define KERNEL_PPM 65'536 // timex.freq is ppm with 16 fractional bits, added to what tick says

// As a fraction of the undisturbed rate.
double kernel_clock_frequency(long tick, long freq);
utc_t kernel_clock_now(const struct local_clock *clock);
// All but `vouched`, which is the driver's own judgement. Returns 0 or -errno.
int kernel_clock_state(struct local_clock_state *state);
