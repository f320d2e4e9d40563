// SPDX-License-Identifier: BSD-3-Clause
// Timers by their time, the next one first. A timer belongs to its owner and lies in one heap at most;
// nothing is allocated. Pure: the time is an argument.
#pragma once

#include <stdint.h>

#define TIMER_HEAP_SIZE 256

struct timer {
	void (*on_due)(void *context); // the owner's, as is `context`
	void *context;
	int64_t due_ns;
	unsigned place; // in the heap, from 1; 0: not set
};

struct timer_heap {
	struct timer *timers[TIMER_HEAP_SIZE];
	unsigned count;
};

// Sets a timer, or moves one that is set.
void timer_heap_set(struct timer_heap *heap, struct timer *timer, int64_t due_ns);
// Nothing when it is not set.
void timer_heap_cancel(struct timer_heap *heap, struct timer *timer);
// INT64_MAX when there is none.
int64_t timer_heap_next_ns(const struct timer_heap *heap);
// The next one that is due at `now_ns`, no longer set; or NULL.
struct timer *timer_heap_take(struct timer_heap *heap, int64_t now_ns);
