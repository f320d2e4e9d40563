// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/bench.h"

#include "dataplane/eal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_MB      128
#define LINK_TRIES     50
#define LINK_WAIT_NS   100'000'000
#define UNDER_WAY_MORE 2 // room for requests under way, times what the timeout asks for

static int fail(int error, const char *what, char *problem, size_t size)
{
	snprintf(problem, size, "%s: %s", what, strerror(-error));
	return error;
}

static void choose_clients(struct bench *bench)
{
	const struct options *options = bench->options;
	struct subnet prefixes[FAMILIES] = { 0 };

	for (unsigned i = 0; i < FAMILIES; i++) {
		if (options->servers[i].family != ADDRESS_NONE)
			prefixes[i] = options->clients[i];
	}
	clients_init(&bench->clients, prefixes, (uint32_t)options->count);
	bench->neighbors.clients = &bench->clients;
	bench->neighbors.vlan = (int)options->vlan;
	for (unsigned i = 0; i < FAMILIES; i++) {
		struct subnet *own = &bench->neighbors.own[i];

		own->address = options->own[i];
		if (own->address.family == ADDRESS_NONE && bench->clients.ranges[i].count > 0)
			client_address(&bench->clients.ranges[i], 0, &own->address);
	}
}

// All there from the start: a page fault would be a stall.
static int open_tables(struct bench *bench)
{
	const struct options *options = bench->options;
	double rate = options->max_rate;
	uint64_t seed = options->seed;

	for (unsigned i = 0; i < options->rate_count; i++)
		rate = fmax(rate, options->rates[i]);
	unsigned tag_bits = pending_tag_bits(
			bench->clients.count, rate * options->timeout_s * UNDER_WAY_MORE);

	if (seed == 0 && getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	bench->memory_size = pending_size(bench->clients.count, tag_bits);
	bench->memory = mmap(NULL, bench->memory_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (bench->memory == MAP_FAILED) {
		bench->memory = NULL;
		return -errno;
	}
	pending_init(&bench->generator.pending, bench->memory, bench->clients.count, tag_bits);
	bench->generator.pending.seed = seed;
	bench->generator.options.seed = seed >> 1; // as JSON can say it
	return 0;
}

static int start_eal(const struct options *options, char *problem, size_t size)
{
	const struct eal_options eal = {
		.control_cpu = (unsigned)options->cpu,
		.devices = &options->device,
		.device_count = 1,
		.arguments = options->ealargs,
		.argument_count = options->ealarg_count,
		.memory_mb = MEMORY_MB,
	};

	return eal_start(&eal, problem, size);
}

static void wait_for_link(const struct link *link)
{
	const struct timespec interval = { .tv_nsec = LINK_WAIT_NS };

	for (unsigned i = 0; i < LINK_TRIES && !link_is_up(link); i++)
		nanosleep(&interval, NULL);
}

static int find_server(struct bench *bench, enum family_index family, uint8_t mac[MAC_SIZE],
		char *problem, size_t size)
{
	const struct options *options = bench->options;
	const struct address *target = &options->gateways[family];
	char text[ADDRESS_TEXT_SIZE];

	if (options->has_mac) {
		memcpy(mac, options->mac, MAC_SIZE);
		return 0;
	}
	if (target->family == ADDRESS_NONE)
		target = &options->servers[family];
	int error = generator_resolve(&bench->generator, target, mac);

	if (error)
		snprintf(problem, size,
				"%s does not answer to %s; --mac or --gateway say where it is",
				address_print(target, text),
				family == FAMILY_IPV4 ? "ARP" : "neighbour solicitations");
	return error;
}

static int find_servers(struct bench *bench, char *problem, size_t size)
{
	const struct options *options = bench->options;
	int error = 0;

	for (enum family_index i = 0; i < FAMILIES && !error; i++) {
		struct request_route route = {
			.vlan = (uint16_t)options->vlan,
			.server = options->servers[i],
			.server_port = (uint16_t)options->port,
			.version = (uint8_t)options->version,
		};

		if (route.server.family == ADDRESS_NONE)
			continue;
		memcpy(route.own_mac, bench->link.mac, MAC_SIZE);
		error = find_server(bench, i, route.next_mac, problem, size);
		request_template_init(&bench->generator.templates[i], &route);
	}
	return error;
}

static void set_up_generator(struct bench *bench, const atomic_bool *stop)
{
	const struct options *options = bench->options;
	struct generator *generator = &bench->generator;
	struct receiver *receiver = &bench->receiver;

	*receiver = (struct receiver){
		.clients = &bench->clients,
		.vlan = (uint16_t)options->vlan,
		.server_port = (uint16_t)options->port,
		.takes_unfinished_checksums = bench->link.is_kernels,
	};
	memcpy(receiver->servers, options->servers, sizeof(receiver->servers));
	memcpy(receiver->mac, bench->link.mac, MAC_SIZE);
	memcpy(bench->neighbors.mac, bench->link.mac, MAC_SIZE);
	generator->link = &bench->link;
	generator->timebase = &bench->timebase;
	generator->clients = &bench->clients;
	generator->neighbors = &bench->neighbors;
	generator->progress = &bench->progress;
	generator->stop = stop;
	generator->options.interleaved = options->interleaved;
	generator->options.ipv6 = options->ipv6;
	generator->options.timeout_s = options->timeout_s;
	generator->options.exponential = options->exponential;
	generator->checker.receiver = receiver;
	generator->checker.pending = &generator->pending;
	generator->checker.map = &bench->timebase.tracker.map;
	generator->checker.version = (uint8_t)options->version;
	generator->checker.same_clock = options->same_clock;
	generator->checker.takes_unsynchronised = options->takes_unsynchronised;
	generator->checker.tolerance_ns = (int64_t)(options->tolerance_us * 1e3);
}

int bench_open(struct bench *bench, const struct options *options, const atomic_bool *stop,
		char *problem, size_t size)
{
	bench->options = options;
	choose_clients(bench);
	int error = open_tables(bench);

	if (error)
		return fail(error, "no memory for the clients", problem, size);
	if (!options->quiet && isatty(STDERR_FILENO))
		progress_start(&bench->progress);
	error = start_eal(options, problem, size);
	if (error)
		return error;
	bench->eal_running = true;
	error = link_open(&bench->link, options->device, problem, size);
	if (error)
		return error;
	error = timebase_open(&bench->timebase);
	if (error)
		return fail(error, "CLOCK_REALTIME", problem, size);
	set_up_generator(bench, stop);
	wait_for_link(&bench->link);
	return find_servers(bench, problem, size);
}

void bench_close(struct bench *bench)
{
	progress_stop(&bench->progress);
	link_close(&bench->link);
	timebase_close(&bench->timebase);
	if (bench->eal_running)
		eal_stop();
	if (bench->memory)
		munmap(bench->memory, bench->memory_size);
}
