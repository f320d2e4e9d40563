// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_watch.h"

#include "base/log.h"
#include "dataplane/interface.h"

#include <stdio.h>
#include <unistd.h>

#define ANNOUNCEMENTS          2   // RFC 5227 ANNOUNCE_NUM
#define ANNOUNCEMENT_SPACING_S 2.0 // and ANNOUNCE_INTERVAL
#define LOOK_S                 1.0
#define RESTART_SPACING_S      10.0
#define OPEN_SPACING_S         1.0
#define SOON_S                 1.0 // after a port was shut it is tried more often
#define SOON_SPACING_S         0.02
#define LEAVE_TRIES            10 // of a millisecond; a worker that takes longer is looked at again

static void announce_again(struct port_watch *watch, const struct port *port, double uptime_s)
{
	watch->announcements_due = watch->link_up && !port->shared ? ANNOUNCEMENTS : 0;
	watch->next_announcement_s = uptime_s;
}

// Returns whether the link has gone down.
static bool watch_link(struct port_watch *watch, struct port *port, double uptime_s)
{
	bool was_up = watch->link_up;
	char at[32] = "";
	unsigned speed;
	bool up = port_link_is_up(port, &speed);

	if (up != was_up || (up && speed != watch->speed)) {
		if (up && speed)
			snprintf(at, sizeof(at), ", %u Mbit/s", speed);
		log_info("port %s: link %s%s", port->name, up ? "up" : "down", at);
	}
	watch->speed = speed;
	watch->link_up = up;
	if (up != was_up)
		announce_again(watch, port, uptime_s);
	if (watch->announcements_due && uptime_s >= watch->next_announcement_s) {
		atomic_fetch_add_explicit(&port->announcements, 1, memory_order_relaxed);
		watch->announcements_due--;
		watch->next_announcement_s = uptime_s + ANNOUNCEMENT_SPACING_S;
	}
	return was_up && !up;
}

bool port_health_stalled(struct port_health *health, const struct port_statistics *statistics,
		double uptime_s)
{
	uint64_t lost = statistics->missed + statistics->errors + statistics->no_buffer;
	bool stalled;

	if (uptime_s < health->next_look_s)
		return false;
	stalled = statistics->received == health->received && lost > health->lost
			&& uptime_s >= health->next_restart_s;
	health->received = statistics->received;
	health->lost = lost;
	health->next_look_s = uptime_s + LOOK_S;
	if (stalled)
		health->next_restart_s = uptime_s + RESTART_SPACING_S;
	return stalled;
}

static bool has_stalled(struct port_watch *watch, const struct port *port, double uptime_s)
{
	struct port_statistics statistics;

	if (!watch->link_up || uptime_s < watch->health.next_look_s)
		return false;
	port_read_statistics(port, &statistics);
	return port_health_stalled(&watch->health, &statistics, uptime_s);
}

static void say_foreign(struct port_watch *watch, const struct port *port)
{
	if (!watch->said_foreign)
		log_warn("port %s: %s has another XDP program now, nothing is served until it is gone: `ip link set dev %s xdp off` takes it off",
				port->name, port->interface, port->interface);
	watch->said_foreign = true;
}

// One of the same name may have taken its place.
static bool is_gone(const struct port *port)
{
	return port->interface[0] && interface_index(port->interface) != port->interface_index;
}

// DPDK would take another's program off, at closing and when it fails for it.
static bool is_taken(struct port_watch *watch, const struct port *port)
{
	uint32_t program = 0;

	if (!port->on_xdp || interface_xdp_program(interface_index(port->interface), &program)
			|| program == 0 || program == port->xdp_program)
		return false;
	say_foreign(watch, port);
	return true;
}

