// SPDX-License-Identifier: BSD-3-Clause
// Every driver in the product.
#pragma once

#include "timing/counter.h"
#include "timing/local_clock.h"
#include "timing/timestamper.h"

// drivers/clock
extern const struct local_clock_driver local_clock_system;
extern const struct local_clock_driver local_clock_follow;
extern const struct local_clock_driver local_clock_null;

// Chosen once at start: the invariant TSC if the kernel itself uses it, else CLOCK_MONOTONIC_RAW.
const struct counter *counter_choose(void);

// drivers/timestamp
extern const struct timestamper_driver timestamper_software;
