// SPDX-License-Identifier: BSD-3-Clause
// How server/client_table.h keeps what it keeps: the records, where they are and what matches what.
#pragma once

#include "base/address.h"
#include "base/bytes.h"
#include "base/utc.h"
#include "server/client_hash.h"
#include "server/rate_limit.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENTS_PER_LINE 4

enum client_kind {
	CLIENT_FREE = 0,
	CLIENT_IPV4 = 1,
	CLIENT_IPV6 = 2,
	CLIENT_STAMP = 3, // not a client, but a stamp of one
};

// The stamp: 41 bits of the receive timestamp, from bit 1 up (it has low bit 1), mixed with the
// epoch; below them (departure - receive - 1) / 2 in 23 bits, never 0. Both differences are odd.
#define STAMP_DELAY_BITS 23
#define STAMP_DELAY_MASK ((UINT64_C(1) << STAMP_DELAY_BITS) - 1)
#define STAMP_KEY_MASK   (UINT64_MAX >> STAMP_DELAY_BITS)

struct client_record {
	// From the top: 32 bits of address (IPv4: all of it, IPv6: its hash), 2 of kind, 30 of time: when
	// the bucket is full again (server/rate_limit.h); of a CLIENT_STAMP what the client's was.
	uint64_t who;
	uint64_t stamp; // 0: none
};

struct client_counters {
	_Atomic(uint64_t) replaced;  // records that had to make room
	_Atomic(uint64_t) forgotten; // those of them that were still of use
};

struct client_table {
	_Alignas(64) struct rate_limit limit;
	bool stamps_apart;
	uint32_t now;        // of this burst, in the limit's units
	uint32_t window;     // a stamp was received not longer than this before its record's time
	uint32_t second;     // in units, rounded up
	uint32_t generation; // of stamps: others are of another epoch or unit
	uint32_t searches;   // left in this burst for lines that nobody has fetched
	uint64_t stamp_mix;  // of this generation
	uint64_t clock;  // of this burst: NTP's 2^-32 s, goes on evenly when the clock is stepped
	uint64_t offset; // clock - time on the wire
	uint64_t ipv4_mask, ipv6_mask[2]; // of the limit's prefixes
	uint64_t epoch;
	uint64_t line_count;
	uint64_t random;
	uint64_t kisses_since; // clock at the start of the second of `kisses`
	uint32_t kisses;
	struct client_hash_key key;
	struct client_counters counters; // worker writes, control reads
	struct client_record lines[][CLIENTS_PER_LINE] __attribute__((aligned(64)));
};

// A request's client, from expect() to remember(). Ordinary memory of the worker's.
struct client {
	struct client_record *line;   // the client's own
	struct client_record *record; // in it, from admit() on
	uint64_t hash;                // of the very address
	uint64_t who;                 // the record's, without the time
	uint64_t stamp_who;           // of a stamp of the very address, without the time
	ntp64_t origin;
	ntp64_t receive;
	struct client_record evicted; // a stamp that goes to a record of its own; 0: none
	uint32_t generation;          // 0: nothing is to be remembered
};

static inline struct client_record *client_table_line(
		const struct client_table *table, uint64_t hash)
{
	return (struct client_record *)table->lines[((hash >> 32) * table->line_count) >> 32];
}

static inline uint64_t client_who(uint32_t address, enum client_kind kind)
{
	return ((uint64_t)address << 2 | kind) << RATE_TIME_BITS;
}

static inline uint64_t stamp_key(const struct client_table *table, ntp64_t receive)
{
	return ((receive >> 1) ^ table->stamp_mix) & STAMP_KEY_MASK;
}

// Where a stamp of this client's is when it is not in the client's record.
static inline struct client_record *stamp_line(
		const struct client_table *table, const struct client *client, uint64_t key)
{
	return client_table_line(table, client_hash(&table->key, client->hash, key));
}

// To the second level: the first one's miss buffers are for the frames.
static inline void client_line_fetch(const struct client_record *line)
{
	__builtin_prefetch(line, 1, 2);
}

// What a record calls an address, and the hash that says where it is.
struct client_name {
	uint64_t hash;
	uint64_t who; // without the time
};

static inline struct client_name client_name(
		const struct client_table *table, bool ipv4, uint64_t high, uint64_t low)
{
	uint64_t hash = client_hash(&table->key, high, low);
	uint32_t address = ipv4 ? (uint32_t)high : (uint32_t)hash;

	return (struct client_name){ hash, client_who(address, ipv4 ? CLIENT_IPV4 : CLIENT_IPV6) };
}

static inline struct client_record *client_line_find(struct client_record *line, uint64_t who)
{
	unsigned found = 0;

	for (unsigned i = 0; i < CLIENTS_PER_LINE; i++)
		found |= (unsigned)((line[i].who ^ who) <= RATE_TIME_MASK) << i;
	return found ? &line[__builtin_ctz(found)] : NULL;
}

// Whether a record's stamp is that of the answer whose receive timestamp was `origin`. The 41 bits
// are exact within 1024 s; which 1024 s it was is told by the record's time, which is less than 768 s
// from the stamp's, and by the clock.
static inline bool stamp_matches(const struct client_table *table,
		const struct client_record *record, ntp64_t origin)
{
	uint64_t then = origin + table->offset;
	uint64_t age = table->clock + (UINT64_C(1) << 32) - then;
	uint32_t before = (uint32_t)record->who - (uint32_t)(then >> table->limit.unit_bits);

	return record->stamp >> STAMP_DELAY_BITS == stamp_key(table, origin)
			&& ((before + table->second) & RATE_TIME_MASK)
			<= table->window + 2 * table->second
			&& age >> (RATE_TIME_BITS - 1 + table->limit.unit_bits) == 0;
}

static inline ntp64_t stamp_departure(uint64_t stamp, ntp64_t receive)
{
	return receive + 2 * (stamp & STAMP_DELAY_MASK) + 1;
}

static inline bool client_owns(const struct client *client, const struct client_record *record)
{
	return (record->who ^ client->who) <= RATE_TIME_MASK;
}
