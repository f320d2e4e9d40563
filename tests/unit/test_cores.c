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

// CPUs 0, 1 and 2 are on node 0, 3, 4 and 5 on node 1.
static int three_on_each(int cpu)
{
	return cpu / 3;
}

static int choose_near(struct cores *cores, const struct config_cores *wanted,
		const struct cores_host *host)
{
	char problem[200] = "";
	int error = cores_choose(cores, wanted, host, problem, sizeof(problem));

	assert_int_equal(error != 0, problem[0] != '\0');
	return error;
}

static int choose(struct cores *cores, const struct config_cores *wanted, cpu_set_t allowed,
		unsigned queues)
{
	struct cores_host host = {
		.allowed = allowed,
		.node_of_cpu = three_on_each,
		.worker_count = queues,
	};

	for (unsigned i = 0; i < queues; i++)
		host.nodes[i] = CORES_ANY_NODE;
	return choose_near(cores, wanted, &host);
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

static void workers_are_near_their_ports(void **)
{
	struct cores_host host = {
		.allowed = cpus(0, 5),
		.node_of_cpu = three_on_each,
		.nodes = { CORES_ANY_NODE, 1, 0, 1 },
		.worker_count = 4,
	};
	struct cores cores;

	assert_int_equal(choose_near(&cores, &nothing_wanted, &host), 0);
	assert_int_equal(cores.control, 0);
	assert_int_equal(cores.worker_count, 4);
	assert_int_equal(cores.workers[0], 2);
	assert_int_equal(cores.workers[1], 3);
	assert_int_equal(cores.workers[2], 1);
	assert_int_equal(cores.workers[3], 4);
}

static void far_is_better_than_none(void **)
{
	struct cores_host host = {
		.allowed = cpus(0, 3),
		.node_of_cpu = three_on_each,
		.nodes = { 1, 1, 1, 1 },
		.worker_count = 4,
	};
	struct cores cores;

	assert_int_equal(choose_near(&cores, &nothing_wanted, &host), 0);
	assert_int_equal(cores.worker_count, 3);
	assert_int_equal(cores.workers[0], 3);
	assert_int_equal(cores.workers[1], 1);
	assert_int_equal(cores.workers[2], 2);
}

static void node_of_a_card_is_in_sysfs(void **)
{
	char root[] = "/tmp/test_cores_XXXXXX", command[400];

	assert_non_null(mkdtemp(root));
	snprintf(command, sizeof(command),
			"d=%s/bus/pci/devices; mkdir -p $d/0000:03:00.0 $d/0001:03:00.0 $d/0000:04:00.0;"
			"echo 1 >$d/0000:03:00.0/numa_node; echo 2 >$d/0001:03:00.0/numa_node;"
			"echo -1 >$d/0000:04:00.0/numa_node",
			root);
	assert_int_equal(system(command), 0);
	assert_int_equal(cores_node_of_device(root, "0000:03:00.0"), 1);
	assert_int_equal(cores_node_of_device(root, "03:00.0"), 1);
	assert_int_equal(cores_node_of_device(root, "03:00.0,rx_vec_en=0"), 1);
	assert_int_equal(cores_node_of_device(root, "0001:03:00.0,rx_vec_en=0"), 2);
	assert_int_equal(cores_node_of_device(root, "04:00.0"), CORES_ANY_NODE);
	assert_int_equal(cores_node_of_device(root, "05:00.0"), CORES_ANY_NODE);
	assert_int_equal(cores_node_of_device(root, "net_tap0,iface=tap0"), CORES_ANY_NODE);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_gets_the_first_and_each_queue_another),
		cmocka_unit_test(queues_share_workers_when_cpus_are_few),
		cmocka_unit_test(single_cpu_is_shared_with_control),
		cmocka_unit_test(what_is_written_is_taken_but_no_more_than_there_are_queues),
		cmocka_unit_test(cpu_that_is_not_ours_is_refused),
		cmocka_unit_test(workers_are_near_their_ports),
		cmocka_unit_test(far_is_better_than_none),
		cmocka_unit_test(node_of_a_card_is_in_sysfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
