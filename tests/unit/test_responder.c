// SPDX-License-Identifier: BSD-3-Clause
// server/responder: what an answer says and what it never says. Letters and numbers name the test
// catalogue's rows. The timestamps have a file of their own, test_stamps.c.
#include "ask.h"
#include "unit.h"

#define NOW_NS ASK_MOMENT // 0xed4e0000.80000000 on the wire

// LI 1, stratum 2, precision 2^-25 s, delay 1/64 s, dispersion 1/4096 s, 192.0.2.1, 16 s before.
static const uint8_t synchronised_head[NTP_HEAD_SIZE] = { 0x40, 2, 0, 0xe7, 0, 0, 0x04, 0, 0, 0, 0,
	0x10, 192, 0, 2, 1, 0xed, 0x4d, 0xff, 0xf0, 0, 0, 0, 0 };

static int set_up(void **state)
{
	const struct acl_rule rule = { { { ADDRESS_IPV4, { 192, 0, 2, 0 } }, 24 }, .allow = true };
	struct asked *asked = ask_open(&rule, 1);

	memcpy(asked->serving.head, synchronised_head, NTP_HEAD_SIZE);
	*state = asked;
	return 0;
}

static int tear_down(void **state)
{
	ask_close(*state);
	return 0;
}

static enum verdict answer_plain(struct asked *asked)
{
	return ask_one(asked, NTP_HEADER_SIZE, NOW_NS);
}

