// SPDX-License-Identifier: BSD-3-Clause
// INTERFACE: the counter that publisher and workers both read. Implemented in drivers/clock.
#pragma once

#include <stdint.h>

struct counter {
	const char *name;
	// Free-running, the same on every core, never goes back while the process lives.
	uint64_t (*read)(void);
	// CLOCK_MONOTONIC_RAW in ns: the steady clock the counter's rate is measured against.
	int64_t (*raw_ns)(void);
};
