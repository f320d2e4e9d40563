// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/server.h"

#include "base/log.h"
#include "control/control.h"
#include "dataplane/eal.h"
#include "drivers/drivers.h"
#include "drivers/xdp/filter.h"
#include "timeballd/clients.h"
#include "timeballd/clock_choice.h"
#include "timeballd/cores.h"
#include "timeballd/discipline_setup.h"
#include "timeballd/plan.h"
#include "timeballd/policy.h"
#include "timeballd/ports.h"
#include "timeballd/reload.h"
#include "timeballd/supported.h"
#include "timeballd/workers.h"
#include "timing/time_page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EAL_BASE_MB      32
#define EAL_QUEUE_MB     16
#define FIRST_PAGE_TRIES 1000 // of a millisecond
#define POLICY_TRIES     300  // likewise; longer would cost the heartbeat

struct server {
	_Alignas(64) struct latch page; // the publisher writes, workers read
	struct published policy;        // control swaps, workers read
	struct server_options options;
	const struct counter *counter;
	struct local_clock clock;
	struct cores cores;
	struct clients clients;
	bool eal_running;
	struct control control;
	struct discipline_setup setup;
	struct reload *reload; // under way, or NULL
	bool reload_again;
	struct plan plans[SUPPORTED_PORTS];
	unsigned plan_count;
	int filter_file; // our XDP program, until it is attached; or -1
	struct ports *ports;
	struct workers workers;
};

static int fail(int error, const char *what, char *problem, size_t size)
{
	snprintf(problem, size, "%s: %s", what, strerror(-error));
	return error;
}

static int open_clock(struct server *server, char *problem, size_t size)
{
	const struct server_options *options = &server->options;
	int error = clock_choose(
			&server->clock, options->config, options->software_clock, problem, size);

	server->counter = counter_choose();
	return error;
}

// CPUs isolated at boot (isolcpus) are in nobody's affinity unless asked for; what the service
// manager's cpuset forbids stays forbidden.
static void ask_for_named(cpu_set_t *allowed, const struct config_cores *named)
{
	cpu_set_t wanted = *allowed;

	if (named->control >= 0)
		CPU_SET((unsigned)named->control, &wanted);
	for (unsigned i = 0; i < named->worker_count; i++)
		CPU_SET(named->workers[i], &wanted);
	if (!CPU_EQUAL(&wanted, allowed) && sched_setaffinity(0, sizeof(wanted), &wanted) == 0)
		sched_getaffinity(0, sizeof(*allowed), allowed);
}

static int start_eal(struct server *server, char *problem, size_t size)
{
	const struct config *config = server->options.config;
	const char *devices[SUPPORTED_PORTS];
	struct cores_host host;
	unsigned queues = 0;
	int error;

	if (sched_getaffinity(0, sizeof(host.allowed), &host.allowed))
		return fail(-errno, "cores", problem, size);
	ask_for_named(&host.allowed, &config->cores);
	workers_want(config, &host);
	error = cores_choose(&server->cores, &config->cores, &host, problem, size);
	if (!error)
		error = clients_plan(&server->clients, config, server->cores.worker_count, problem,
				size);
	if (error)
		return error;
	for (unsigned i = 0; i < server->plan_count; i++) {
		devices[i] = server->plans[i].device;
		queues += server->plans[i].queues;
	}
	struct eal_options options = {
		.control_cpu = server->cores.control,
		.worker_cpus = server->cores.workers,
		.worker_count = server->cores.worker_count,
		.devices = devices,
		.device_count = config->serve_count,
		.arguments = (const char *const *)config->ealargs,
		.argument_count = config->ealarg_count,
		.memory_mb = EAL_BASE_MB + EAL_QUEUE_MB * queues,
		.later_mb = clients_megabytes(&server->clients),
	};

	error = eal_start(&options, problem, size);
	server->eal_running = !error;
	return error;
}

// Without servers to follow, the clock itself says what it is worth.
static int start_deciding(struct server *server, char *problem, size_t size)
{
	const struct config *config = server->options.config;
	int error = discipline_setup_make(
			&server->setup, config, server->options.family, &server->clock);

	if (error)
		return fail(error, "servers", problem, size);
	reference_init(&server->control.keeper, &server->setup.control.options.reference);
	if (config->upstream.source_count == 0)
		return 0;
	if (!server->clock.driver->step) {
		log_warn("clock follow: somebody else steers it, and no server is asked");
		return 0;
	}
	error = control_start_discipline(&server->control, &server->setup.control);
	return error ? fail(error, "servers", problem, size) : 0;
}

// The first page is out before anybody can ask for the time.
static int start_publishing(struct server *server, char *problem, size_t size)
{
	struct publisher_options options = {
		.counter = server->counter,
		.clock = &server->clock,
		.page = &server->page,
		.clock_precision_s = server->options.config->clockprecision_s,
	};
	struct publisher_report report;
	struct time_page page;
	int error = publisher_open(&server->control.publisher, &options);

	if (error)
		return fail(error, "clock", problem, size);
	server->control.clock = &server->clock;
	error = start_deciding(server, problem, size);
	if (error)
		return error;
	error = control_decide(&server->control);
	if (error)
		return fail(error, "clock", problem, size);
	for (int i = 0; !time_page_read(&server->page, &page); i++) {
		if (i == FIRST_PAGE_TRIES)
			return fail(-ETIMEDOUT, "time page", problem, size);
		usleep(1000);
	}
	publisher_describe(server->control.publisher, &report);
	log_info("clock %s: counter %s at %.6f MHz, precision 2^%d s, map error %ld ns",
			server->clock.driver->name, server->counter->name, report.counter_hz / 1e6,
			report.precision, report.map_error_ns);
	return 0;
}

