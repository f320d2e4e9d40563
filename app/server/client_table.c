// SPDX-License-Identifier: BSD-3-Clause
// The client table's rarer half: making room, stamps in records of their own, changes of the limit.
#include "server/client_table.h"

#include "base/random.h"

#include <string.h>

#define NTP_SECOND (UINT64_C(1) << 32)

// A client's stamp may be kept in its record if it is at most this much older than the record's time,
// so that stamp_matches() cannot take it for one 1024 s away.
#define WINDOW_MAX_S 766

// A stamp older than this is no loss: four times the longest poll that clients use by default.
#define STAMP_USEFUL_S 4096

#define KISSES_PER_SECOND 1000

// Any odd number: that no two epochs have the same mix.
#define STAMP_MIX_STEP UINT64_C(0x9e3779b97f4a7c15)

static uint32_t kind_of(const struct client_record *record)
{
	return (uint32_t)(record->who >> RATE_TIME_BITS) & 3;
}

// Since the record's client was last admitted, or up to a full bucket less. What cannot be (a time
// too far ahead) is as old as can be.
static uint32_t age_of(const struct client_table *table, const struct client_record *record)
{
	return (table->now + table->limit.capacity - (uint32_t)record->who) & RATE_TIME_MASK;
}

static bool is_useful(const struct client_table *table, const struct client_record *record)
{
	uint64_t age = age_of(table, record);

	if (kind_of(record) == CLIENT_FREE)
		return false;
	if (kind_of(record) != CLIENT_STAMP && age < table->limit.capacity)
		return true; // the bucket is not full
	return record->stamp != 0 && age << table->limit.unit_bits < STAMP_USEFUL_S * NTP_SECOND;
}

static void count(_Atomic(uint64_t) *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			memory_order_relaxed);
}

// A free record, else the oldest; a stamp's record is the oldest stamp if the line has one, so that
// one client who wants many cannot take more than a record a line from the others.
static struct client_record *make_room(
		struct client_table *table, struct client_record *line, bool for_stamp)
{
	struct client_record *oldest = NULL;
	uint64_t oldest_rank = 0;

	for (unsigned i = 0; i < CLIENTS_PER_LINE; i++) {
		bool preferred = for_stamp && kind_of(&line[i]) == CLIENT_STAMP;
		uint64_t rank = age_of(table, &line[i]) + (preferred ? UINT64_C(1) << 32 : 0);

		if (kind_of(&line[i]) == CLIENT_FREE)
			return &line[i];
		if (!oldest || rank > oldest_rank) {
			oldest = &line[i];
			oldest_rank = rank;
		}
	}
	count(&table->counters.replaced);
	if (is_useful(table, oldest))
		count(&table->counters.forgotten);
	return oldest;
}

// The highest `bits` of 64.
static uint64_t mask_of(int bits)
{
	return bits <= 0 ? 0 : bits >= 64 ? UINT64_MAX : ~(UINT64_MAX >> bits);
}

size_t client_table_size(size_t bytes)
{
	size_t line = sizeof(struct client_record) * CLIENTS_PER_LINE;
	size_t lines = bytes < sizeof(struct client_table)
			? 0
			: (bytes - sizeof(struct client_table)) / line;

	// The index takes 32 bits.
	lines = lines > UINT32_MAX ? UINT32_MAX : lines;
	return lines == 0 ? 0 : sizeof(struct client_table) + lines * line;
}

struct client_table *client_table_init(void *memory, size_t bytes, const uint64_t seed[2])
{
	struct client_table *table = memory;
	uint64_t random = seed[0];

	memset(memory, 0, bytes);
	for (unsigned i = 0; i < 4; i++) {
		random += i == 2 ? seed[1] : 0;
		table->key.secrets[i] = random_next(&random);
	}
	table->key.secrets[3] |= 1;
	table->random = random_next(&random);
	table->line_count = (bytes - sizeof(*table)) / sizeof(table->lines[0]);
	return table;
}

void client_table_change(struct client_table *table, const struct rate_limit *limit,
		ntp64_t received, uint64_t epoch)
{
	uint64_t clock = table->clock;
	bool same_unit = limit->unit_bits == table->limit.unit_bits;

	// In another unit the times say nothing: have them all half the range ago.
	if (!same_unit)
		clock = (uint64_t)(table->now + RATE_TIME_MASK / 2 + 1) << limit->unit_bits;
	if (!same_unit || epoch != table->epoch) {
		table->clock = clock;
		table->offset = clock - received;
		table->generation += table->generation == UINT32_MAX ? 2 : 1;
		table->stamp_mix = table->generation * STAMP_MIX_STEP;
	}
	table->epoch = epoch;
	table->limit = *limit;
	table->second = limit->unit_bits < 32 ? UINT32_C(1) << (32 - limit->unit_bits) : 1;
	table->stamps_apart = limit->ipv4_bits < 32 || limit->ipv6_bits < 128
			|| (uint64_t)limit->capacity << limit->unit_bits
					> WINDOW_MAX_S * NTP_SECOND;
	table->ipv4_mask = mask_of(limit->ipv4_bits) >> 32;
	table->ipv6_mask[0] = mask_of(limit->ipv6_bits);
	table->ipv6_mask[1] = mask_of(limit->ipv6_bits - 64);
	table->window = table->stamps_apart ? 0 : limit->capacity;
}

struct client_record *client_take_over(struct client_table *table, const struct client *client)
{
	struct client_record *record = make_room(table, client->line, false);

	*record = (struct client_record){ .who = client->who | table->now };
	return record;
}

enum rate_decision client_refuse(struct client_table *table, enum rate_decision decision)
{
	if (decision != RATE_KISS)
		return decision;
	if (table->clock - table->kisses_since >= NTP_SECOND) {
		table->kisses_since = table->clock;
		table->kisses = 0;
	}
	if (table->kisses == KISSES_PER_SECOND)
		return RATE_DROP;
	table->kisses++;
	return RATE_KISS;
}

void client_spill(struct client_table *table, const struct client *client,
		const struct client_record *record)
{
	struct client_record *line = stamp_line(table, client, record->stamp >> STAMP_DELAY_BITS);
	struct client_record spilled = { client->stamp_who | (record->who & RATE_TIME_MASK),
		record->stamp };

	*make_room(table, line, true) = spilled;
}

ntp64_t client_take_spilled(struct client_table *table, const struct client *client)
{
	struct client_record *record = stamp_line(table, client, stamp_key(table, client->origin));

	if (!table->stamps_apart) {
		if (table->searches == 0)
			return 0;
		table->searches--;
	}
	for (unsigned i = 0; i < CLIENTS_PER_LINE; i++, record++) {
		if ((record->who ^ client->stamp_who) > RATE_TIME_MASK
				|| !stamp_matches(table, record, client->origin))
			continue;

		ntp64_t departed = stamp_departure(record->stamp, client->origin);

		*record = (struct client_record){ 0 };
		return departed;
	}
	return 0;
}
