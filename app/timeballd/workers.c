// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/workers.h"

#include "base/log.h"
#include "dataplane/memory.h"
#include "dataplane/worker.h"
#include "drivers/drivers.h"
#include "timing/time_page.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/random.h>

static int fail(int error, const char *what, char *problem, size_t size)
{
	snprintf(problem, size, "%s: %s", what, strerror(-error));
	return error;
}

// Each port's workers in turn, as give_queues() deals with them.
void workers_want(const struct config *config, struct cores_host *host)
{
	host->node_of_cpu = cores_node_of_cpu;
	host->worker_count = 0;
	for (unsigned i = 0; i < config->serve_count; i++) {
		const struct config_serve *serve = &config->serves[i];
		int node = cores_node_of_device("/sys", serve->device);

		for (unsigned w = 0; w < serve->workers && host->worker_count < CONFIG_CORES; w++)
			host->nodes[host->worker_count++] = node;
	}
}

static void warn_of_distance(const struct queue *queue, unsigned cpu)
{
	int port_at = port_node(queue->port);
	int worker_at = cores_node_of_cpu((int)cpu);

	if (port_at >= 0 && worker_at >= 0 && port_at != worker_at)
		log_warn("port %s: on NUMA node %d, CPU %u of the worker of its queue %u on node %d",
				queue->port->name, port_at, cpu, queue->number, worker_at);
}

static void log_port(const struct port *port, unsigned cpu, unsigned workers)
{
	char addresses[PORT_ADDRESSES_TEXT_SIZE];

	log_info("port %s: serving%s on UDP port %u, first worker on CPU %u, %s timestamps",
			port->name, port_print_addresses(port, addresses),
			port_host(port)->ntp_port, cpu, timestamper_software.name);
	if (workers > 1 && !port->hashes_addresses)
		log_warn("port %s: deals frames out to its queues by a rule of its own: a client's requests may meet several workers, and what is known of clients is known per worker",
				port->name);
}

// A port's queues are dealt out to its own workers in turn; where CPUs are few, ports share them.
static int give_queues(struct workers *workers, const struct workers_options *options,
		char *problem, size_t size)
{
	unsigned first = 0;

	for (unsigned p = 0; p < ports_count(options->ports); p++) {
		unsigned own = options->config->serves[p].workers;
		struct port *port = ports_at(options->ports, p);

		log_port(port, workers->cpus[first % workers->count], MIN(own, workers->count));
		for (unsigned q = 0; q < port->queue_count; q++) {
			unsigned w = (first + q % own) % workers->count;
			struct worker *worker = workers->list[w];

			if (worker->queue_count == WORKER_QUEUES)
				return fail(-E2BIG, "too many queues for one worker", problem,
						size);
			worker->queues[worker->queue_count++] = &port->queues[q];
			warn_of_distance(&port->queues[q], workers->cpus[w]);
		}
		first += own;
	}
	return 0;
}

// All that only the worker on that CPU looks at belongs into memory from here.
static void *get_memory_near(unsigned cpu, size_t size)
{
	int node = cores_node_of_cpu((int)cpu);
	void *memory = memory_get(size, node);

	if (memory || node < 0)
		return memory;
	memory = memory_get(size, MEMORY_ANY_NODE);
	if (memory)
		log_warn("worker on CPU %u: its NUMA node %d has no memory left for it, it gets some of another's",
				cpu, node);
	return memory;
}

static int make_worker(struct workers *workers, const struct workers_options *options, unsigned cpu)
{
	struct worker *worker = get_memory_near(cpu, sizeof(*worker));
	struct time_page page;
	uint64_t seed;

	if (!worker)
		return -ENOMEM;
	unsigned number = workers->count++;

	workers->cpus[number] = cpu;
	workers->list[number] = worker;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	time_page_read(options->page, &page);
	*worker = (struct worker){
		.counter = options->counter,
		.timestamper = &timestamper_software,
		.page = options->page,
		.policy = options->policy,
		.ns_per_tick = page.map.ns_per_tick,
		.rests = options->config->pollmode == CONFIG_POLLMODE_ADAPTIVE,
	};
	responder_init(&worker->responder, seed, options->clients->tables[number]);
	return 0;
}

int workers_start(struct workers *workers, const struct workers_options *options, char *problem,
		size_t size)
{
	const struct cores *cores = options->cores;
	int error = 0;

	*workers = (struct workers){ .policy = options->policy };
	for (unsigned i = 0; i < cores->worker_count && !error; i++)
		error = make_worker(workers, options, cores->workers[i]);
	if (error)
		return fail(error, "workers", problem, size);
	error = give_queues(workers, options, problem, size);
	while (!error && workers->running < workers->count) {
		error = worker_start(workers->list[workers->running], workers->running + 1);
		if (error)
			return fail(error, "worker", problem, size);
		workers->running++;
	}
	return error;
}

bool workers_left_behind(struct workers *workers)
{
	for (unsigned i = 0; i < workers->running; i++) {
		if (!published_left_behind(workers->policy, &workers->list[i]->seen))
			return false;
	}
	return true;
}

static void say_pulse(const struct pulse *pulse, unsigned cpu)
{
	if (pulse->lost)
		log_error("worker on CPU %u: hangs, nobody is answered by it", cpu);
	else
		log_warn("worker on CPU %u: goes on", cpu);
}

// A worker notes in each round the newest generation of the policy. So it is enough to count one more.
bool workers_go_round(struct workers *workers, double uptime_s)
{
	bool all = true;

	for (unsigned i = 0; i < workers->running; i++) {
		struct pulse *pulse = &workers->pulses[i];
		bool came_round = published_left_behind(workers->policy, &workers->list[i]->seen);

		if (pulse_look(pulse, came_round, uptime_s))
			say_pulse(pulse, workers->cpus[i]);
		all = all && !pulse->lost;
	}
	published_nudge(workers->policy);
	return all;
}

void workers_stop(struct workers *workers)
{
	for (unsigned i = 0; i < workers->running; i++)
		worker_stop(workers->list[i]);
	for (unsigned i = 0; i < workers->count; i++)
		memory_free(workers->list[i]);
	workers->running = workers->count = 0;
}
