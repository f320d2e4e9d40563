// SPDX-License-Identifier: BSD-3-Clause
#include "control/publisher.h"

#include "timing/map_tracker.h"
#include "timing/time_page.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define INTERVAL_NS 4'000'000

// What the control thread says, and when, by the counter.
struct word {
	struct reference reference;
	uint64_t said_ticks;
};

#define WORD_WORDS (sizeof(struct word) / sizeof(uint64_t))
static_assert(sizeof(struct word) % sizeof(uint64_t) == 0 && WORD_WORDS <= LATCH_WORDS);

struct publisher {
	struct latch word; // control writes, the thread reads
	struct publisher_options options;
	struct map_tracker tracker; // the thread's own once it runs
	int8_t precision;
	double counter_hz;
	pthread_t thread;
	atomic_bool stop;             // control writes
	_Atomic int64_t map_error_ns; // the thread writes, control reads
	_Atomic uint64_t epoch;       // likewise
};

static void sleep_ns(int64_t ns)
{
	struct timespec interval = { ns / NS_PER_S, ns % NS_PER_S };

	nanosleep(&interval, NULL);
}

static int8_t advertised_precision(
		const struct publisher_options *options, const struct map_tracker *tracker)
{
	if (options->clock_precision_s <= 0)
		return map_tracker_precision(tracker);
	return (int8_t)fmax(ceil(log2(options->clock_precision_s)), -32);
}

// Everything that half the root delay does not cover: the reference's own error and its growth
// since the control thread last spoke, the map's, and the random bits below the precision.
static void add_dispersion(const struct publisher *publisher, const struct reference *reference,
		struct time_page *page)
{
	const struct map_tracker *tracker = &publisher->tracker;
	int64_t age_ns = utc_diff_ns(page->map.utc, reference->as_of);
	double growth = (double)reference->root_dispersion_rate_ppb / NS_PER_S;

	page->map_error_ns = tracker->error_ns;
	page->dispersion_ns = reference->root_dispersion_ns + tracker->error_ns
			+ (int64_t)ceil(ldexp(NS_PER_S, publisher->precision));
	if (age_ns > 0)
		page->dispersion_ns += (int64_t)ceil((double)age_ns * growth);
	page->dispersion_rate = time_rate_from_double(
			(growth + tracker->rate_error) * tracker->raw_ns_per_tick);
}

static void publish(struct publisher *publisher)
{
	struct map_tracker *tracker = &publisher->tracker;
	struct local_clock_state state;
	struct word word;
	struct time_page page = { 0 };

	if (latch_read(&publisher->word, &word, WORD_WORDS) == 0)
		return;
	// A clock that cannot be asked is not vouched for: the page is left to expire.
	if (publisher->options.clock->driver->state(publisher->options.clock, &state))
		return;
	map_tracker_update(tracker, state.rate);
	page.map = tracker->map;
	page.epoch = tracker->epoch;
	page.expires_ticks = word.said_ticks
			+ (uint64_t)((double)PAGE_LIFETIME_NS / tracker->raw_ns_per_tick);
	add_dispersion(publisher, &word.reference, &page);
	reference_write_head(&word.reference, publisher->precision, page.head);
	time_page_publish(publisher->options.page, &page);

	atomic_store_explicit(&publisher->map_error_ns, tracker->error_ns, memory_order_relaxed);
	atomic_store_explicit(&publisher->epoch, tracker->epoch, memory_order_relaxed);
}

static void *run(void *argument)
{
	struct publisher *publisher = argument;

	while (!atomic_load_explicit(&publisher->stop, memory_order_relaxed)) {
		publish(publisher);
		sleep_ns(INTERVAL_NS);
	}
	return NULL;
}

int publisher_open(struct publisher **result, const struct publisher_options *options)
{
	struct publisher *publisher = aligned_alloc(64, sizeof(*publisher));

	if (!publisher)
		return -ENOMEM;
	*publisher = (struct publisher){ .options = *options };
	int error = map_tracker_init(
			&publisher->tracker, options->counter, options->clock, sleep_ns);

	if (error)
		goto free_publisher;
	publisher->precision = advertised_precision(options, &publisher->tracker);
	publisher->counter_hz = NS_PER_S / publisher->tracker.raw_ns_per_tick;
	publisher->map_error_ns = publisher->tracker.error_ns;
	publisher->epoch = publisher->tracker.epoch;
	error = -pthread_create(&publisher->thread, NULL, run, publisher);
	if (error)
		goto free_publisher;
	*result = publisher;
	return 0;

free_publisher:
	free(publisher);
	return error;
}

void publisher_close(struct publisher *publisher)
{
	if (!publisher)
		return;
	atomic_store_explicit(&publisher->stop, true, memory_order_relaxed);
	pthread_join(publisher->thread, NULL);
	free(publisher);
}

void publisher_say(struct publisher *publisher, const struct reference *reference)
{
	struct word word = {
		.reference = *reference,
		.said_ticks = publisher->options.counter->read(),
	};

	latch_write(&publisher->word, &word, WORD_WORDS);
}

void publisher_describe(const struct publisher *publisher, struct publisher_report *report)
{
	*report = (struct publisher_report){
		.counter_hz = publisher->counter_hz,
		.precision = publisher->precision,
		.map_error_ns = atomic_load_explicit(
				&publisher->map_error_ns, memory_order_relaxed),
		.steps = atomic_load_explicit(&publisher->epoch, memory_order_relaxed) - 1,
	};
}
