// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/device_events.h"

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>

// On EAL's own thread.
static int note_event(uint16_t, enum rte_eth_event_type, void *flag, void *)
{
	atomic_store_explicit((_Atomic bool *)flag, true, memory_order_relaxed);
	return 0;
}

// Each binding has a link of its own, with a number that is not used again. The kernel removes it
// before it waits for vfio's user to close the device, and under uio, where it does not wait.
static uint64_t read_binding(const struct device_events *events)
{
	struct stat found;

	return lstat(events->link, &found) == 0 ? found.st_ino : 0;
}

static void remember_binding(struct device_events *events, uint16_t id)
{
	struct rte_eth_dev_info info;

	events->binding = 0;
	if (rte_eth_dev_info_get(id, &info))
		return;
	snprintf(events->link, sizeof(events->link), "/sys/bus/pci/devices/%s/driver",
			rte_dev_name(info.device));
	events->binding = read_binding(events);
}

// Devices that have no such events take the wish all the same.
void device_events_hear(struct device_events *events, uint16_t id)
{
	atomic_store_explicit(&events->reset, false, memory_order_relaxed);
	atomic_store_explicit(&events->removal, false, memory_order_relaxed);
	events->noticed = false;
	remember_binding(events, id);
	rte_eth_dev_callback_register(
			id, RTE_ETH_EVENT_INTR_RESET, note_event, (void *)&events->reset);
	rte_eth_dev_callback_register(
			id, RTE_ETH_EVENT_INTR_RMV, note_event, (void *)&events->removal);
}

void device_events_ignore(struct device_events *events, uint16_t id)
{
	rte_eth_dev_callback_unregister(
			id, RTE_ETH_EVENT_INTR_RESET, note_event, (void *)&events->reset);
	rte_eth_dev_callback_unregister(
			id, RTE_ETH_EVENT_INTR_RMV, note_event, (void *)&events->removal);
}

static const char *reason(const struct device_events *events)
{
	if (atomic_load_explicit(&events->removal, memory_order_relaxed)
			|| (events->binding && read_binding(events) != events->binding))
		return "is taken away";
	if (atomic_load_explicit(&events->reset, memory_order_relaxed))
		return "asks for a reset";
	return NULL;
}

const char *device_events_look(struct device_events *events)
{
	const char *found = reason(events);
	bool again = events->noticed;

	events->noticed = found != NULL;
	// Not before the next look: an interrupt handler that runs now could not be unregistered, and
	// what it holds would stay behind, so that vfio-pci would wait for it for ever.
	return again ? found : NULL;
}
