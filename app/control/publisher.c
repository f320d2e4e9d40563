// SPDX-License-Identifier: BSD-3-Clause
#include "control/publisher.h"

#include "sync/claim.h"
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
	pthread_mutex_t mutex; // of tracker and page: the thread, and control with a change
	struct map_tracker tracker;
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

// Publishes the map as the tracker has it; its slope may be off by `rate_doubt` besides. With the mutex
// held.
static void publish(struct publisher *publisher, double rate_doubt)
{
	struct map_tracker *tracker = &publisher->tracker;
	struct word word;
	struct time_page page = { 0 };

	if (latch_read(&publisher->word, &word, WORD_WORDS) == 0)
		return;
	page.map = tracker->map;
	page.epoch = tracker->epoch;
	page.expires_ticks = word.said_ticks
			+ (uint64_t)((double)PAGE_LIFETIME_NS / tracker->raw_ns_per_tick);
	struct map_doubt doubt = {
		.error_ns = tracker->error_ns,
		.rate_error = rate_doubt + tracker->rate_error,
		.raw_ns_per_tick = tracker->raw_ns_per_tick,
	};

	claim_write(&page, &word.reference, &doubt, publisher->precision);
	time_page_publish(publisher->options.page, &page);

	atomic_store_explicit(&publisher->map_error_ns, tracker->error_ns, memory_order_relaxed);
	atomic_store_explicit(&publisher->epoch, tracker->epoch, memory_order_relaxed);
}

static void go_round(struct publisher *publisher)
{
	const struct local_clock *clock = publisher->options.clock;
	struct local_clock_state state;

	pthread_mutex_lock(&publisher->mutex);
	// A clock that cannot be asked is not vouched for: the page is left to expire.
	if (!clock->driver->state(clock, &state)) {
		map_tracker_update(&publisher->tracker, state.rate);
		publish(publisher, 0);
	}
	pthread_mutex_unlock(&publisher->mutex);
}

static void *run(void *argument)
{
	struct publisher *publisher = argument;

	while (!atomic_load_explicit(&publisher->stop, memory_order_relaxed)) {
		go_round(publisher);
		sleep_ns(INTERVAL_NS);
	}
	return NULL;
}

int publisher_open(struct publisher **result, const struct publisher_options *options)
{
	struct publisher *publisher = aligned_alloc(64, sizeof(*publisher));

	if (!publisher)
		return -ENOMEM;
	*publisher = (struct publisher){
		.options = *options,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
	};
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

// Takes back what was said: with the mutex held, for everybody to see.
static void disown(struct publisher *publisher)
{
	static const struct reference nothing = { .leap = NTP_LEAP_UNSYNCHRONISED };
	struct reference reference = nothing;

	reference.as_of = publisher->tracker.map.utc;
	publisher_say(publisher, &reference);
	publish(publisher, 0);
}

static utc_t middle(utc_t before, utc_t after)
{
	return utc_add(before, utc_diff_ns(after, before) / 2);
}

// The clock after a change, to be published.
static int pair_anew(struct publisher *publisher, bool stepped)
{
	const struct local_clock *clock = publisher->options.clock;
	struct local_clock_state state;
	int error = clock->driver->state(clock, &state);

	if (error)
		return error;
	map_tracker_change(&publisher->tracker, state.rate, stepped);
	publish(publisher, 0);
	return 0;
}

static int step(struct publisher *publisher, struct publisher_change *change)
{
	struct local_clock *clock = publisher->options.clock;
	utc_t before, after;
	int error;

	disown(publisher);
	before = clock->driver->now(clock);
	error = clock->driver->step(clock, change->step_ns);
	after = clock->driver->now(clock);
	if (error)
		change->step_ns = 0;
	change->before = middle(before, utc_add(after, -change->step_ns));
	return error ? error : pair_anew(publisher, true);
}

static int set_frequency(struct publisher *publisher, struct publisher_change *change)
{
	struct local_clock *clock = publisher->options.clock;
	struct local_clock_state state;
	utc_t before, after;
	int error = clock->driver->state(clock, &state);

	if (error)
		return error;
	// From the driver's call to the next page the old slope is wrong by this, however long that takes.
	map_tracker_update(&publisher->tracker, state.rate);
	publish(publisher, fabs(change->frequency - state.frequency));
	before = clock->driver->now(clock);
	error = clock->driver->set_frequency(clock, &change->frequency);
	after = clock->driver->now(clock);
	if (error)
		change->frequency = state.frequency;
	if (!change->step_ns)
		change->before = middle(before, after);
	return error ? error : pair_anew(publisher, false);
}

int publisher_change(struct publisher *publisher, struct publisher_change *change)
{
	int error = 0;

	pthread_mutex_lock(&publisher->mutex);
	if (change->step_ns)
		error = step(publisher, change);
	if (!error)
		error = set_frequency(publisher, change);
	pthread_mutex_unlock(&publisher->mutex);
	return error;
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
