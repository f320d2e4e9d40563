// SPDX-License-Identifier: BSD-3-Clause
// What a service manager is told over the socket in NOTIFY_SOCKET, as sd_notify(3) would: that we
// serve, that we stop, and, should it want to know, that the control loop still turns.
#pragma once

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int socket; // -1: nobody asked
	struct sockaddr_un manager;
	socklen_t manager_size;
	double watchdog_s; // between signs of life; 0: none wanted
	double next_sign_s;
};

// From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, which are removed from the environment. Without
// them, or where the socket cannot be had, nobody is told anything.
void notify_open(struct notify *notify);
void notify_close(struct notify *notify);
// Lines of sd_notify(3), such as "READY=1". A manager that does not listen is no reason to fail.
void notify_say(const struct notify *notify, const char *state);
// To be called often: says that we live, at half of the interval that the manager gave.
void notify_alive(struct notify *notify, double uptime_s);
