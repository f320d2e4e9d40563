// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop.h"

#include "base/utc.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <time.h>

#define NS_PER_MS 1'000'000

int64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

// Those forgotten since leave no gap.
static void close_ranks(struct loop *loop)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < loop->file_count; i++) {
		if (!loop->files[i])
			continue;
		loop->files[kept] = loop->files[i];
		loop->polled[kept] = loop->polled[i];
		loop->files[kept]->place = kept + 1;
		kept++;
	}
	loop->file_count = kept;
}

int loop_watch(struct loop *loop, struct loop_file *file)
{
	if (loop->file_count == LOOP_FILES)
		return -ENOSPC;
	loop->files[loop->file_count] = file;
	loop->polled[loop->file_count] = (struct pollfd){
		.fd = file->descriptor,
		.events = file->events,
	};
	file->place = ++loop->file_count;
	return 0;
}

void loop_forget(struct loop *loop, struct loop_file *file)
{
	if (file->place == 0)
		return;
	loop->files[file->place - 1] = NULL;
	loop->polled[file->place - 1].fd = -1;
	file->place = 0;
}

// Rounded up: a timer is never early.
static int timeout_ms(const struct loop *loop)
{
	int64_t next_ns = timer_heap_next_ns(&loop->timers);
	int64_t left_ns = next_ns == INT64_MAX ? INT64_MAX : next_ns - loop_now_ns();

	if (next_ns == INT64_MAX)
		return -1;
	if (left_ns <= 0)
		return 0;
	if (left_ns / NS_PER_MS >= INT_MAX)
		return INT_MAX;
	return (int)((left_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void serve_files(struct loop *loop, int ready)
{
	// What is watched from here on was not waited for.
	unsigned count = loop->file_count;

	for (unsigned i = 0; i < count && ready > 0; i++) {
		short events = loop->polled[i].revents;

		if (events == 0)
			continue;
		ready--;
		if (loop->files[i])
			loop->files[i]->on_ready(loop->files[i]->context, events);
	}
}

// Those due now, not those that are set again meanwhile: files have their turn too.
static void serve_timers(struct loop *loop)
{
	int64_t now_ns = loop_now_ns();
	struct timer *timer;

	for (unsigned left = loop->timers.count; left > 0; left--) {
		timer = timer_heap_take(&loop->timers, now_ns);
		if (!timer)
			return;
		timer->on_due(timer->context);
	}
}

void loop_turn(struct loop *loop)
{
	close_ranks(loop);
	// Interrupted by a signal, poll() leaves what it would have said as it was.
	int ready = poll(loop->polled, loop->file_count, timeout_ms(loop));

	if (loop->on_wake)
		loop->on_wake(loop->context);
	if (ready > 0)
		serve_files(loop, ready);
	serve_timers(loop);
}
