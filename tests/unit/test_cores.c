// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/cores.h"
#include "unit.h"

static cpu_set_t cpus(unsigned first, unsigned last)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, &set);
	return set;
}

static int choose(struct cores *cores, const struct config_cores *wanted, cpu_set_t allowed,
		unsigned queues)
{
	char problem[200] = "";
	int error = cores_choose(cores, wanted, &allowed, queues, problem, sizeof(problem));

	assert_int_equal(error != 0, problem[0] != '\0');
	return error;
}

static const struct config_cores nothing_wanted = { .control = -1 };

static void control_gets_the_first_and_each_queue_another(void **)
{
	struct cores cores;

	assert_int_equal(choose(&cores, &nothing_wanted, cpus(2, 9), 3), 0);
	assert_int_equal(cores.control, 2);
	assert_int_equal(cores.worker_count, 3);
	assert_int_equal(cores.workers[0], 3);
	assert_int_equal(cores.workers[2], 5);
}

static void queues_share_workers_when_cpus_are_few(void **)
{
	struct cores cores;

	assert_int_equal(choose(&cores, &nothing_wanted, cpus(0, 1), 4), 0);
	assert_int_equal(cores.worker_count, 1);
	assert_int_equal(cores.workers[0], 1);
}

static void single_cpu_is_shared_with_control(void **)
{
	struct cores cores;

	assert_int_equal(choose(&cores, &nothing_wanted, cpus(5, 5), 2), 0);
	assert_int_equal(cores.control, 5);
	assert_int_equal(cores.worker_count, 1);
	assert_int_equal(cores.workers[0], 5);
}

static void what_is_written_is_taken_but_no_more_than_there_are_queues(void **)
{
	struct config_cores wanted = { .control = 1, .workers = { 3, 0, 2 }, .worker_count = 3 };
	struct cores cores;

	assert_int_equal(choose(&cores, &wanted, cpus(0, 3), 2), 0);
	assert_int_equal(cores.control, 1);
	assert_int_equal(cores.worker_count, 2);
	assert_int_equal(cores.workers[0], 3);
	assert_int_equal(cores.workers[1], 0);
}

static void cpu_that_is_not_ours_is_refused(void **)
{
	struct config_cores wanted = { .control = 0, .workers = { 4 }, .worker_count = 1 };
	struct cores cores;

	assert_true(choose(&cores, &wanted, cpus(0, 3), 1) < 0);
	wanted = (struct config_cores){ .control = 70000 };
	assert_true(choose(&cores, &wanted, cpus(0, 3), 1) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_gets_the_first_and_each_queue_another),
		cmocka_unit_test(queues_share_workers_when_cpus_are_few),
		cmocka_unit_test(single_cpu_is_shared_with_control),
		cmocka_unit_test(what_is_written_is_taken_but_no_more_than_there_are_queues),
		cmocka_unit_test(cpu_that_is_not_ours_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
