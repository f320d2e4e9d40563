// SPDX-License-Identifier: BSD-3-Clause
// Who is answered: access, then what is known of the client.
#include "server/responder.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "server/acl.h"
#include "server/interleave.h"
#include "server/reply.h"

#include <assert.h>
#include <string.h>

// One second in the NTP short format (RFC 5905 figure 3).
#define NTP32_SECOND UINT32_C(0x00010000)

static_assert(REQUESTS <= ACL_BURST);

void serving_set_unsynchronised(struct serving *serving, int8_t precision)
{
	memset(serving->head, 0, sizeof(serving->head));
	serving->head[NTP_LEAP_VERSION_MODE] =
			ntp_flags(NTP_LEAP_UNSYNCHRONISED, 0, NTP_MODE_UNSPECIFIED);
	serving->head[NTP_PRECISION] = (uint8_t)precision;
	store_be32(serving->head + NTP_ROOT_DELAY, NTP32_SECOND);
	store_be32(serving->head + NTP_ROOT_DISPERSION, NTP32_SECOND);
}

void responder_init(struct responder *responder, uint64_t seed, struct client_table *clients)
{
	// No epoch of the clock: nothing was given out yet.
	*responder = (struct responder){
		.clients = clients,
		.random = seed,
		.epoch = UINT64_MAX,
	};
}

struct reply_head reply_kiss_of_death(int8_t precision)
{
	struct serving kiss;

	serving_set_unsynchronised(&kiss, precision);
	store_be64(kiss.head + NTP_ROOT_DELAY, 0);
	memcpy(kiss.head + NTP_REFERENCE_ID, "RATE", 4);
	return reply_head_of(kiss.head);
}

// Has what is known of the clients brought into the cache.
static void expect_clients(struct client_table *clients, const struct policy *policy,
		const struct serving *serving, struct requests *requests)
{
	client_table_begin(clients, &policy->limit, utc_to_ntp64(requests->received[0]),
			serving->epoch);
	for (unsigned i = 0; i < requests->count; i++) {
		const uint8_t *payload = requests->payload[i];
		ntp64_t origin =
				interleave_origin(payload[NTP_LEAP_VERSION_MODE] >> 3 & 7, payload);

		client_table_expect(clients, &requests->source[i], origin, &requests->client[i]);
	}
}

// What becomes of a request that is one and is allowed. `departed` is set as client_table_admit() says.
static inline enum verdict admit(
		struct client_table *clients, struct client *client, ntp64_t *departed)
{
	switch (client_table_admit(clients, client, departed)) {
	case RATE_ANSWER:
		return *departed ? VERDICT_INTERLEAVED : VERDICT_ANSWERED;
	case RATE_KISS:
		return VERDICT_KISSED;
	default:
		return VERDICT_NTP_LIMITED;
	}
}

static unsigned admit_clients(
		struct client_table *clients, struct requests *requests, const bool allowed[])
{
	unsigned admitted = 0;

	for (unsigned i = 0, count = requests->count; i < count; i++) {
		enum verdict verdict = VERDICT_NTP_DENIED;
		ntp64_t departed = 0;

		if (allowed[i])
			verdict = admit(clients, &requests->client[i], &departed);
		requests->departed[i] = departed;
		requests->verdict[i] = (uint8_t)verdict;
		admitted += verdict_is_answer(verdict);
	}
	return admitted;
}

static unsigned admit_allowed(struct requests *requests, const bool allowed[])
{
	uint64_t eight = 0; // sums, an octet each

	static_assert(REQUESTS % sizeof(eight) == 0 && sizeof(bool) == 1);
	for (unsigned i = 0; i < REQUESTS; i++)
		requests->verdict[i] = allowed[i] ? VERDICT_ANSWERED : VERDICT_NTP_DENIED;
	for (unsigned i = 0; i < REQUESTS; i += sizeof(eight))
		eight += load_word64((const uint8_t *)allowed + i);
	return (unsigned)(eight * UINT64_C(0x0101010101010101) >> 56);
}

unsigned responder_admit(struct responder *responder, const struct policy *policy,
		const struct serving *serving, struct requests *requests)
{
	bool allowed[REQUESTS] = { false };
	struct acl_search search;

	if (requests->count == 0)
		return 0;
	acl_begin(policy->access, requests->source, requests->count, allowed, &search);
	if (responder->clients)
		expect_clients(responder->clients, policy, serving, requests);
	acl_finish(policy->access, requests->source, allowed, &search);
	return responder->clients ? admit_clients(responder->clients, requests, allowed)
				  : admit_allowed(requests, allowed);
}

uint64_t responder_disown(uint8_t reply[NTP_HEADER_SIZE])
{
	struct serving nothing;

	serving_set_unsynchronised(&nothing, (int8_t)reply[NTP_PRECISION]);
	nothing.head[NTP_LEAP_VERSION_MODE] |= reply[NTP_LEAP_VERSION_MODE] & NTP_VERSION_AND_MODE;
	nothing.head[NTP_POLL] = reply[NTP_POLL];
	memcpy(reply, nothing.head, NTP_HEAD_SIZE);
	return checksum_add(0, reply, NTP_RECEIVE);
}

void responder_sent(struct responder *responder, struct requests *requests, unsigned count,
		utc_t departed)
{
	struct client_table *clients = responder->clients;
	ntp64_t stamp = utc_to_ntp64(departed) & ~UINT64_C(1);

	for (unsigned i = 0; clients && i < count; i++) {
		struct client *client = &requests->client[i];

		client_table_issue(clients, client, requests->receive[i]);
		client_table_remember(clients, client, stamp);
	}
}
