// SPDX-License-Identifier: BSD-3-Clause
#include "events.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct events {
	struct event *heap;
	size_t count, size;
	uint64_t order;
};

struct events *events_open(void)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		abort();
	return events;
}

void events_close(struct events *events)
{
	for (size_t i = 0; i < events->count; i++)
		free(events->heap[i].packet);
	free(events->heap);
	free(events);
}

static bool is_before(const struct event *one, const struct event *other)
{
	if (one->true_ns != other->true_ns)
		return one->true_ns < other->true_ns;
	return one->order < other->order;
}

static void swap(struct event *one, struct event *other)
{
	struct event kept = *one;

	*one = *other;
	*other = kept;
}

void events_add(struct events *events, const struct event *event)
{
	if (events->count == events->size) {
		events->size = events->size ? 2 * events->size : 64;
		events->heap = realloc(events->heap, events->size * sizeof(*events->heap));
		if (!events->heap)
			abort();
	}
	size_t at = events->count++;
	struct event *heap = events->heap;

	heap[at] = *event;
	heap[at].order = events->order++;
	heap[at].packet = NULL;
	if (event->length) {
		heap[at].packet = malloc(event->length);
		if (!heap[at].packet)
			abort();
		memcpy(heap[at].packet, event->packet, event->length);
	}
	for (; at > 0 && is_before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(&heap[at], &heap[(at - 1) / 2]);
}

static void sift_down(struct events *events)
{
	struct event *heap = events->heap;

	for (size_t at = 0, child; (child = 2 * at + 1) < events->count; at = child) {
		if (child + 1 < events->count && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (!is_before(&heap[child], &heap[at]))
			return;
		swap(&heap[at], &heap[child]);
	}
}

int events_next(struct events *events, struct event *event)
{
	if (events->count == 0)
		return false;
	*event = events->heap[0];
	events->heap[0] = events->heap[--events->count];
	sift_down(events);
	return true;
}
