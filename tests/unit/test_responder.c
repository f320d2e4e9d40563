// SPDX-License-Identifier: BSD-3-Clause
// server/responder: what an answer says and what it never says. Letters and numbers name the test
// catalogue's rows. The timestamps have a file of their own, test_stamps.c.
#include "base/bytes.h"
#include "server/acl.h"
#include "server/responder.h"
#include "unit.h"

#include <string.h>

// 2026-03-01 00:00:00.5 UTC, which is 0xed4e0000.80000000 on the wire.
#define NOW_NS INT64_C(1772323200'500000000)

// LI 1, stratum 2, precision 2^-25 s, delay 1/64 s, dispersion 1/4096 s, 192.0.2.1, 16 s before.
static const uint8_t synchronised_head[NTP_HEAD_SIZE] = { 0x40, 2, 0, 0xe7, 0, 0, 0x04, 0, 0, 0, 0,
	0x10, 192, 0, 2, 1, 0xed, 0x4d, 0xff, 0xf0, 0, 0, 0, 0 };

struct bench {
	_Alignas(64) uint8_t acl_memory[1024];
	struct policy policy;
	struct serving serving;
	struct responder responder;
	struct address client;
	uint8_t payload[NTP_HEADER_SIZE];
	uint8_t reply[NTP_HEADER_SIZE];
};

static int set_up(void **state)
{
	const struct acl_rule rule = { { { ADDRESS_IPV4, { 192, 0, 2, 0 } }, 24 }, .allow = true };
	struct bench *bench = aligned_alloc(64, sizeof(*bench));

	assert_true(bench && acl_size(&rule, 1) <= sizeof(bench->acl_memory));
	memset(bench, 0, sizeof(*bench));
	bench->policy.access = acl_build(bench->acl_memory, &rule, 1);
	memcpy(bench->serving.head, synchronised_head, NTP_HEAD_SIZE);
	bench->serving.epoch = 7;
	responder_init(&bench->responder, 1);
	bench->client = (struct address){ ADDRESS_IPV4, { 192, 0, 2, 99 } };
	bench->payload[0] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	free(*state);
	return 0;
}

static enum verdict answer(struct bench *bench, const uint8_t *payload, uint16_t length)
{
	struct request request = {
		.payload = payload,
		.length = length,
		.source_port = 40000,
		.source = &bench->client,
		.received = { NOW_NS },
	};

	return responder_answer(
			&bench->responder, &bench->policy, &bench->serving, &request, bench->reply);
}

static enum verdict answer_plain(struct bench *bench)
{
	return answer(bench, bench->payload, sizeof(bench->payload));
}

