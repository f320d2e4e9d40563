// SPDX-License-Identifier: BSD-3-Clause
// Daemons that steer CLOCK_REALTIME, looked for before we do. Two of them undo each other's work without
// either seeing more than a bad clock.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Pure. Whether a program of this name (as in /proc/PID/comm, cut to 15 characters), started with these
// arguments (`length` octets, each argument ended by a NUL), steers the system clock.
bool rival_steers(const char *comm, const char *arguments, size_t length);
// Looks through `proc` ("/proc") for one in our network namespace that has the right to set the clock.
// Returns 0, or -EBUSY with one line for the operator in `problem`. Another namespace is a container or a
// lab, whose daemons usually keep a clock of their own or none; one that steers ours all the same is noticed
// by steering_watch().
int rival_find(const char *proc, char *problem, size_t size);