// W1, B2.4 to B2.9
static void a_plain_answer_has_these_fields(void **state)
{
	struct asked *asked = *state;

	for (uint8_t version = 1; version <= 4; version++) {
		asked->payload[0] = ntp_flags(NTP_LEAP_NONE, version, NTP_MODE_CLIENT);
		asked->payload[NTP_POLL] = 6;
		store_be64(asked->payload + NTP_TRANSMIT, UINT64_C(0x1122334455667788));
		assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
		ask_stamp(asked, NOW_NS + 10'000);

		const uint8_t *reply = asked->reply;

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
	struct asked *asked = *state;

	asked->payload[0] = ntp_flags(NTP_LEAP_NONE, 3, NTP_MODE_ACTIVE);
	assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
	assert_int_equal(asked->reply[0], 0x40 | 3 << 3 | NTP_MODE_PASSIVE);
}

// W4
static void version_1_without_a_mode_gets_a_server_answer(void **state)
{
	struct asked *asked = *state;

	asked->payload[0] = ntp_flags(NTP_LEAP_NONE, 1, NTP_MODE_UNSPECIFIED);
	assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
	assert_int_equal(asked->reply[0], 0x40 | 1 << 3 | NTP_MODE_SERVER);
}

// W8
static void the_origin_is_the_request_transmit_bit_for_bit(void **state)
{
	struct asked *asked = *state;
	uint64_t random = test_seed();
	uint64_t transmit = 0;

	for (unsigned round = 0; round < 1000; round++) {
		store_be64(asked->payload + NTP_TRANSMIT, transmit);
		assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
		ask_stamp(asked, NOW_NS);
		assert_memory_equal(asked->reply + NTP_ORIGIN, asked->payload + NTP_TRANSMIT, 8);
		assert_true(ask_sums_are_right(&asked->burst));
		transmit = round == 0 ? UINT64_MAX : random_next(&random);
	}
}

// W9
static void every_poll_is_echoed(void **state)
{
	struct asked *asked = *state;

	for (int poll = INT8_MIN; poll <= INT8_MAX; poll++) {
		asked->payload[NTP_POLL] = (uint8_t)poll;
		assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
		assert_int_equal((int8_t)asked->reply[NTP_POLL], poll);
	}
}

// S10, W9: two requests that share transmit, version, mode and poll get the same octets.
static void nothing_else_of_a_request_shows_in_its_answer(void **state)
{
	struct asked *asked = *state;
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 1000; round++) {
		struct responder before = asked->responder;
		uint8_t first[NTP_HEADER_SIZE], shared[8];

		for (size_t i = 0; i < NTP_HEADER_SIZE; i++)
			asked->payload[i] = (uint8_t)random_next(&random);
		asked->payload[0] = ntp_flags(round & 3, 4, NTP_MODE_CLIENT);
		assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
		ask_stamp(asked, NOW_NS);
		memcpy(first, asked->reply, sizeof(first));
		memcpy(shared, asked->payload + NTP_TRANSMIT, sizeof(shared));

		uint8_t poll = asked->payload[NTP_POLL];

		for (size_t i = 0; i < NTP_HEADER_SIZE; i++)
			asked->payload[i] = (uint8_t)random_next(&random);
		asked->payload[0] = ntp_flags(round >> 2 & 3, 4, NTP_MODE_CLIENT);
		asked->payload[NTP_POLL] = poll;
		memcpy(asked->payload + NTP_TRANSMIT, shared, sizeof(shared));
		store_be16(asked->payload + NTP_HEADER_SIZE + 2, 28);
		asked->responder = before;
		assert_int_equal(ask_one(asked, NTP_HEADER_SIZE + 28, NOW_NS), VERDICT_ANSWERED);
		ask_stamp(asked, NOW_NS);
		assert_memory_equal(first, asked->reply, sizeof(first));
	}
}

// E6, W10
static void an_answer_has_48_octets_whatever_was_asked(void **state)
{
	struct asked *asked = *state;

	memset(asked->payload, 0x77, sizeof(asked->payload));
	asked->payload[0] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	store_be16(asked->payload + NTP_HEADER_SIZE + 2, 64);
	assert_int_equal(ask_one(asked, NTP_HEADER_SIZE + 64, NOW_NS), VERDICT_ANSWERED);
	ask_stamp(asked, NOW_NS);
	assert_memory_equal(asked->reply + NTP_HEADER_SIZE, asked->payload + NTP_HEADER_SIZE,
			ASK_ROOM - NTP_HEADER_SIZE);
}

static void a_request_known_to_be_plain_gets_the_same_answer(void **state)
{
	struct asked *asked = *state;
	uint64_t random = test_seed();

	for (unsigned first = 0; first < 256; first++) {
		struct responder before = asked->responder;
		uint8_t reply[NTP_HEADER_SIZE];

		for (size_t i = 1; i < NTP_HEADER_SIZE; i++)
			asked->payload[i] = (uint8_t)random_next(&random);
		asked->payload[0] = (uint8_t)first;
		asked->burst.tell_plain = false;
		if (!ntp_client_replies[first])
			continue;
		assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
		ask_stamp(asked, NOW_NS);
		memcpy(reply, asked->reply, sizeof(reply));
		asked->responder = before;
		memcpy(asked->reply, asked->payload, NTP_HEADER_SIZE);
		asked->burst.tell_plain = true;
		ask_answer(asked);
		assert_int_equal(asked->burst.verdict[0], VERDICT_ANSWERED);
		ask_stamp(asked, NOW_NS);
		assert_memory_equal(asked->reply, reply, sizeof(reply));
	}
}

static void a_drop_touches_neither_request_nor_responder(void **state)
{
	static const struct {
		uint8_t flags;
		uint16_t length;
		uint8_t first; // octet of the client's address
		enum verdict verdict;
	} rows[] = {
		{ 0x23, 47, 192, VERDICT_NTP_SHORT },
		{ 0x23, 49, 192, VERDICT_NTP_RAGGED },
		{ 0x2b, 48, 192, VERDICT_NTP_VERSION },
		{ 0x24, 48, 192, VERDICT_NTP_MODE },
		{ 0x23, 48, 193, VERDICT_NTP_DENIED },
		{ 0x1b, 68, 192, VERDICT_NTP_KEY },
		{ 0x23, 76, 192, VERDICT_NTP_EXTENSION },
	};
	struct asked *asked = *state;

	assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct responder before = asked->responder;

		memset(asked->payload, 0, sizeof(asked->payload));
		asked->payload[0] = rows[i].flags;
		asked->client.bytes[0] = rows[i].first;
		assert_int_equal(ask_one(asked, rows[i].length, NOW_NS), rows[i].verdict);
		ask_stamp(asked, NOW_NS);
		ask_disown_burst(&asked->burst);
		assert_memory_equal(asked->reply, asked->payload, ASK_ROOM);
		assert_memory_equal(&asked->responder, &before, sizeof(before));
	}
}

