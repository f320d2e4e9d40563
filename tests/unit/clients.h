// SPDX-License-Identifier: BSD-3-Clause
// A worker's half of the client table for tests: one request at a time, at a time of the test's own.
#pragma once

#include "server/client_table.h"
#include "unit.h"

#define NTP_SECOND (UINT64_C(1) << 32)
#define MONTH_2026 (UINT64_C(0xed4e0000) << 32)

struct world {
	struct client_table *table;
	void *memory;
	struct rate_limit limit;
	ntp64_t now; // what the server's clock says
	uint64_t epoch;
	uint32_t delay; // of the next answer, receive to departure, odd
};

struct answer {
	enum rate_decision decision;
	ntp64_t departed; // 0: basic mode
	ntp64_t receive;
	ntp64_t transmit; // when this answer left
};

static inline void world_open(struct world *world, const struct rate_limit_options *options,
		size_t lines, uint64_t seed)
{
	size_t size = client_table_size(sizeof(struct client_table) + lines * 64);

	*world = (struct world){
		.memory = aligned_alloc(64, size), .now = MONTH_2026, .epoch = 1, .delay = 0x10001
	};
	assert_non_null(world->memory);
	rate_limit_init(&world->limit, options);
	world->table = client_table_init(
			world->memory, size, (const uint64_t[2]){ seed, seed ^ 1 });
	assert_int_equal(world->table->line_count, lines);
}

static inline void world_close(struct world *world)
{
	free(world->memory);
}

static inline uint64_t replaced(const struct world *world)
{
	return atomic_load(&world->table->counters.replaced);
}

static inline uint64_t forgotten(const struct world *world)
{
	return atomic_load(&world->table->counters.forgotten);
}

static inline void world_wait(struct world *world, double seconds)
{
	world->now += (uint64_t)(int64_t)(seconds * 4294967296.0);
}

static inline struct address ipv4(uint32_t bits)
{
	struct address address = { .family = ADDRESS_IPV4 };

	store_be32(address.bytes, bits);
	return address;
}

static inline struct address ipv6(uint64_t high, uint64_t low)
{
	struct address address = { .family = ADDRESS_IPV6 };

	store_be64(address.bytes, high);
	store_be64(address.bytes + 8, low);
	return address;
}

// A request and its answer, which is sent unless `lost`.
static inline struct answer world_exchange(
		struct world *world, struct address from, ntp64_t origin, bool lost)
{
	struct answer answer = { .departed = UINT64_MAX };
	struct client client;

	world->now += 64; // no two receive timestamps are equal
	client_table_begin(world->table, &world->limit, world->now, world->epoch);
	client_table_expect(world->table, &from, origin, &client);
	answer.decision = client_table_admit(world->table, &client, &answer.departed);
	if (answer.decision != RATE_ANSWER)
		return answer;
	answer.receive = world->now | 1;
	answer.transmit = answer.receive + world->delay;
	client_table_issue(world->table, &client, answer.receive);
	if (!lost)
		client_table_remember(world->table, &client, answer.transmit);
	return answer;
}

static inline struct answer ask(struct world *world, struct address from, ntp64_t origin)
{
	return world_exchange(world, from, origin, false);
}
