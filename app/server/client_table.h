// SPDX-License-Identifier: BSD-3-Clause
// What a worker remembers of its clients: how much of their rate they have used, and the transmit
// timestamp that an interleaved request (RFC 9769) asks for afterwards. Fixed memory, one cache line
// of four records a request, the oldest of the four forgotten first. One table per worker, used by it
// alone. A burst is begin(), expect() for each request, admit() for each and issue() if it is answered,
// and remember() for each answer that was sent.
//
// A client's record holds the stamp of its last answer. If the next request from that address does
// not ask for it (several clients behind one address), the stamp moves to a record of its own, whose
// line is found by address and stamp. With `stamps_apart` all stamps live there.
#pragma once

#include "server/client_record.h"

// How many requests of a burst may have their stamp looked for outside their client's line: each may
// wait for memory (about 430 ticks), and anybody can ask for stamps that there are not.
#define CLIENT_SEARCHES 4

// How much of `bytes` a table uses: as many whole lines as there is room for, 0 if there is none.
size_t client_table_size(size_t bytes);
// Makes an empty table in 64-byte aligned memory, all of which it writes to. Returns it (it is
// `memory`).
struct client_table *client_table_init(void *memory, size_t bytes, const uint64_t seed[2]);

// The rarer half of the functions below.
void client_table_change(struct client_table *table, const struct rate_limit *limit,
		ntp64_t received, uint64_t epoch);
struct client_record *client_take_over(struct client_table *table, const struct client *client);
enum rate_decision client_refuse(struct client_table *table, enum rate_decision decision);
void client_spill(struct client_table *table, const struct client *client,
		const struct client_record *record);
ntp64_t client_take_spilled(struct client_table *table, const struct client *client);

// Starts a burst; `received` is about now.
static inline void client_table_begin(struct client_table *table, const struct rate_limit *limit,
		ntp64_t received, uint64_t epoch)
{
	if (epoch != table->epoch || memcmp(&table->limit, limit, sizeof(*limit)) != 0)
		client_table_change(table, limit, received, epoch);

	uint64_t clock = received + table->offset;

	if ((int64_t)(clock - table->clock) > 0)
		table->clock = clock;
	table->now = (uint32_t)(table->clock >> table->limit.unit_bits) & RATE_TIME_MASK;
	table->searches = CLIENT_SEARCHES;
}

// Says that a request from `address` with this interleave_origin() will be admitted soon, and has
// its line fetched.
static inline void client_table_expect(const struct client_table *table,
		const struct address *address, ntp64_t origin, struct client *client)
{
	bool ipv4 = address->family == ADDRESS_IPV4;
	uint64_t high = ipv4 ? load_be32(address->bytes) : load_be64(address->bytes);
	uint64_t low = ipv4 ? 0 : load_be64(address->bytes + 8);
	struct client_name name = client_name(table, ipv4, high, low);

	client->origin = origin;
	client->hash = name.hash;
	client->stamp_who = name.who | client_who(0, CLIENT_STAMP);
	if (table->stamps_apart) {
		if (origin & 1)
			client_line_fetch(stamp_line(table, client, stamp_key(table, origin)));
		name = ipv4 ? client_name(table, true, high & table->ipv4_mask, 0)
			    : client_name(table, false, high & table->ipv6_mask[0],
					    low & table->ipv6_mask[1]);
	}
	client->who = name.who;
	client->line = client_table_line(table, name.hash);
	client_line_fetch(client->line);
}

// The stamp leaves the client's record before its time changes, and is used once or not at all.
static inline ntp64_t client_take_stamp(struct client_table *table, struct client *client,
		const struct client_record *before)
{
	if (before->stamp != 0) {
		client->record->stamp = 0;
		if ((client->origin & 1) && stamp_matches(table, before, client->origin))
			return stamp_departure(before->stamp, client->origin);
		client->evicted = *before;
		client_line_fetch(stamp_line(table, client, before->stamp >> STAMP_DELAY_BITS));
	}
	return (client->origin & 1) ? client_take_spilled(table, client) : 0;
}

// Decides on a request. When the decision is RATE_ANSWER, sets `departed` to when the answer left
// whose receive timestamp the request refers to, or to 0: answer in basic mode.
static inline enum rate_decision client_table_admit(
		struct client_table *table, struct client *client, ntp64_t *departed)
{
	struct client_record *record = client_line_find(client->line, client->who);

	if (!record)
		record = client_take_over(table, client);

	struct client_record before = *record;
	uint32_t due = (uint32_t)before.who & RATE_TIME_MASK;
	enum rate_decision decision =
			rate_limit_decide(&table->limit, table->now, &due, &table->random);

	client->record = record;
	client->evicted.stamp = 0;
	client->generation = 0;
	if (decision != RATE_ANSWER)
		return client_refuse(table, decision);
	record->who = client->who | due;
	*departed = 0;
	if (before.stamp == 0 && !(client->origin & 1))
		return decision;
	client->generation = (client->origin & 1) ? table->generation : 0;
	*departed = client_take_stamp(table, client, &before);
	return decision;
}

// Notes the receive timestamp of the answer to an admitted request.
static inline void client_table_issue(
		const struct client_table *table, struct client *client, ntp64_t receive)
{
	client->receive = receive;
	if (table->stamps_apart && client->generation != 0)
		client_line_fetch(stamp_line(table, client, stamp_key(table, receive)));
}

// Keeps when an answer really left, for the client to ask later; to be called for each answer that was
// sent. Keeps it only of requests that could be interleaved, and not if the answer took more than
// 3.9 ms or the clock was stepped meanwhile. May be called in another burst than admit(), within a second.
static inline void client_table_remember(
		struct client_table *table, const struct client *client, ntp64_t departed)
{
	uint64_t delay = (departed - client->receive - 1) >> 1;
	struct client_record *record = client->record;

	if (client->evicted.stamp != 0)
		client_spill(table, client, &client->evicted);
	if (client->generation != table->generation || delay == 0 || delay > STAMP_DELAY_MASK)
		return;

	uint64_t stamp = stamp_key(table, client->receive) << STAMP_DELAY_BITS | delay;

	if (table->stamps_apart) {
		client_spill(table, client, &(struct client_record){ table->now, stamp });
		return;
	}
	if (client_owns(client, record) && record->stamp != 0)
		client_spill(table, client, record);
	// It may have been forgotten since admit(), or just now.
	if (client_owns(client, record))
		record->stamp = stamp;
}
