// SPDX-License-Identifier: BSD-3-Clause
// The control thread's loop: asks the clock, decides what we may claim, tells the publisher (which is
// its heartbeat), and does what signals ask for.
#pragma once

#include "control/publisher.h"
#include "sync/reference.h"
#include "timing/local_clock.h"

// What the loop calls on its own thread. `context` is handed back.
struct control_tasks {
	void *context;
	void (*watch)(void *context, double uptime_s); // some times a second
	void (*reload)(void *context);                 // SIGHUP
	void (*report)(void *context);                 // SIGUSR1
};

struct control {
	const struct local_clock *clock;
	struct publisher *publisher;
	struct reference_keeper keeper;
	struct control_tasks tasks;
	double exit_after_s;   // 0: never
	struct reference last; // what was said before, to log changes
	uint64_t steps_seen;   // of the clock
};

// SIGTERM, SIGINT and SIGQUIT end the loop, SIGHUP and SIGUSR1 have their tasks. To be called early:
// a signal before the loop runs is not lost.
int control_catch_signals(void);
// Decides and publishes once. Returns 0 or -errno of the clock.
int control_decide(struct control *control);
// Runs until a signal or exit_after_s.
void control_run(struct control *control);
