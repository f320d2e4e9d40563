// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define INTERVAL_NS 250'000'000
#define WIPE        "\r\033[K"

static uint64_t get(const _Atomic uint64_t *field)
{
	return atomic_load_explicit((_Atomic uint64_t *)field, memory_order_relaxed);
}

static void print_line(const struct progress *progress)
{
	uint64_t trial = get(&progress->trial);

	if (trial == 0)
		return;
	fprintf(stderr,
			WIPE "trial %" PRIu64 ": %" PRIu64 " requests/s, sent %" PRIu64
			     ", good %" PRIu64 ", failed %" PRIu64,
			trial, get(&progress->rate), get(&progress->sent), get(&progress->good),
			get(&progress->failed));
	fflush(stderr);
}

static void *run(void *context)
{
	const struct timespec interval = { .tv_nsec = INTERVAL_NS };
	const struct progress *progress = context;

	while (!atomic_load((atomic_bool *)&progress->over)) {
		print_line(progress);
		nanosleep(&interval, NULL);
	}
	fprintf(stderr, WIPE);
	return NULL;
}

void progress_start(struct progress *progress)
{
	progress->running = pthread_create(&progress->thread, NULL, run, progress) == 0;
}

void progress_stop(struct progress *progress)
{
	if (!progress->running)
		return;
	atomic_store(&progress->over, true);
	pthread_join(progress->thread, NULL);
	progress->running = false;
}
