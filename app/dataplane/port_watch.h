// SPDX-License-Identifier: BSD-3-Clause
// What becomes of a port while it serves: its link comes and goes, its device wants a reset, vanishes
// and returns, stops delivering. The ports thread's; one beside each port.
#pragma once

#include "dataplane/port.h"

// Whether a port receives.
struct port_health {
	double next_look_s;
	double next_restart_s;
	uint64_t received, lost; // at the last look
};

struct port_watch {
	bool link_up;
	unsigned speed;             // Mbit/s, or 0
	unsigned announcements_due; // still to be wished for this link-up
	double next_announcement_s;
	bool leaving;      // the workers were asked to leave the port
	bool said_gone;    // and so is the return
	bool said_problem; // why it does not return
	double soon_until_s;
	double next_open_s;    // of a port that was shut
	double next_carrier_s; // AF_XDP: a lost carrier is no reason to shut it again before
	double next_program_s; // AF_XDP: look at the program
	bool said_foreign;     // and whose is there instead
	struct port_health health;
};

// Looks once a second. True when nothing was received since the last look though frames were lost,
// and that was not so less than 10 s ago.
bool port_health_stalled(struct port_health *health, const struct port_statistics *statistics,
		double uptime_s);
// Some times a second. Link changes are logged, link-up announced twice (RFC 5227 section 2.3), and a
// port that needs it is opened again. Returns true when it has been.
bool port_watch(struct port_watch *watch, struct port *port, double uptime_s);
