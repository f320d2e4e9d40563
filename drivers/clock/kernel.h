// SPDX-License-Identifier: BSD-3-Clause
// What `system` and `follow` share: reading CLOCK_REALTIME and the kernel's word on it.
#pragma once

#include "timing/local_clock.h"

utc_t kernel_clock_now(const struct local_clock *clock);
// All but `vouched`, which is the driver's own judgement. Returns 0 or -errno.
int kernel_clock_state(struct local_clock_state *state);
