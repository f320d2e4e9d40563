// SPDX-License-Identifier: BSD-3-Clause
// Software timestamps: a frame arrived when the worker found it. Late by the time it waited for
// the poll, never early.
#include "drivers/drivers.h"

static void software_stamp(const struct counter *counter, struct rte_mbuf *const *, uint16_t count,
		uint64_t *arrived_ticks)
{
	uint64_t now = counter->read();

	for (uint16_t i = 0; i < count; i++)
		arrived_ticks[i] = now;
}

const struct timestamper_driver timestamper_software = {
	.name = "software",
	.stamp = software_stamp,
};
