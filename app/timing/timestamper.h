// SPDX-License-Identifier: BSD-3-Clause
// INTERFACE: when did each frame of a burst arrive? Implemented in drivers/timestamp.
#pragma once

#include "timing/counter.h"

#include <stdint.h>

struct rte_mbuf;

struct timestamper_driver {
	const char *name;
	// Fills arrived[i] with the counter's value at the arrival of frames[i], never early (half of
	// a client's root delay must bound the error). Called by a worker right after rx_burst.
	void (*stamp)(const struct counter *counter, struct rte_mbuf *const *frames, uint16_t count,
			uint64_t *arrived_ticks);
};
