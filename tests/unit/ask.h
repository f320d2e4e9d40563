// SPDX-License-Identifier: BSD-3-Clause
// A responder with all it needs, its bursts put together request by request, and what must be true
// of every reply.
#pragma once

#include "base/bytes.h"
#include "base/checksum.h"
#include "server/acl.h"
#include "server/reply.h"
#include "server/responder.h"

#include <stdlib.h>
#include <string.h>

#define ASK_PORT   40000
#define ASK_ROOM   1024
#define ASK_MOMENT INT64_C(1772323200'500000000) // 2026-03-01 00:00:00.5 UTC

// Requests of all sorts, and what became of them. The k-th reply is that to the request reply[k],
// and the k-th in `replies`.
struct ask_burst {
	unsigned count;
	bool tell_plain; // clients' requests of 48 octets are not parsed
	uint8_t *payload[REQUESTS];
	uint16_t length[REQUESTS];
	uint16_t source_port[REQUESTS];
	struct address source[REQUESTS];
	utc_t received[REQUESTS];
	uint8_t verdict[REQUESTS]; // enum verdict

	unsigned reply_count;
	uint8_t reply[REQUESTS];
	uint64_t sum[REQUESTS]; // of the reply, as far as it is written
	struct requests replies;
};

struct asked {
	_Alignas(64) uint8_t acl_memory[1024];
	struct policy policy;
	struct serving serving;
	struct responder responder;
	struct address client;
	uint8_t payload[ASK_ROOM]; // a request, kept
	uint8_t reply[ASK_ROOM];   // its copy, answered in place
	struct ask_burst burst;
};

static inline void ask_require(bool holds)
{
	if (!holds)
		abort();
}

// A server without a rate limit that answers what the rules allow, and has no time to give. Freed
// with ask_close().
static inline struct asked *ask_open(const struct acl_rule *rules, size_t count)
{
	struct asked *asked = aligned_alloc(64, sizeof(*asked));

	ask_require(asked && acl_size(rules, count) <= sizeof(asked->acl_memory));
	memset(asked, 0, sizeof(*asked));
	asked->policy.access = acl_build(asked->acl_memory, rules, count);
	rate_limit_init(&asked->policy.limit, NULL);
	serving_set_unsynchronised(&asked->serving, -25);
	asked->serving.epoch = 7;
	responder_init(&asked->responder, 1, NULL);
	asked->client = (struct address){ ADDRESS_IPV4, { 192, 0, 2, 99 } };
	asked->payload[0] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	return asked;
}

// Gives the server a client table of so many lines.
static inline void ask_remember_clients(struct asked *asked, size_t lines)
{
	static const uint64_t seed[2] = { 11, 12 };
	size_t bytes = sizeof(struct client_table) + lines * 64;
	void *memory = aligned_alloc(64, bytes);

	ask_require(memory && client_table_size(bytes) == bytes);
	free(asked->responder.clients);
	asked->responder.clients = client_table_init(memory, bytes, seed);
}

static inline void ask_close(struct asked *asked)
{
	free(asked->responder.clients);
	free(asked);
}

// Adds a request that will be answered where it lies.
static inline void ask_add(struct ask_burst *burst, uint8_t *payload, uint16_t length,
		const struct address *client, int64_t received_ns)
{
	unsigned i = burst->count++;

	ask_require(i < REQUESTS);
	burst->payload[i] = payload;
	burst->length[i] = length;
	burst->source_port[i] = ASK_PORT;
	burst->source[i] = *client;
	burst->received[i] = (utc_t){ received_ns };
}

// Whether it is a request, which is then put among those to be admitted.
static inline bool ask_sort(struct ask_burst *burst, unsigned i)
{
	struct requests *requests = &burst->replies;
	unsigned r = requests->count;
	enum verdict verdict = VERDICT_PENDING;
	uint8_t flags = 0;

	if (burst->tell_plain && burst->length[i] == NTP_HEADER_SIZE)
		flags = ntp_client_replies[burst->payload[i][0]];
	if (!flags)
		verdict = ntp_request_parse(
				burst->payload[i], burst->length[i], burst->source_port[i], &flags);
	burst->verdict[i] = (uint8_t)verdict;
	if (verdict != VERDICT_PENDING)
		return false;
	requests->payload[r] = burst->payload[i];
	requests->flags[r] = flags;
	requests->source[r] = burst->source[i];
	requests->received[r] = burst->received[i];
	requests->departed[r] = UINT64_MAX; // of a burst before
	burst->reply[r] = (uint8_t)i;
	requests->count++;
	return true;
}

