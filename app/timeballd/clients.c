// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/clients.h"

#include "base/log.h"
#include "dataplane/eal.h"
#include "dataplane/memory.h"
#include "timeballd/policy.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#define MEGABYTE  (UINT64_C(1) << 20)
#define USUAL_MB  64 // a worker
#define RECORD    sizeof(struct client_record)
#define ONE_LINE  (sizeof(struct client_table) + CLIENTS_PER_LINE * RECORD)
#define MARGIN_MB 1 // what EAL needs around a table

int clients_plan(struct clients *clients, const struct config *config, unsigned worker_count,
		char *problem, size_t size)
{
	uint64_t each = USUAL_MB * MEGABYTE;

	*clients = (struct clients){ .count = worker_count, .limit = &config->ratelimit };
	if (config->noclientlog)
		return 0;
	if (config->clientloglimit != 0)
		each = config->clientloglimit / worker_count;
	clients->size = client_table_size(each);
	if (clients->size > 0)
		return 0;
	snprintf(problem, size,
			"clientloglimit: %lu bytes are not enough for %u worker(s), at least %lu are, or `noclientlog`",
			config->clientloglimit, worker_count, ONE_LINE * worker_count);
	return -EINVAL;
}

unsigned clients_megabytes(const struct clients *clients)
{
	uint64_t each = clients->size / MEGABYTE + 1 + MARGIN_MB;

	return clients->size == 0 ? 0 : (unsigned)(each * clients->count);
}

static int open_table(struct clients *clients, unsigned i, int node, char *problem, size_t size)
{
	uint64_t seed[2];
	void *memory = memory_get(clients->size, node);

	if (!memory && node >= 0) {
		memory = memory_get(clients->size, MEMORY_ANY_NODE);
		if (memory)
			log_warn("clients: node %d is short of memory, what worker %u knows is on another",
					node, i);
	}
	if (!memory) {
		snprintf(problem, size,
				"clientloglimit: no %lu MiB of %s for worker %u of %u, on node %d or any other: %s",
				(clients->size + MEGABYTE - 1) / MEGABYTE,
				eal_has_hugepages() ? "hugepages" : "DPDK's memory", i + 1,
				clients->count, node,
				eal_has_hugepages()
						? "reserve more with scripts/hugepages.sh, or write less"
						: "write less, or more in `ealarg -m`");
		return -ENOMEM;
	}
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed)) {
		snprintf(problem, size, "no random numbers");
		return -EIO;
	}
	clients->tables[i] = client_table_init(memory, clients->size, seed);
	return 0;
}

int clients_open(struct clients *clients, const struct cores *cores, char *problem, size_t size)
{
	char limit[POLICY_TEXT_SIZE];
	int error = 0;

	if (clients->size == 0) {
		log_info("clients: none are remembered: no rate limit, no interleaved mode");
		return 0;
	}
	for (unsigned i = 0; i < clients->count && !error; i++)
		error = open_table(clients, i, cores_node_of_cpu((int)cores->workers[i]), problem,
				size);
	if (!error)
		log_info("clients: each of %u worker(s) remembers %lu in %.1f MiB, %s",
				clients->count,
				(clients->size - sizeof(struct client_table)) / RECORD,
				(double)clients->size / MEGABYTE,
				policy_print_limit(clients->limit, limit));
	return error;
}

void clients_log_counters(const struct clients *clients)
{
	uint64_t replaced = 0, forgotten = 0;

	for (unsigned i = 0; i < clients->count && clients->tables[i]; i++) {
		const struct client_counters *counters = &clients->tables[i]->counters;

		replaced += atomic_load_explicit(&counters->replaced, memory_order_relaxed);
		forgotten += atomic_load_explicit(&counters->forgotten, memory_order_relaxed);
	}
	if (clients->count > 0 && clients->tables[0])
		log_info("clients: replaced=%lu forgotten=%lu", replaced, forgotten);
}
