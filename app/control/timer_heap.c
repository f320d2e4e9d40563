// SPDX-License-Identifier: BSD-3-Clause
#include "control/timer_heap.h"

#include <assert.h>
#include <stddef.h>

// Places count from 1: the children of n are 2n and 2n + 1.
static void put(struct timer_heap *heap, unsigned place, struct timer *timer)
{
	heap->timers[place - 1] = timer;
	timer->place = place;
}

static void rise(struct timer_heap *heap, unsigned place, struct timer *timer)
{
	while (place > 1 && heap->timers[place / 2 - 1]->due_ns > timer->due_ns) {
		put(heap, place, heap->timers[place / 2 - 1]);
		place /= 2;
	}
	put(heap, place, timer);
}

static void sink(struct timer_heap *heap, unsigned place, struct timer *timer)
{
	unsigned child;

	while ((child = 2 * place) <= heap->count) {
		if (child < heap->count
				&& heap->timers[child]->due_ns < heap->timers[child - 1]->due_ns)
			child++;
		if (heap->timers[child - 1]->due_ns >= timer->due_ns)
			break;
		put(heap, place, heap->timers[child - 1]);
		place = child;
	}
	rise(heap, place, timer);
}

void timer_heap_set(struct timer_heap *heap, struct timer *timer, int64_t due_ns)
{
	unsigned place = timer->place;

	timer->due_ns = due_ns;
	if (place == 0) {
		assert(heap->count < TIMER_HEAP_SIZE);
		place = ++heap->count;
	}
	sink(heap, place, timer);
}

void timer_heap_cancel(struct timer_heap *heap, struct timer *timer)
{
	unsigned place = timer->place;

	if (place == 0)
		return;
	struct timer *last = heap->timers[--heap->count];

	timer->place = 0;
	if (last != timer)
		sink(heap, place, last);
}

int64_t timer_heap_next_ns(const struct timer_heap *heap)
{
	return heap->count ? heap->timers[0]->due_ns : INT64_MAX;
}

struct timer *timer_heap_take(struct timer_heap *heap, int64_t now_ns)
{
	struct timer *next = heap->count ? heap->timers[0] : NULL;

	if (!next || next->due_ns > now_ns)
		return NULL;
	timer_heap_cancel(heap, next);
	return next;
}