// Once a second. Whether there is no program on the interface any more.
static bool has_lost_program(struct port_watch *watch, const struct port *port, double uptime_s)
{
	uint32_t program;

	if (!port->xdp_program || uptime_s < watch->next_program_s)
		return false;
	watch->next_program_s = uptime_s + LOOK_S;
	if (is_gone(port) || interface_xdp_program(port->interface_index, &program))
		return false;
	watch->said_foreign = is_taken(watch, port);
	return program == 0;
}

// Whether it keeps, or may keep, what it would send when the link is back.
static bool must_empty(
		struct port_watch *watch, const struct port *port, bool went_down, double uptime_s)
{
	bool may_keep = went_down && port->keeps_unsent;

	// Attaching the program takes the carrier away on some cards: not again and again for that.
	if (may_keep && port->on_xdp && interface_is_up(port->interface)) {
		may_keep = uptime_s >= watch->next_carrier_s;
		watch->next_carrier_s = uptime_s + RESTART_SPACING_S;
	}
	return (may_keep || port_is_stranded(port)) && !is_taken(watch, port);
}

// Whether the device is to be closed. What the link or the interface does is said elsewhere.
static bool must_leave(struct port_watch *watch, struct port *port, bool went_down, double uptime_s)
{
	const char *event = device_events_look(&port->device_events);

	if (event)
		log_warn("port %s: the device %s", port->name, event);
	else if (has_stalled(watch, port, uptime_s))
		log_warn("port %s: loses frames and receives none, restarting it", port->name);
	else if (has_lost_program(watch, port, uptime_s))
		log_warn("port %s: its XDP program was taken off %s, restarting it", port->name,
				port->interface);
	else
		return is_gone(port) || must_empty(watch, port, went_down, uptime_s);
	watch->said_gone = true;
	return true;
}

static bool can_return(struct port_watch *watch, const struct port *port, double uptime_s)
{
	if (port->interface[0] && !port->makes_interface && !interface_is_up(port->interface))
		return false;
	if (uptime_s < watch->next_open_s)
		return false;
	watch->next_open_s = uptime_s
			+ (uptime_s < watch->soon_until_s ? SOON_SPACING_S : OPEN_SPACING_S);
	return !is_taken(watch, port);
}

static bool open_again(struct port_watch *watch, struct port *port, double uptime_s)
{
	char problem[256];

	if (port_open_again(port, problem, sizeof(problem))) {
		if (uptime_s < watch->soon_until_s)
			return false;
		if (!watch->said_problem)
			log_warn("port %s: %s; tried again every second", port->name, problem);
		watch->said_problem = true;
		return false;
	}
	if (watch->said_gone || watch->said_problem || watch->said_foreign)
		log_info("port %s: back", port->name);
	watch->said_gone = watch->said_problem = watch->said_foreign = false;
	announce_again(watch, port, uptime_s);
	return true;
}

static bool is_left_soon(struct port *port)
{
	for (int i = 0; i < LEAVE_TRIES && !port_is_left(port); i++)
		usleep(1000);
	return port_is_left(port);
}

bool port_watch(struct port_watch *watch, struct port *port, double uptime_s)
{
	bool went_down, opened = false;

	if (!watch->said_gone && is_gone(port)) {
		log_warn("port %s: %s is gone", port->name, port->interface);
		watch->said_gone = true;
	}
	went_down = watch_link(watch, port, uptime_s);
	if (port->open && !watch->leaving && must_leave(watch, port, went_down, uptime_s)) {
		port_pause(port);
		watch->leaving = true;
	}
	if (watch->leaving && is_left_soon(port)) {
		port_shut(port);
		watch->leaving = false;
		watch->next_open_s = watch->soon_until_s = uptime_s;
		// The kernel gives up a closed AF_XDP socket's queue a little later.
		if (port->on_xdp) {
			watch->next_open_s += SOON_SPACING_S;
			watch->soon_until_s += SOON_S;
		}
	}
	if (!port->open && can_return(watch, port, uptime_s))
		opened = open_again(watch, port, uptime_s);
	return opened;
}
