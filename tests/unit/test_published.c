// SPDX-License-Identifier: BSD-3-Clause
// base/published: an object is free to go when every reader has moved on, and not before.
#include "base/published.h"
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#define READERS 2
#define SWAPS   20'000

#define ALIVE UINT64_C(0x600d600d600d600d)
#define DEAD  UINT64_C(0xdeaddeaddeaddead)

struct object {
	uint64_t words[8];
};

static struct object *object_make(uint64_t content)
{
	struct object *object = malloc(sizeof(*object));

	assert_non_null(object);
	for (unsigned i = 0; i < 8; i++)
		object->words[i] = content;
	return object;
}

static void readers_get_what_was_published_last(void **)
{
	const int first = 1, second = 2;
	struct published published = { .generation = 0 };
	struct published_reader reader = { 0 };

	assert_null(published_get(&published, &reader));
	assert_null(published_swap(&published, &first));
	assert_ptr_equal(published_get(&published, &reader), &first);
	assert_ptr_equal(published_get(&published, &reader), &first);
	assert_ptr_equal(published_swap(&published, &second), &first);
	assert_ptr_equal(published_get(&published, &reader), &second);
}

static void a_reader_holds_its_object_until_it_asks_again(void **)
{
	const int first = 1, second = 2, third = 3;
	struct published published = { .generation = 0 };
	struct published_reader busy = { 0 }, other = { 0 };

	published_swap(&published, &first);
	published_get(&published, &busy);
	published_get(&published, &other);
	assert_true(published_left_behind(&published, &busy));

	published_swap(&published, &second);
	assert_false(published_left_behind(&published, &busy));
	assert_false(published_left_behind(&published, &other));
	published_get(&published, &other);
	assert_true(published_left_behind(&published, &other));
	assert_false(published_left_behind(&published, &busy));

	// Two swaps behind, one call is enough.
	published_swap(&published, &third);
	assert_ptr_equal(published_get(&published, &busy), &third);
	assert_true(published_left_behind(&published, &busy));
}

static void a_nudge_tells_whether_a_reader_still_comes_by(void **)
{
	const int object = 1;
	struct published published = { .generation = 0 };
	struct published_reader reader = { 0 };

	published_swap(&published, &object);
	published_get(&published, &reader);
	published_nudge(&published);
	assert_false(published_left_behind(&published, &reader));
	assert_ptr_equal(published_get(&published, &reader), &object);
	assert_true(published_left_behind(&published, &reader));
}

struct race {
	struct published published;
	struct published_reader readers[READERS];
	_Atomic bool done;
	_Atomic uint64_t dead; // reads of an object that was no more
	_Atomic unsigned next_reader;
};

static void *read_hard(void *argument)
{
	struct race *race = argument;
	struct published_reader *reader = &race->readers[race->next_reader++];

	while (!atomic_load(&race->done)) {
		const struct object *object = published_get(&race->published, reader);

		for (unsigned i = 0; i < 8; i++)
			race->dead += object->words[i] != ALIVE;
		// Where threads outnumber cores, a reader that was preempted holds up the test.
		sched_yield();
	}
	return NULL;
}

static void retire(struct race *race, const void *old)
{
	struct object *object = (struct object *)old;

	for (unsigned i = 0; i < READERS; i++) {
		while (!published_left_behind(&race->published, &race->readers[i]))
			sched_yield();
	}
	for (unsigned i = 0; i < 8; i++)
		object->words[i] = DEAD;
	free(object);
}

static void no_reader_meets_an_object_after_its_end(void **)
{
	struct race *race = aligned_alloc(64, sizeof(*race));
	pthread_t threads[READERS];

	assert_non_null(race);
	memset(race, 0, sizeof(*race));
	published_swap(&race->published, object_make(ALIVE));
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_hard, race), 0);
	for (unsigned swap = 0; swap < SWAPS; swap++)
		retire(race, published_swap(&race->published, object_make(ALIVE)));
	atomic_store(&race->done, true);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(race->dead, 0);
	free((void *)published_swap(&race->published, NULL));
	free(race);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_get_what_was_published_last),
		cmocka_unit_test(a_reader_holds_its_object_until_it_asks_again),
		cmocka_unit_test(a_nudge_tells_whether_a_reader_still_comes_by),
		cmocka_unit_test(no_reader_meets_an_object_after_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