// W1, B2.4 to B2.9
static void a_plain_answer_has_these_fields(void **state)
{
	struct bench *bench = *state;

	for (uint8_t version = 1; version <= 4; version++) {
		bench->payload[0] = ntp_flags(NTP_LEAP_NONE, version, NTP_MODE_CLIENT);
		bench->payload[NTP_POLL] = 6;
		store_be64(bench->payload + NTP_TRANSMIT, UINT64_C(0x1122334455667788));
		assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
		responder_stamp(&bench->responder, bench->reply, (utc_t){ NOW_NS + 10'000 });

		const uint8_t *reply = bench->reply;

		assert_int_equal(reply[0], 0x40 | version << 3 | 4);
		assert_int_equal(reply[NTP_STRATUM], 2);
		assert_int_equal(reply[NTP_POLL], 6);
		assert_int_equal((int8_t)reply[NTP_PRECISION], -25);
		assert_int_equal(load_be32(reply + NTP_ROOT_DELAY), 0x00000400);
		assert_int_equal(load_be32(reply + NTP_ROOT_DISPERSION), 0x00000010);
		assert_int_equal(load_be32(reply + NTP_REFERENCE_ID), 0xc0000201);
		assert_true(load_be64(reply + NTP_REFERENCE_TIME) == UINT64_C(0xed4dfff000000000));
		assert_true(load_be64(reply + NTP_ORIGIN) == UINT64_C(0x1122334455667788));
		// Half a second and some random units of 2^-32 s; 10 us later, less as many.
		assert_in_range(load_be64(reply + NTP_RECEIVE), UINT64_C(0xed4e000080000001),
				UINT64_C(0xed4e0000800000ff));
		assert_in_range(load_be64(reply + NTP_TRANSMIT), UINT64_C(0xed4e00008000a745),
				UINT64_C(0xed4e00008000a7c5));
	}
}

static void an_active_peer_gets_a_passive_answer(void **state)
{
	struct bench *bench = *state;

	bench->payload[0] = ntp_flags(NTP_LEAP_NONE, 3, NTP_MODE_ACTIVE);
	assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
	assert_int_equal(bench->reply[0], 0x40 | 3 << 3 | NTP_MODE_PASSIVE);
}

// W4
static void version_1_without_a_mode_gets_a_server_answer(void **state)
{
	struct bench *bench = *state;

	bench->payload[0] = ntp_flags(NTP_LEAP_NONE, 1, NTP_MODE_UNSPECIFIED);
	assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
	assert_int_equal(bench->reply[0], 0x40 | 1 << 3 | NTP_MODE_SERVER);
}

// W8
static void the_origin_is_the_request_transmit_bit_for_bit(void **state)
{
	struct bench *bench = *state;
	uint64_t random = test_seed();
	uint64_t transmit = 0;

	for (unsigned round = 0; round < 1000; round++) {
		store_be64(bench->payload + NTP_TRANSMIT, transmit);
		assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
		assert_memory_equal(bench->reply + NTP_ORIGIN, bench->payload + NTP_TRANSMIT, 8);
		transmit = round == 0 ? UINT64_MAX : random_next(&random);
	}
}

// W9
static void every_poll_is_echoed(void **state)
{
	struct bench *bench = *state;

	for (int poll = INT8_MIN; poll <= INT8_MAX; poll++) {
		bench->payload[NTP_POLL] = (uint8_t)poll;
		assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
		assert_int_equal((int8_t)bench->reply[NTP_POLL], poll);
	}
}

// S10, W9: two requests that share transmit, version, mode and poll get the same octets.
static void nothing_else_of_a_request_shows_in_its_answer(void **state)
{
	struct bench *bench = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 1000; round++) {
		struct responder before = bench->responder;
		uint8_t first[NTP_HEADER_SIZE], other[NTP_HEADER_SIZE + 28] = { 0 };

		for (size_t i = 0; i < NTP_HEADER_SIZE; i++) {
			bench->payload[i] = (uint8_t)random_next(&random);
			other[i] = (uint8_t)random_next(&random);
		}
		bench->payload[0] = ntp_flags(round & 3, 4, NTP_MODE_CLIENT);
		other[0] = ntp_flags(round >> 2 & 3, 4, NTP_MODE_CLIENT);
		other[NTP_POLL] = bench->payload[NTP_POLL];
		memcpy(other + NTP_TRANSMIT, bench->payload + NTP_TRANSMIT, 8);
		store_be16(other + NTP_HEADER_SIZE + 2, 28);

		assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
		memcpy(first, bench->reply, sizeof(first));
		bench->responder = before;
		assert_int_equal(answer(bench, other, sizeof(other)), VERDICT_ANSWERED);
		assert_memory_equal(first, bench->reply, sizeof(first));
	}
}

// E6, W10
static void an_answer_has_48_octets_whatever_was_asked(void **state)
{
	struct bench *bench = *state;
	uint8_t payload[NTP_HEADER_SIZE + 64];

	memset(payload, 0x77, sizeof(payload));
	payload[0] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	store_be16(payload + NTP_HEADER_SIZE + 2, 64);

	struct request request = { payload, sizeof(payload), 40000, &bench->client, { NOW_NS } };

	assert_int_equal(responder_answer(&bench->responder, &bench->policy, &bench->serving,
					 &request, payload),
			VERDICT_ANSWERED);
	responder_stamp(&bench->responder, payload, (utc_t){ NOW_NS });
	for (size_t i = NTP_HEADER_SIZE + 4; i < sizeof(payload); i++)
		assert_int_equal(payload[i], 0x77);
}

static void an_answer_may_be_written_over_its_request(void **state)
{
	struct bench *bench = *state;
	struct responder before = bench->responder;

	store_be64(bench->payload + NTP_TRANSMIT, UINT64_C(0x1122334455667788));
	bench->payload[NTP_POLL] = 10;
	memcpy(bench->reply, bench->payload, NTP_HEADER_SIZE);
	assert_int_equal(answer(bench, bench->reply, NTP_HEADER_SIZE), VERDICT_ANSWERED);
	responder_stamp(&bench->responder, bench->reply, (utc_t){ NOW_NS });

	uint8_t in_place[NTP_HEADER_SIZE];

	memcpy(in_place, bench->reply, sizeof(in_place));
	bench->responder = before;
	memset(bench->reply, 0, NTP_HEADER_SIZE);
	assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
	responder_stamp(&bench->responder, bench->reply, (utc_t){ NOW_NS });
	assert_memory_equal(bench->reply, in_place, sizeof(in_place));
	assert_true(load_be64(in_place + NTP_ORIGIN) == UINT64_C(0x1122334455667788));
}

static void a_drop_touches_neither_reply_nor_responder(void **state)
{
	static const struct {
		uint8_t flags;
		uint16_t length;
		uint8_t last; // octet of the client's address
		enum verdict verdict;
	} rows[] = {
		{ 0x23, 47, 1, VERDICT_NTP_SHORT },
		{ 0x23, 49, 1, VERDICT_NTP_RAGGED },
		{ 0x2b, 48, 1, VERDICT_NTP_VERSION },
		{ 0x24, 48, 1, VERDICT_NTP_MODE },
		{ 0x23, 48, 0, VERDICT_NTP_DENIED },
		{ 0x1b, 68, 1, VERDICT_NTP_KEY },
		{ 0x23, 76, 1, VERDICT_NTP_EXTENSION },
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct responder before = bench->responder;
		uint8_t payload[100] = { rows[i].flags }, untouched[NTP_HEADER_SIZE];

		bench->client.bytes[0] = rows[i].last ? 192 : 193;
		memset(bench->reply, 0x99, NTP_HEADER_SIZE);
		memset(untouched, 0x99, NTP_HEADER_SIZE);
		assert_int_equal(answer(bench, payload, rows[i].length), rows[i].verdict);
		assert_memory_equal(bench->reply, untouched, NTP_HEADER_SIZE);
		assert_memory_equal(&bench->responder, &before, sizeof(before));
	}
}

// chrony's order: what is malformed is counted as that, whoever sent it.
static void format_is_judged_before_access(void **state)
{
	struct bench *bench = *state;

	bench->client.bytes[2] = 3;
	assert_int_equal(answer(bench, bench->payload, 47), VERDICT_NTP_SHORT);
	assert_int_equal(answer(bench, bench->payload, 48), VERDICT_NTP_DENIED);
	bench->client = (struct address){ ADDRESS_IPV6, { 192, 0, 2, 99 } };
	assert_int_equal(answer(bench, bench->payload, 48), VERDICT_NTP_DENIED);
}

// B2.4: also a server without the time answers, and says so.
static void an_unsynchronised_server_says_so(void **state)
{
	static const uint8_t head[NTP_HEAD_SIZE] = { 0xe4, 0, 0, 0xec, 0, 1, 0, 0, 0, 1 };
	struct bench *bench = *state;

	memset(bench->serving.head, 0xff, NTP_HEAD_SIZE);
	serving_set_unsynchronised(&bench->serving, -20);
	assert_int_equal(bench->serving.epoch, 7);
	assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
	assert_memory_equal(bench->reply, head, sizeof(head));
}

// A reply made before its time went stale says nothing of the time it was to give.
static void a_disowned_reply_claims_nothing(void **state)
{
	struct bench *bench = *state;
	uint8_t expected[NTP_HEADER_SIZE] = { 0xc0 | 2 << 3 | NTP_MODE_PASSIVE, 0, 0xf9, 0xe7, 0, 1,
		0, 0, 0, 1 };

	bench->payload[0] = ntp_flags(NTP_LEAP_NONE, 2, NTP_MODE_ACTIVE);
	bench->payload[NTP_POLL] = (uint8_t)-7;
	store_be64(bench->payload + NTP_TRANSMIT, UINT64_C(0x1122334455667788));
	assert_int_equal(answer_plain(bench), VERDICT_ANSWERED);
	responder_stamp(&bench->responder, bench->reply, (utc_t){ NOW_NS });
	memcpy(expected + NTP_ORIGIN, bench->reply + NTP_ORIGIN, NTP_HEADER_SIZE - NTP_ORIGIN);
	responder_disown(bench->reply);
	assert_memory_equal(bench->reply, expected, sizeof(expected));
}

static void the_same_state_and_request_give_the_same_answer(void **state)
{
	struct bench *bench = *state;
	struct responder before = bench->responder;
	uint8_t first[NTP_HEADER_SIZE];

	answer_plain(bench);
	ntp64_t stamped = responder_stamp(&bench->responder, bench->reply, (utc_t){ NOW_NS });

	memcpy(first, bench->reply, sizeof(first));
	bench->responder = before;
	answer_plain(bench);
	assert_true(responder_stamp(&bench->responder, bench->reply, (utc_t){ NOW_NS }) == stamped);
	assert_memory_equal(first, bench->reply, sizeof(first));
	assert_true(load_be64(first + NTP_TRANSMIT) == stamped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plain_answer_has_these_fields),
		TEST(an_active_peer_gets_a_passive_answer),
		TEST(version_1_without_a_mode_gets_a_server_answer),
		TEST(the_origin_is_the_request_transmit_bit_for_bit),
		TEST(every_poll_is_echoed),
		TEST(nothing_else_of_a_request_shows_in_its_answer),
		TEST(an_answer_has_48_octets_whatever_was_asked),
		TEST(an_answer_may_be_written_over_its_request),
		TEST(a_drop_touches_neither_reply_nor_responder),
		TEST(format_is_judged_before_access),
		TEST(an_unsynchronised_server_says_so),
		TEST(a_disowned_reply_claims_nothing),
		TEST(the_same_state_and_request_give_the_same_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
