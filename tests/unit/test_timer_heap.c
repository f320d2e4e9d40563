// SPDX-License-Identifier: BSD-3-Clause
// Timers come in the order of their times, however they were set, moved and cancelled.
#include "control/timer_heap.h"
#include "unit.h"

#include <stdbool.h>

#define TIMERS 200

static void empty_heap_has_no_next(void **)
{
	struct timer_heap heap = { 0 };
	struct timer timer = { 0 };

	assert_true(timer_heap_next_ns(&heap) == INT64_MAX);
	assert_null(timer_heap_take(&heap, INT64_MAX));
	timer_heap_cancel(&heap, &timer);
	assert_int_equal(heap.count, 0);
}

static void not_taken_before_it_is_due(void **)
{
	struct timer_heap heap = { 0 };
	struct timer timer = { 0 };

	timer_heap_set(&heap, &timer, -5);
	assert_null(timer_heap_take(&heap, -6));
	assert_ptr_equal(timer_heap_take(&heap, -5), &timer);
	assert_null(timer_heap_take(&heap, INT64_MAX));
	timer_heap_set(&heap, &timer, 7);
	timer_heap_set(&heap, &timer, 9);
	assert_int_equal(heap.count, 1);
	assert_int_equal(timer_heap_next_ns(&heap), 9);
}

// The same, kept without a heap.
struct model {
	struct timer_heap heap;
	struct timer timers[TIMERS];
	bool set[TIMERS];
};

static const struct timer *earliest(const struct model *model)
{
	const struct timer *found = NULL;

	for (unsigned i = 0; i < TIMERS; i++) {
		if (model->set[i] && (!found || model->timers[i].due_ns < found->due_ns))
			found = &model->timers[i];
	}
	return found;
}

static void take(struct model *model, int64_t now_ns)
{
	const struct timer *wanted = earliest(model);
	struct timer *taken = timer_heap_take(&model->heap, now_ns);

	if (!wanted || wanted->due_ns > now_ns) {
		assert_null(taken);
		return;
	}
	assert_non_null(taken);
	// Of several due at one time any may come.
	assert_int_equal(taken->due_ns, wanted->due_ns);
	assert_true(model->set[taken - model->timers]);
	assert_int_equal(taken->place, 0);
	model->set[taken - model->timers] = false;
}

static void order_holds_on_random_input(void **)
{
	static struct model model;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 200'000; round++) {
		unsigned which = (unsigned)random_below(&random, TIMERS);
		int64_t due_ns = (int64_t)random_below(&random, 1000) - 500;

		switch (random_below(&random, 4)) {
		case 0:
		case 1:
			timer_heap_set(&model.heap, &model.timers[which], due_ns);
			model.set[which] = true;
			break;
		case 2:
			timer_heap_cancel(&model.heap, &model.timers[which]);
			model.set[which] = false;
			break;
		default:
			take(&model, due_ns);
		}
		const struct timer *next = earliest(&model);

		assert_true(timer_heap_next_ns(&model.heap) == (next ? next->due_ns : INT64_MAX));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_heap_has_no_next),
		cmocka_unit_test(not_taken_before_it_is_due),
		cmocka_unit_test(order_holds_on_random_input),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