// chrony's order: what is malformed is counted as that, whoever sent it.
static void format_is_judged_before_access(void **state)
{
	struct asked *asked = *state;

	asked->client.bytes[2] = 3;
	assert_int_equal(ask_one(asked, 47, NOW_NS), VERDICT_NTP_SHORT);
	assert_int_equal(ask_one(asked, 48, NOW_NS), VERDICT_NTP_DENIED);
	asked->client = (struct address){ ADDRESS_IPV6, { 192, 0, 2, 99 } };
	assert_int_equal(ask_one(asked, 48, NOW_NS), VERDICT_NTP_DENIED);
}

// B2.4: also a server without the time answers, and says so.
static void an_unsynchronised_server_says_so(void **state)
{
	static const uint8_t head[NTP_HEAD_SIZE] = { 0xe4, 0, 0, 0xec, 0, 1, 0, 0, 0, 1 };
	struct asked *asked = *state;

	memset(asked->serving.head, 0xff, NTP_HEAD_SIZE);
	serving_set_unsynchronised(&asked->serving, -20);
	assert_int_equal(asked->serving.epoch, 7);
	assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
	assert_memory_equal(asked->reply, head, sizeof(head));
}

// A reply made before its time went stale says nothing of the time it was to give.
static void a_disowned_reply_claims_nothing(void **state)
{
	static const uint8_t head[NTP_HEAD_SIZE] = { 0xc0 | 2 << 3 | NTP_MODE_PASSIVE, 0, 0xf9,
		0xe7, 0, 1, 0, 0, 0, 1 };
	struct asked *asked = *state;
	struct responder before = asked->responder;
	uint8_t owned[NTP_HEADER_SIZE];

	asked->payload[0] = ntp_flags(NTP_LEAP_NONE, 2, NTP_MODE_ACTIVE);
	asked->payload[NTP_POLL] = (uint8_t)-7;
	store_be64(asked->payload + NTP_TRANSMIT, UINT64_C(0x1122334455667788));
	assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
	ask_stamp(asked, NOW_NS);
	memcpy(owned, asked->reply, sizeof(owned));
	asked->responder = before;
	assert_int_equal(answer_plain(asked), VERDICT_ANSWERED);
	ask_disown_burst(&asked->burst);
	ask_stamp(asked, NOW_NS);
	assert_memory_equal(asked->reply, head, sizeof(head));
	assert_memory_equal(asked->reply + NTP_ORIGIN, owned + NTP_ORIGIN,
			NTP_HEADER_SIZE - NTP_ORIGIN);
	assert_true(ask_sums_are_right(&asked->burst));
}

static void the_same_state_and_request_give_the_same_answer(void **state)
{
	struct asked *asked = *state;
	struct responder before = asked->responder;
	uint8_t first[NTP_HEADER_SIZE];

	answer_plain(asked);
	ask_stamp(asked, NOW_NS);
	memcpy(first, asked->reply, sizeof(first));
	asked->responder = before;
	answer_plain(asked);
	ask_stamp(asked, NOW_NS);
	assert_memory_equal(first, asked->reply, sizeof(first));
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
		TEST(a_request_known_to_be_plain_gets_the_same_answer),
		TEST(a_drop_touches_neither_request_nor_responder),
		TEST(format_is_judged_before_access),
		TEST(an_unsynchronised_server_says_so),
		TEST(a_disowned_reply_claims_nothing),
		TEST(the_same_state_and_request_give_the_same_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
