// SPDX-License-Identifier: BSD-3-Clause
// The loop waits for what it is told to, tells the owners, and lets them change everything meanwhile.
#include "control/loop.h"
#include "unit.h"

#include <errno.h>
#include <unistd.h>

#define MS 1'000'000

struct end {
	struct loop *loop;
	struct loop_file file;
	int other_end;
	unsigned told;
	struct end *forgets; // when it is told
};

static void on_ready(void *context, short events)
{
	struct end *end = context;
	char byte;

	assert_true(events & POLLIN);
	assert_int_equal(read(end->file.descriptor, &byte, 1), 1);
	end->told++;
	if (end->forgets)
		loop_forget(end->loop, &end->forgets->file);
}

static void open_end(struct end *end, struct loop *loop)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	*end = (struct end){
		.loop = loop,
		.file = { .descriptor = ends[0],
				.events = POLLIN,
				.on_ready = on_ready,
				.context = end },
		.other_end = ends[1],
	};
	assert_int_equal(loop_watch(loop, &end->file), 0);
}

static void close_end(struct end *end)
{
	loop_forget(end->loop, &end->file);
	close(end->file.descriptor);
	close(end->other_end);
}

static void poke(const struct end *end)
{
	assert_int_equal(write(end->other_end, "", 1), 1);
}

static void count_up(void *context)
{
	++*(unsigned *)context;
}

static void the_ready_are_told(void **)
{
	static struct loop loop;
	unsigned wakes = 0;
	struct end ends[3];

	loop = (struct loop){ .on_wake = count_up, .context = &wakes };
	for (unsigned i = 0; i < 3; i++)
		open_end(&ends[i], &loop);
	poke(&ends[0]);
	poke(&ends[2]);
	loop_turn(&loop);
	poke(&ends[2]);
	loop_turn(&loop);
	assert_int_equal(ends[0].told, 1);
	assert_int_equal(ends[1].told, 0);
	assert_int_equal(ends[2].told, 2);
	assert_int_equal(wakes, 2);
	for (unsigned i = 0; i < 3; i++)
		close_end(&ends[i]);
}

static void the_forgotten_are_not_told(void **)
{
	static struct loop loop;
	struct end ends[3];

	loop = (struct loop){ 0 };
	for (unsigned i = 0; i < 3; i++)
		open_end(&ends[i], &loop);
	ends[0].forgets = &ends[1];
	ends[2].forgets = &ends[0];
	for (unsigned i = 0; i < 3; i++)
		poke(&ends[i]);
	loop_turn(&loop);
	assert_int_equal(ends[1].told, 0);
	assert_int_equal(ends[2].told, 1);
	// The last one moves up, and is still known.
	poke(&ends[2]);
	loop_turn(&loop);
	assert_int_equal(ends[2].told, 2);
	assert_int_equal(ends[2].file.place, 1);
	for (unsigned i = 0; i < 3; i++)
		close_end(&ends[i]);
}

static void there_is_an_end_of_places(void **)
{
	static struct loop loop;
	static struct loop_file files[LOOP_FILES + 1];

	loop = (struct loop){ 0 };
	for (unsigned i = 0; i < LOOP_FILES; i++)
		assert_int_equal(loop_watch(&loop, &files[i]), 0);
	assert_int_equal(loop_watch(&loop, &files[LOOP_FILES]), -ENOSPC);
}

struct again {
	struct timer timer;
	struct loop *loop;
	unsigned times;
};

// Always due again at once.
static void set_again(void *context)
{
	struct again *again = context;

	again->times++;
	timer_heap_set(&again->loop->timers, &again->timer, 0);
}

static void timers_come_in_time_and_leave_files_their_turn(void **)
{
	static struct loop loop;
	struct again again = { .timer = { .on_due = set_again, .context = &again }, .loop = &loop };
	unsigned times = 0;
	struct timer later = { .on_due = count_up, .context = &times };
	struct end end;
	int64_t due_ns = loop_now_ns() + 30 * MS;

	loop = (struct loop){ 0 };
	open_end(&end, &loop);
	timer_heap_set(&loop.timers, &later, due_ns);
	loop_turn(&loop);
	assert_true(loop_now_ns() >= due_ns);
	assert_int_equal(times, 1);
	timer_heap_set(&loop.timers, &again.timer, 0);
	loop_turn(&loop);
	poke(&end);
	loop_turn(&loop);
	assert_int_equal(again.times, 2);
	assert_int_equal(end.told, 1);
	close_end(&end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ready_are_told),
		cmocka_unit_test(the_forgotten_are_not_told),
		cmocka_unit_test(there_is_an_end_of_places),
		cmocka_unit_test(timers_come_in_time_and_leave_files_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
