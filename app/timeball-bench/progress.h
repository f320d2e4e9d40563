// SPDX-License-Identifier: BSD-3-Clause
// One line on the terminal that says how far it is. A thread of its own, so that the generator never
// waits for a terminal.
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
	_Atomic uint64_t sent; // the generator writes these
	_Atomic uint64_t good;
	_Atomic uint64_t failed;
	_Atomic uint64_t rate; // the campaign writes these
	_Atomic uint64_t trial;
	atomic_bool over;
	bool running;
	pthread_t thread;
};

static inline void progress_set(_Atomic uint64_t *field, uint64_t value)
{
	atomic_store_explicit(field, value, memory_order_relaxed);
}

// Starts the thread, on whatever CPUs the caller may use by then, so before EAL takes one.
void progress_start(struct progress *progress);
// Ends it and wipes the line.
void progress_stop(struct progress *progress);