static inline void ask_take_out_refused(struct ask_burst *burst, bool has_clients)
{
	struct requests *requests = &burst->replies;
	unsigned kept = 0;

	for (unsigned r = 0; r < requests->count; r++) {
		burst->verdict[burst->reply[r]] = requests->verdict[r];
		if (!verdict_is_answer((enum verdict)requests->verdict[r]))
			continue;
		burst->reply[kept] = burst->reply[r];
		requests_move(requests, kept++, r, has_clients);
	}
	requests->count = kept;
	burst->reply_count = kept;
}

// As a worker does it, up to the timestamps.
static inline void ask_answer_burst(struct responder *responder, const struct policy *policy,
		const struct serving *serving, struct ask_burst *burst)
{
	struct requests *requests = &burst->replies;

	requests->count = 0;
	for (unsigned i = 0; i < burst->count; i++)
		ask_sort(burst, i);
	unsigned admitted = responder_admit(responder, policy, serving, requests);

	ask_take_out_refused(burst, responder->clients != NULL);
	ask_require(burst->reply_count == admitted);
	if (admitted == 0)
		return;
	struct reply_maker maker = reply_begin(responder, policy, serving, requests->received[0]);

	for (unsigned k = 0; k < admitted; k++)
		burst->sum[k] = reply_write(&maker, requests, k, responder->clients != NULL);
	reply_end(&maker, responder, serving);
}

static inline void ask_disown_burst(struct ask_burst *burst)
{
	for (unsigned k = 0; k < burst->reply_count; k++)
		burst->sum[k] = responder_disown(burst->replies.payload[k]);
}

static inline void ask_stamp_burst(struct responder *responder, struct ask_burst *burst,
		utc_t departs, int8_t precision)
{
	if (burst->reply_count == 0)
		return;
	struct reply_stamper stamper = reply_depart(responder, departs, precision);

	for (unsigned k = 0; k < burst->reply_count; k++) {
		uint64_t sum = reply_stamp(
				&stamper, &burst->replies, k, responder->clients != NULL);

		burst->sum[k] = checksum_add_word(burst->sum[k], sum);
	}
}

static inline void ask_answer(struct asked *asked)
{
	ask_answer_burst(&asked->responder, &asked->policy, &asked->serving, &asked->burst);
}

static inline void ask_stamp(struct asked *asked, int64_t departs_ns)
{
	ask_stamp_burst(&asked->responder, &asked->burst, (utc_t){ departs_ns },
			(int8_t)asked->serving.head[NTP_PRECISION]);
}

static inline void ask_sent(struct asked *asked, unsigned count, int64_t departed_ns)
{
	responder_sent(&asked->responder, &asked->burst.replies, count, (utc_t){ departed_ns });
}

// A burst of one: asked->payload, copied to asked->reply and answered there.
static inline enum verdict ask_one(struct asked *asked, uint16_t length, int64_t received_ns)
{
	memcpy(asked->reply, asked->payload, sizeof(asked->reply));
	asked->burst.count = 0;
	ask_add(&asked->burst, asked->reply, length, &asked->client, received_ns);
	ask_answer(asked);
	return (enum verdict)asked->burst.verdict[0];
}

// RFC 1071 word by word, with the carry brought round each time.
static inline unsigned ask_slow_sum(const uint8_t *bytes, size_t length)
{
	unsigned sum = 0;

	for (size_t i = 0; i < length; i += 2) {
		sum += bytes[i] * 256U + bytes[i + 1];
		sum = sum % 65536 + sum / 65536;
	}
	return sum;
}

// Whether the sums are those of the stamped replies, which no checksum could be made of otherwise.
static inline bool ask_sums_are_right(const struct ask_burst *burst)
{
	for (unsigned k = 0; k < burst->reply_count; k++) {
		const uint8_t *reply = burst->payload[burst->reply[k]];
		uint8_t folded[2];

		store_word16(folded, checksum_fold(burst->sum[k]));
		if (ask_slow_sum(folded, 2) != ask_slow_sum(reply, NTP_HEADER_SIZE))
			return false;
	}
	return true;
}