// Once every worker has gone through its loop, nobody holds the old one. A worker that does not
// by then hangs: the old policy is then left to it.
static void replace_policy(struct server *server, const struct policy *policy)
{
	const void *old = published_swap(&server->policy, policy);

	for (int i = 0; i < POLICY_TRIES; i++) {
		if (workers_left_behind(&server->workers)) {
			policy_free(old);
			return;
		}
		usleep(1000);
	}
	log_error("reload: a worker does not take the new access rules");
}

// SIGHUP. Asked again while one is under way, the file is read once more after it.
static void reload(void *context)
{
	struct server *server = context;
	int error;

	if (!server->options.config_file) {
		log_warn("reload: the configuration came as arguments, there is no file to read again");
		return;
	}
	server->reload_again = server->reload != NULL;
	if (server->reload_again)
		return;
	error = reload_start(&server->reload, server->options.config_file, server->options.family);
	if (error)
		log_error("reload: %s", strerror(-error));
}

// A new policy from the file, or the old one and the reason.
static void finish_reload(struct server *server)
{
	struct reload_result result;

	if (!server->reload || !reload_take(server->reload, &result))
		return;
	server->reload = NULL;
	if (result.policy)
		replace_policy(server, result.policy);
	reload_tell(&result, server->options.config);
	if (server->reload_again)
		reload(server);
}

static void watch(void *context, double uptime_s)
{
	struct server *server = context;

	finish_reload(server);
	if (workers_go_round(&server->workers, uptime_s))
		notify_alive(server->options.notify, uptime_s);
}

// SIGUSR1.
static void report(void *context)
{
	struct server *server = context;

	ports_ask_report(server->ports);
	clients_log_counters(&server->clients);
}

static int start_workers(struct server *server, char *problem, size_t size)
{
	struct workers_options options = {
		.config = server->options.config,
		.cores = &server->cores,
		.counter = server->counter,
		.page = &server->page,
		.policy = &server->policy,
		.ports = server->ports,
		.clients = &server->clients,
	};
	int error = clients_open(&server->clients, &server->cores, problem, size);

	return error ? error : workers_start(&server->workers, &options, problem, size);
}

static int start_ports_thread(struct server *server, char *problem, size_t size)
{
	int error = ports_watch(server->ports);

	return error ? fail(error, "ports", problem, size) : 0;
}

static int open_all(struct server *server, char *problem, size_t size)
{
	const struct config *config = server->options.config;
	struct policy *policy;
	int error = supported_check(config, problem, size);

	if (error)
		return error;
	policy = policy_build(config, server->options.family, problem, size);
	if (!policy)
		return -EINVAL;
	published_swap(&server->policy, policy);
	error = open_clock(server, problem, size);
	if (!error)
		error = plan_all(server->plans, config, &server->filter_file, problem, size);
	if (!error)
		server->plan_count = config->serve_count;
	if (!error)
		error = start_eal(server, problem, size);
	if (!error)
		error = start_publishing(server, problem, size);
	if (!error)
		error = ports_open(&server->ports, config, server->plans, problem, size);
	if (!error)
		error = start_workers(server, problem, size);
	if (!error)
		error = start_ports_thread(server, problem, size);
	return error;
}

int server_open(struct server **result, const struct server_options *options, char *problem,
		size_t size)
{
	struct server *server = aligned_alloc(_Alignof(struct server), sizeof(*server));
	int error;

	if (!server)
		return fail(-ENOMEM, "server", problem, size);
	*server = (struct server){
		.options = *options,
		.filter_file = -1,
		.control = {
			.exit_after_s = options->exit_after_s,
			.tasks = { server, watch, reload, report },
		},
	};
	error = open_all(server, problem, size);
	if (error) {
		server_close(server);
		return error;
	}
	*result = server;
	return 0;
}

int server_run(struct server *server)
{
	log_info("serving: %u port(s), %u worker(s), control on CPU %u", ports_count(server->ports),
			server->workers.running, server->cores.control);
	return control_run(&server->control) == CONTROL_GAVE_UP ? EXIT_FAILURE : EXIT_SUCCESS;
}

// DPDK takes its program off when a port is closed, but not when one could not be opened.
static void remove_filters(struct server *server)
{
	for (unsigned i = 0; i < server->plan_count; i++) {
		if (server->plans[i].xdp)
			xdp_filter_remove(server->plans[i].interface);
		if (server->plans[i].claim >= 0)
			close(server->plans[i].claim);
	}
	if (server->filter_file >= 0)
		close(server->filter_file);
}

void server_close(struct server *server)
{
	if (!server)
		return;
	workers_stop(&server->workers);
	clients_log_counters(&server->clients);
	int error = ports_close(server->ports);

	control_stop_discipline(&server->control);
	discipline_setup_free(&server->setup);
	publisher_close(server->control.publisher);
	if (error)
		return; // the ports thread still runs: what it may use is left to it until the process ends
	remove_filters(server);
	if (server->eal_running)
		eal_stop();
	if (server->clock.driver)
		server->clock.driver->close(&server->clock);
	policy_free(atomic_load(&server->policy.current));
	free(server);
}
