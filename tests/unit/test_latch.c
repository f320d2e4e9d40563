// SPDX-License-Identifier: BSD-3-Clause
// base/latch: a reader gets one whole publication, the newest, and waits for nobody.
#include "base/latch.h"
#include "unit.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define READERS  2
#define MEETINGS 20'000 // publications that readers are to meet while others are being written
#define LIMIT_S  2

// A publication that tells whether it is whole: every word follows from the first.
static void fill(uint64_t words[LATCH_WORDS], uint64_t number)
{
	words[0] = number;
	for (unsigned i = 1; i < LATCH_WORDS; i++)
		words[i] = number * UINT64_C(0x9e3779b97f4a7c15) + i;
}

static bool is_whole(const uint64_t words[LATCH_WORDS])
{
	uint64_t expected[LATCH_WORDS] = { 0 };

	if (words[0] != 0)
		fill(expected, words[0]);
	return memcmp(expected, words, sizeof(expected)) == 0;
}

static void an_unpublished_latch_reads_as_zero(void **)
{
	struct latch latch = { 0 };
	uint64_t words[LATCH_WORDS];

	memset(words, 0xff, sizeof(words));
	assert_true(latch_read(&latch, words, LATCH_WORDS) == 0);
	for (unsigned i = 0; i < LATCH_WORDS; i++)
		assert_true(words[i] == 0);
}

static void the_newest_publication_is_read(void **)
{
	struct latch latch = { 0 };

	for (uint64_t number = 1; number < 10; number++) {
		uint64_t words[LATCH_WORDS];

		fill(words, number);
		latch_write(&latch, words, LATCH_WORDS);
		memset(words, 0xff, sizeof(words));
		assert_true(latch_read(&latch, words, LATCH_WORDS) == number);
		assert_true(words[0] == number && is_whole(words));
		// Reading takes nothing away.
		assert_true(latch_read(&latch, words, LATCH_WORDS) == number);
	}
}

static void only_the_words_asked_for_are_copied(void **)
{
	struct latch latch = { 0 };
	uint64_t words[4] = { 1, 2, 3, 4 };

	latch_write(&latch, words, 3);
	memset(words, 0xff, sizeof(words));
	latch_read(&latch, words, 3);
	assert_true(words[0] == 1 && words[2] == 3 && words[3] == UINT64_MAX);
}

// A writer that was preempted, or died, at any word of its work: what was published before stays.
static void a_writer_that_stops_half_way_blocks_no_reader(void **)
{
	struct latch latch = { 0 };
	uint64_t published[LATCH_WORDS], words[LATCH_WORDS];

	for (uint64_t number = 1; number <= 2 * LATCH_WORDS; number++) {
		fill(published, number);
		latch_write(&latch, published, LATCH_WORDS);
		for (unsigned i = 0; i < number / 2; i++)
			atomic_store(&latch.slots[(number + 1) & 1][i], UINT64_C(0xbad));
		assert_true(latch_read(&latch, words, LATCH_WORDS) == number);
		assert_memory_equal(words, published, sizeof(words));
	}
}

struct race {
	struct latch latch;
	_Atomic bool done;
	_Atomic uint64_t torn, backward, misnumbered;
	_Atomic uint64_t met; // publications that some reader met
};

static void *read_hard(void *argument)
{
	struct race *race = argument;
	uint64_t words[LATCH_WORDS], last = 0;

	while (!atomic_load(&race->done)) {
		uint64_t number = latch_read(&race->latch, words, LATCH_WORDS);

		race->torn += !is_whole(words);
		race->backward += number < last;
		race->misnumbered += words[0] != number;
		race->met += number != last;
		last = number;
	}
	return NULL;
}

static void write_hard(struct race *race)
{
	uint64_t words[LATCH_WORDS];
	time_t end = time(NULL) + LIMIT_S;

	for (uint64_t number = 1; race->met < MEETINGS && time(NULL) < end; number++) {
		fill(words, number);
		latch_write(&race->latch, words, LATCH_WORDS);
		// Now and then a pause, as readers starve under a writer that never rests.
		for (uint64_t spin = 0; spin < number % 8 * 50; spin++)
			atomic_signal_fence(memory_order_seq_cst);
	}
	atomic_store(&race->done, true);
}

static void every_read_is_one_whole_publication(void **)
{
	struct race *race = aligned_alloc(64, sizeof(*race));
	pthread_t threads[READERS];

	assert_non_null(race);
	memset(race, 0, sizeof(*race));
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_hard, race), 0);
	write_hard(race);
	for (unsigned i = 0; i < READERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(race->torn, 0);
	assert_int_equal(race->backward, 0);
	assert_int_equal(race->misnumbered, 0);
	assert_true(race->met > 0);
	free(race);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unpublished_latch_reads_as_zero),
		cmocka_unit_test(the_newest_publication_is_read),
		cmocka_unit_test(only_the_words_asked_for_are_copied),
		cmocka_unit_test(a_writer_that_stops_half_way_blocks_no_reader),
		cmocka_unit_test(every_read_is_one_whole_publication),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
