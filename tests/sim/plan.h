// SPDX-License-Identifier: BSD-3-Clause
// A simulated world before it begins: servers that know true time (or lie), hosts that run timeball's
// discipline, links between them, and what befalls them.
#pragma once

#include "link.h"
#include "oscillator.h"
#include "sync/discipline.h"

#define PLAN_SERVERS  8
#define PLAN_HOSTS    4
#define PLAN_UPSTREAM 8

// One that has true time at hand, stratum 1. Times in seconds since the world began.
struct server_options {
	double error_s; // it is that much ahead of true time
	double drift;   // and that much more every second, from the start
	double step_at_s, step_s;
	double silent_from_s, silent_until_s;
	double root_dispersion_s; // what it claims
	double stamp_s;           // deviation of its stamps, normal
	double transmit_early_s;  // its transmit stamps in basic mode are early, exponentially
};

struct upstream_options {
	bool is_host; // a simulated timeball; else a server
	unsigned from;
	struct link_options link;
	struct source_options source;
};

struct host_options {
	struct oscillator_options oscillator;
	double error_s; // of its clock at the start
	double start_s; // of its daemon
	struct discipline_options discipline;
	struct upstream_options upstream[PLAN_UPSTREAM];
	unsigned upstream_count;
	enum stamp_level level;
	double stamp_s; // its stamps are late on the way in and early on the way out by an exponential
			// delay of this mean; at NIC level normal noise of this deviation
	double late_s;              // its timers are, exponentially
	double step_at_s, step_s;   // somebody else sets its clock
	double sleep_at_s, sleep_s; // suspended
	double boot_at_s; // restarts with what the drift file kept, its clock off by error_s again
	bool daemon_only; // instead just the daemon does, with no drift file: the clock goes on
};

struct plan {
	utc_t start;
	double duration_s;
	double from_s;      // what is before does not count: locks and lies are told from here
	double settle_s;    // statistics begin here
	double audit_s;     // mean time between two looks at a host
	double hold_from_s; // what wander alone does to an ideal clock from here on is measured too
	struct server_options servers[PLAN_SERVERS];
	struct host_options hosts[PLAN_HOSTS];
	unsigned server_count;
	unsigned host_count;
	unsigned watched; // the host whose statistics count
};

// Everything at its default: one ideal server, one host with chrony's defaults.
void plan_init(struct plan *plan);
// Adds one more upstream with the defaults to a host and returns it.
struct upstream_options *plan_add_upstream(struct plan *plan, unsigned host, unsigned server);
