// SPDX-License-Identifier: BSD-3-Clause
// One poll() with timers: what the control thread waits in. Times are CLOCK_MONOTONIC's. Everything
// here is the control thread's alone.
#pragma once

#include "control/timer_heap.h"

#include <poll.h>

#define LOOP_FILES 160

// A descriptor that is waited for; its owner's, who closes it after loop_forget().
struct loop_file {
	int descriptor;
	short events;
	void (*on_ready)(void *context, short events); // those that are there
	void *context;
	unsigned place; // in the loop, from 1; 0: not watched
};

struct loop {
	struct timer_heap timers;
	struct pollfd polled[LOOP_FILES];
	struct loop_file *files[LOOP_FILES]; // NULL: forgotten, its place is free at the next turn
	unsigned file_count;
	// Called after each wait, before anything else; or NULL.
	void (*on_wake)(void *context);
	void *context;
};

int64_t loop_now_ns(void);
// Returns 0, or -ENOSPC.
int loop_watch(struct loop *loop, struct loop_file *file);
void loop_forget(struct loop *loop, struct loop_file *file);
// Waits for a file, a timer or a signal, and lets their owners do what they have to. They may watch,
// forget and set as they like.
void loop_turn(struct loop *loop);
