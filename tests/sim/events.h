// SPDX-License-Identifier: BSD-3-Clause
// What is going to happen in the simulated world, in order of true time.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define EVENT_PACKET 1024

enum event_kind {
	EVENT_START,   // of a host
	EVENT_POLL,    // a source's timer
	EVENT_TIMER,   // the discipline's
	EVENT_REQUEST, // arrives at the server
	EVENT_REPLY,   // has arrived and is looked at
	EVENT_AUDIT,
	EVENT_STEP, // somebody sets a host's clock
	EVENT_SLEEP,
	EVENT_WAKE,
	EVENT_NOTICE,  // control sees that the clock jumped
	EVENT_RESTART, // of the daemon
};

struct event {
	int64_t true_ns;
	uint64_t order; // events of the same moment happen as they were added
	enum event_kind kind;
	unsigned host;
	unsigned source;
	uint64_t generation; // of timers and requests: others have replaced it
	double number;       // what the kind needs
	size_t length;
	uint8_t *packet; // free() it
};

struct events; // a heap

struct events *events_open(void);
void events_close(struct events *events);
// Copies `packet` when `length` is not 0.
void events_add(struct events *events, const struct event *event);
// Returns whether there was one; its packet is the caller's.
int events_next(struct events *events, struct event *event);
