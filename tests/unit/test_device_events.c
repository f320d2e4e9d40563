// SPDX-License-Identifier: BSD-3-Clause
// A port of DPDK's null driver, which receives without end, and a worker on it. What a real device's
// driver would say is said in its place by the function that it would call.
#include "dataplane/device_events.h"
#include "dataplane/eal.h"
#include "dataplane/port_watch.h"
#include "dataplane/worker.h"
#include "unit.h"

#include <rte_ethdev.h>

#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEVICE  "net_null0"
#define LOOKS   2000
#define LOOK_US 5000

// Exported by DPDK for its drivers, whose headers are not installed.
struct rte_eth_dev;
struct rte_eth_dev *rte_eth_dev_allocated(const char *name);
int rte_eth_dev_callback_process(
		struct rte_eth_dev *dev, enum rte_eth_event_type event, void *result);

struct bench {
	struct port port;
	struct port_watch watch;
	struct worker worker;
	struct latch page;
	struct published policy;
	double uptime_s;
};

static uint64_t read_counter(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1'000'000'000 + (uint64_t)now.tv_nsec;
}

static const struct counter counter = { .name = "test", .read = read_counter };

static void stamp(const struct counter *, struct rte_mbuf *const *, uint16_t count, uint64_t *ticks)
{
	memset(ticks, 0, count * sizeof(*ticks));
}

static const struct timestamper_driver timestamper = { .stamp = stamp };

static bool look(struct bench *bench)
{
	usleep(LOOK_US);
	bench->uptime_s += 0.05;
	return port_watch(&bench->watch, &bench->port, bench->uptime_s);
}

static struct port_counters counters_of(const struct bench *bench)
{
	struct port_counters counters;

	port_count(&bench->port, &counters);
	return counters;
}

static void wait_until_more_than(struct bench *bench, uint64_t received)
{
	for (int i = 0; i < LOOKS && counters_of(bench).received <= received; i++)
		assert_false(look(bench));
	assert_true(counters_of(bench).received > received);
}

static void raise_event(enum rte_eth_event_type event)
{
	struct rte_eth_dev *dev = rte_eth_dev_allocated(DEVICE);

	assert_non_null(dev);
	rte_eth_dev_callback_process(dev, event, NULL);
}

static int start(void **state)
{
	static struct bench bench;
	static const char *const devices[] = { DEVICE };
	static const char *const arguments[] = { "--no-huge" };
	unsigned cpu = (unsigned)sched_getcpu();
	struct host host = { .address_count = 0 };
	char problem[256];
	const struct eal_options options = {
		.control_cpu = cpu,
		.worker_cpus = &cpu,
		.worker_count = 1,
		.devices = devices,
		.device_count = 1,
		.arguments = arguments,
		.argument_count = 1,
		.memory_mb = 64,
	};
	const struct port_options port_options = { .device = DEVICE, .host = &host, .queues = 1 };

	if (eal_start(&options, problem, sizeof(problem))
			|| port_open(&bench.port, &port_options, problem, sizeof(problem))) {
		print_error("%s\n", problem);
		return -1;
	}
	bench.worker = (struct worker){
		.counter = &counter,
		.timestamper = &timestamper,
		.page = &bench.page,
		.policy = &bench.policy,
		.queues = { &bench.port.queues[0] },
		.queue_count = 1,
		.ns_per_tick = 1,
	};
	*state = &bench;
	return worker_start(&bench.worker, 1);
}

static int stop(void **state)
{
	struct bench *bench = *state;

	worker_stop(&bench->worker);
	port_close(&bench->port);
	eal_stop();
	return 0;
}

// After the event the port is closed and opened again, and what was counted before still counts.
static void expect_restart(struct bench *bench, enum rte_eth_event_type event)
{
	unsigned restarts = bench->port.restarts;
	struct port_statistics statistics, later;
	struct port_counters counters;
	int looks = 0;

	wait_until_more_than(bench, counters_of(bench).received);
	raise_event(event);
	port_read_statistics(&bench->port, &statistics);
	counters = counters_of(bench);
	assert_false(look(bench)); // the driver may still be busy with the event
	assert_int_equal(bench->port.restarts, restarts);
	while (looks++ < LOOKS && !look(bench))
		;
	assert_int_equal(bench->port.restarts, restarts + 1);
	port_read_statistics(&bench->port, &later);
	assert_true(later.received >= statistics.received);
	assert_true(counters_of(bench).received >= counters.received);
	for (int v = 0; v < VERDICT_COUNT; v++)
		assert_true(counters_of(bench).verdicts[v] >= counters.verdicts[v]);
	// It serves again, and once was enough.
	wait_until_more_than(bench, counters_of(bench).received);
	for (int i = 0; i < 10; i++)
		assert_false(look(bench));
}

static void a_port_that_asks_for_a_reset_is_opened_again(void **state)
{
	expect_restart(*state, RTE_ETH_EVENT_INTR_RESET);
	expect_restart(*state, RTE_ETH_EVENT_INTR_RESET);
}

static void so_is_one_that_was_removed_and_is_there_again(void **state)
{
	expect_restart(*state, RTE_ETH_EVENT_INTR_RMV);
}

static void other_events_are_not_ours(void **state)
{
	struct bench *bench = *state;
	unsigned restarts = bench->port.restarts;

	raise_event(RTE_ETH_EVENT_INTR_LSC);
	for (int i = 0; i < 10; i++)
		assert_false(look(bench));
	assert_int_equal(bench->port.restarts, restarts);
}

static uint64_t inode_of(const char *link)
{
	struct stat found;

	assert_int_equal(lstat(link, &found), 0);
	return found.st_ino;
}

// The folder is all that sysfs is to it.
static void a_device_bound_anew_is_taken_away(void **)
{
	char folder[] = "/tmp/timeball-unit-XXXXXX", other[64];
	struct device_events events = { 0 };

	assert_non_null(mkdtemp(folder));
	snprintf(events.link, sizeof(events.link), "%s/driver", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	assert_int_equal(symlink("vfio-pci", events.link), 0);
	events.binding = inode_of(events.link);
	for (int i = 0; i < 3; i++)
		assert_null(device_events_look(&events));
	assert_int_equal(symlink("vfio-pci", other), 0);
	assert_int_equal(rename(other, events.link), 0);
	assert_null(device_events_look(&events));
	assert_string_equal(device_events_look(&events), "is taken away");
	events.binding = inode_of(events.link);
	assert_null(device_events_look(&events));
	assert_int_equal(unlink(events.link), 0);
	assert_null(device_events_look(&events));
	assert_string_equal(device_events_look(&events), "is taken away");
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_that_asks_for_a_reset_is_opened_again),
		cmocka_unit_test(so_is_one_that_was_removed_and_is_there_again),
		cmocka_unit_test(other_events_are_not_ours),
		cmocka_unit_test(a_device_bound_anew_is_taken_away),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
