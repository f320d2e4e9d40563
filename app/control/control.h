// SPDX-License-Identifier: BSD-3-Clause
// The control thread: keeps the clock right by the sources there are, decides what we may claim,
// tells the publisher (which is its heartbeat), and does what signals ask for. All in one loop.
#pragma once

#include "control/adjuster.h"
#include "control/dumps.h"
#include "control/publisher.h"
#include "control/records.h"
#include "control/sources.h"

// What the loop calls on its own thread; any may be NULL. `context` is handed back.
struct control_tasks {
	void *context;
	void (*watch)(void *context, double uptime_s); // at each heartbeat
	void (*reload)(void *context);                 // SIGHUP
	void (*report)(void *context);                 // SIGUSR1
};

enum control_end {
	CONTROL_STOPPED,   // by a signal or control_stop()
	CONTROL_TIMED_OUT, // exit_after_s
	CONTROL_GAVE_UP,   // maxchange
};

struct control {
	// The owner's, to be set before.
	struct local_clock *clock;
	struct publisher *publisher;    // NULL: nobody is served
	struct reference_keeper keeper; // decides while there is no discipline
	struct control_tasks tasks;
	double exit_after_s; // 0: never
	int heartbeat_ms;    // 0: as is good for whoever is served
	bool quiet;          // what is claimed concerns nobody, the log does not tell

	struct loop loop;
	struct timer beat, deadline;
	bool finished;
	struct discipline *discipline; // NULL: no sources
	struct adjuster adjuster;
	struct sources *sources;
	struct records records;
	struct dumps dumps;
	struct reference last; // what was said before, to log changes
	uint64_t steps_seen;   // of the clock
	unsigned updates_told; // of the clock, to the kernel
	int64_t told_ns;
	int last_error; // of the clock
};

struct control_discipline {
	struct discipline_options options;
	struct sources_options sources; // but for its callback
	struct records_options records;
	struct dumps_options dumps;
	const uint32_t *own_refids; // what we are known by to those we serve
	unsigned own_refid_count;
	bool rtcsync;
	double log_change_s;
};

// SIGTERM, SIGINT and SIGQUIT end the loop, SIGHUP and SIGUSR1 have their tasks. To be called early:
// a signal before the loop runs is not lost.
int control_catch_signals(void);
// Begins to ask sources and to steer the clock. Returns 0 or -errno.
int control_start_discipline(struct control *control, const struct control_discipline *options);
// Ends it; nothing without.
void control_stop_discipline(struct control *control);
// Decides and publishes once. Returns 0 or -errno of the clock.
int control_decide(struct control *control);
enum control_end control_run(struct control *control);
// Ends the loop at its next turn.
void control_stop(struct control *control);
