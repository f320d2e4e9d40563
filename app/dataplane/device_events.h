// SPDX-License-Identifier: BSD-3-Clause
// Whether a port's device is to be closed: it wants a reset, is removed, or the kernel asks for it.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DEVICE_LINK_SIZE 128

struct device_events {
	_Atomic bool reset, removal; // EAL's thread sets
	// The rest is the ports thread's.
	char link[DEVICE_LINK_SIZE]; // in sysfs, from the device to the driver it is bound to
	uint64_t binding;            // inode of that when the port was opened, or 0
	bool noticed;
};

// Listens to the device of DPDK's port `id`; what was before is forgotten.
void device_events_hear(struct device_events *events, uint16_t id);
void device_events_ignore(struct device_events *events, uint16_t id);
// To be called some times a second. NULL, or why the device is to be closed, in words to follow
// "the device".
const char *device_events_look(struct device_events *events);
