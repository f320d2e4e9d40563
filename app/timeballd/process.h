// SPDX-License-Identifier: BSD-3-Clause
// What makes a program a daemon: going to the background, the pidfile, priority, locked memory.
#pragma once

#include <stddef.h>

// The background process and the foreground one that waits for its word.
struct detachment {
	int word; // pipe to the foreground, -1 when there is none
};

// Forks. Returns 0 in the background; in the foreground, once the background has said that it is
// ready (1) or has ended without (-ECHILD); or another -errno. Before any thread is started.
int process_detach(struct detachment *detachment);
// Tells the foreground, which ends, and lets go of the terminal. Nothing without a detachment.
void process_ready(struct detachment *detachment);

// Writes our pid to `path` and keeps it locked, so that one process only has it and a crashed
// one's is free again; no symbolic link is followed. The folder is made if it is missing. Returns
// a descriptor to keep, or -errno with one line in `problem`.
int pidfile_open(const char *path, char *problem, size_t size);
// Removes it. Nothing with a negative descriptor.
void pidfile_close(int descriptor, const char *path);

// SCHED_FIFO for the calling thread only. Returns 0 or -errno.
int process_set_priority(unsigned priority);
// Returns 0 or -errno.
int process_lock_memory(void);
