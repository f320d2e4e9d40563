// SPDX-License-Identifier: BSD-3-Clause
// server/responder: how often one address is answered, and how it is told that this is too often.
// Letters and numbers name the test catalogue's rows.
#include "ask.h"
#include "unit.h"

#define INTERVAL_LOG2S 3
#define BURST          8

static const struct rate_limit_options usual = { .interval = INTERVAL_LOG2S,
	.burst = BURST,
	.leak = 4,
	.kod = 1,
	.ipv4_bits = 32,
	.ipv6_bits = 128 };

static int set_up(void **state)
{
	const struct acl_rule rule = { { { ADDRESS_IPV4, { 192, 0, 2, 0 } }, 24 }, .allow = true };
	struct asked *asked = ask_open(&rule, 1);

	ask_remember_clients(asked, 256);
	rate_limit_init(&asked->policy.limit, &usual);
	*state = asked;
	return 0;
}

static int tear_down(void **state)
{
	ask_close(*state);
	return 0;
}

// One request, answered, stamped and sent.
static enum verdict ask(struct asked *asked, int64_t moment_ns)
{
	enum verdict verdict = ask_one(asked, NTP_HEADER_SIZE, moment_ns);

	ask_stamp(asked, moment_ns + 10'000);
	assert_true(ask_sums_are_right(&asked->burst));
	ask_sent(asked, asked->burst.reply_count, moment_ns + 20'000);
	return verdict;
}

// Asks at one moment until there is a kiss of death.
static void ask_until_kissed(struct asked *asked, int64_t moment_ns)
{
	for (unsigned i = 0; i < 1000; i++) {
		if (ask(asked, moment_ns) == VERDICT_KISSED)
			return;
	}
	fail();
}

static void use_up(struct asked *asked, int64_t moment_ns)
{
	for (unsigned i = 0; i < BURST; i++)
		assert_int_equal(ask(asked, moment_ns), VERDICT_ANSWERED);
}

// B2.15, R3: of the time it says nothing, of the request only what a client needs to believe it.
static void a_kiss_of_death_has_these_fields(void **state)
{
	static const uint8_t modes[][2] = { { NTP_MODE_CLIENT, NTP_MODE_SERVER },
		{ NTP_MODE_ACTIVE, NTP_MODE_PASSIVE } };
	struct asked *asked = *state;

	memset(asked->serving.head, 0x55, NTP_HEAD_SIZE);
	asked->serving.head[0] = ntp_flags(NTP_LEAP_INSERT, 0, NTP_MODE_UNSPECIFIED);
	asked->serving.head[NTP_POLL] = 0;
	asked->serving.head[NTP_PRECISION] = (uint8_t)-25;
	memset(asked->payload, 0x77, sizeof(asked->payload));
	store_be64(asked->payload + NTP_TRANSMIT, UINT64_C(0x1122334455667788));
	for (uint8_t round = 0; round < 8; round++) {
		uint8_t version = 1 + round / 2;
		uint8_t expected[NTP_RECEIVE] = { (uint8_t)(0xc0 | version << 3
								  | modes[round % 2][1]),
			0, 0x77, 0xe7, [NTP_REFERENCE_ID] = 'R', 'A', 'T', 'E', [NTP_ORIGIN] = 0x11,
			0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88 };

		asked->payload[0] = ntp_flags(NTP_LEAP_NONE, version, modes[round % 2][0]);
		ask_until_kissed(asked, ASK_MOMENT);
		assert_memory_equal(asked->reply, expected, sizeof(expected));
		assert_true(load_be64(asked->reply + NTP_RECEIVE)
				== asked->burst.replies.receive[0]);
		assert_memory_equal(asked->reply + NTP_HEADER_SIZE,
				asked->payload + NTP_HEADER_SIZE, ASK_ROOM - NTP_HEADER_SIZE);
	}
}

// As chrony's: a reply's poll tells how often one may ask, whether it is a kiss of death or the time.
static void no_poll_is_below_the_interval(void **state)
{
	struct asked *asked = *state;
	int64_t moment_ns = ASK_MOMENT;

	for (int interval = -19; interval <= 12; interval++) {
		struct rate_limit_options options = usual;

		options.interval = (int8_t)interval;
		rate_limit_init(&asked->policy.limit, &options);
		for (int poll = INT8_MIN; poll <= INT8_MAX; poll += 5) {
			int8_t expected = (int8_t)(poll < interval ? interval : poll);

			asked->payload[NTP_POLL] = (uint8_t)poll;
			moment_ns += 3600 * NS_PER_S;
			asked->client.bytes[3]++;
			assert_int_equal(ask(asked, moment_ns), VERDICT_ANSWERED);
			assert_int_equal((int8_t)asked->reply[NTP_POLL], expected);
			ask_until_kissed(asked, moment_ns);
			assert_int_equal((int8_t)asked->reply[NTP_POLL], expected);
		}
	}
}

// Who is told to slow down may come in interleaved mode later, but not with that reply's timestamp.
static void what_is_over_the_limit_leaves_no_timestamp(void **state)
{
	struct asked *asked = *state;
	ntp64_t kissed;

	store_be64(asked->payload + NTP_ORIGIN, 1);
	store_be64(asked->payload + NTP_RECEIVE, 2);
	ask_until_kissed(asked, ASK_MOMENT);
	kissed = asked->burst.replies.receive[0];
	assert_int_equal(asked->burst.replies.departed[0], 0);
	store_be64(asked->payload + NTP_ORIGIN, kissed);
	assert_int_equal(ask(asked, ASK_MOMENT + 100 * NS_PER_S), VERDICT_ANSWERED);

	ntp64_t answered = asked->burst.replies.receive[0];
	bool limited = false;

	// What the client has to come is kept, however many of its requests were over the limit.
	store_be64(asked->payload + NTP_ORIGIN, 0);
	for (unsigned i = 0; i < 1000 || !limited; i++) {
		enum verdict verdict = ask(asked, ASK_MOMENT + 100 * NS_PER_S);

		limited = verdict == VERDICT_NTP_LIMITED || verdict == VERDICT_KISSED;
	}
	store_be64(asked->payload + NTP_ORIGIN, answered);
	assert_int_equal(ask(asked, ASK_MOMENT + 200 * NS_PER_S), VERDICT_INTERLEAVED);
}

// R1: so many at once, then one an interval; a bucket never holds more than the burst.
static void a_client_has_a_burst_and_then_one_an_interval(void **state)
{
	struct asked *asked = *state;
	int64_t moment_ns = ASK_MOMENT;
	unsigned answered = 0;

	asked->policy.limit.leak_mask = UINT32_MAX; // next to nothing leaks
	use_up(asked, moment_ns);
	for (unsigned i = 0; i < 20; i++)
		assert_true(ask(asked, moment_ns) != VERDICT_ANSWERED);
	// A tenth of a second at a time: ten an interval and more are refused.
	for (unsigned i = 0; i < 8 * 80; i++) {
		moment_ns += NS_PER_S / 10;
		answered += ask(asked, moment_ns) == VERDICT_ANSWERED;
	}
	assert_in_range(answered, 7, 8);
	moment_ns += 3600 * NS_PER_S;
	use_up(asked, moment_ns);
	assert_true(ask(asked, moment_ns) != VERDICT_ANSWERED);
}

// R2, R3: of those over the limit one in four is answered, of the others one in two told so.
static void shares_of_what_is_over_the_limit_are_answered(void **state)
{
	struct asked *asked = *state;
	struct rate_limit_options options = usual;
	unsigned counts[VERDICT_COUNT] = { 0 };

	options.leak = 2;
	rate_limit_init(&asked->policy.limit, &options);
	use_up(asked, ASK_MOMENT);
	for (unsigned i = 0; i < 2000; i++) {
		enum verdict verdict = ask(asked, ASK_MOMENT);

		counts[verdict]++;
		assert_int_equal(asked->burst.reply_count, verdict != VERDICT_NTP_LIMITED);
	}
	// Five deviations; the generator is always the same.
	assert_in_range(counts[VERDICT_ANSWERED], 400, 600);
	assert_in_range(counts[VERDICT_KISSED], 640, 860);
	assert_int_equal(counts[VERDICT_ANSWERED] + counts[VERDICT_KISSED]
					+ counts[VERDICT_NTP_LIMITED],
			2000);
}

static void where_no_kiss_is_wanted_there_is_none(void **state)
{
	struct asked *asked = *state;
	struct rate_limit_options options = usual;

	options.kod = 0;
	rate_limit_init(&asked->policy.limit, &options);
	for (unsigned i = 0; i < 5000; i++)
		assert_int_not_equal(ask(asked, ASK_MOMENT), VERDICT_KISSED);
}

// R4: somebody floods in a victim's name; the victim, once a minute, is answered by the leak at
// least, and nobody else notices.
static void a_spoofed_victim_keeps_its_share(void **state)
{
	struct asked *asked = *state;
	struct rate_limit_options options = usual;
	int64_t moment_ns = ASK_MOMENT;
	unsigned answered = 0;

	options.leak = 2;
	options.kod = 0;
	rate_limit_init(&asked->policy.limit, &options);
	for (unsigned minute = 0; minute < 1000; minute++) {
		asked->client.bytes[3] = 1;
		for (unsigned flood = 0; flood < 30; flood++)
			ask(asked, moment_ns);
		answered += ask(asked, moment_ns) == VERDICT_ANSWERED;
		asked->client.bytes[3] = (uint8_t)(2 + minute % 250);
		assert_int_equal(ask(asked, moment_ns), VERDICT_ANSWERED);
		moment_ns += 64 * NS_PER_S;
	}
	assert_in_range(answered, 180, 330);
}

// Only requests that could have been answered are counted.
static void what_is_refused_otherwise_costs_no_token(void **state)
{
	const struct acl_rule everybody = { .allow = true };
	struct asked *asked = *state, *open = ask_open(&everybody, 1);

	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(ask_one(asked, 47, ASK_MOMENT), VERDICT_NTP_SHORT);
		assert_int_equal(ask_one(asked, 68, ASK_MOMENT), VERDICT_NTP_KEY);
	}
	use_up(asked, ASK_MOMENT);
	asked->client.bytes[2] = 3;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ask(asked, ASK_MOMENT), VERDICT_NTP_DENIED);
	asked->policy.access = open->policy.access;
	use_up(asked, ASK_MOMENT);
	ask_close(open);
}

// Prefixes are clients where so configured.
static void a_prefix_may_be_one_client(void **state)
{
	struct asked *asked = *state;
	struct rate_limit_options options = usual;
	unsigned answered = 0;

	options.ipv4_bits = 24;
	rate_limit_init(&asked->policy.limit, &options);
	for (unsigned i = 0; i < 100; i++) {
		asked->client.bytes[3] = (uint8_t)i;
		answered += ask(asked, ASK_MOMENT) == VERDICT_ANSWERED;
	}
	assert_in_range(answered, BURST, BURST + 25);
}

static void without_a_client_table_nobody_is_limited(void **state)
{
	struct asked *asked = *state;

	free(asked->responder.clients);
	asked->responder.clients = NULL;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(ask(asked, ASK_MOMENT), VERDICT_ANSWERED);
}

static void without_a_limit_nobody_is_limited(void **state)
{
	struct asked *asked = *state;

	rate_limit_init(&asked->policy.limit, NULL);
	asked->payload[NTP_POLL] = (uint8_t)INT8_MIN;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(ask(asked, ASK_MOMENT), VERDICT_ANSWERED);
		assert_int_equal((int8_t)asked->reply[NTP_POLL], INT8_MIN);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_kiss_of_death_has_these_fields),
		TEST(no_poll_is_below_the_interval),
		TEST(what_is_over_the_limit_leaves_no_timestamp),
		TEST(a_client_has_a_burst_and_then_one_an_interval),
		TEST(shares_of_what_is_over_the_limit_are_answered),
		TEST(where_no_kiss_is_wanted_there_is_none),
		TEST(a_spoofed_victim_keeps_its_share),
		TEST(what_is_refused_otherwise_costs_no_token),
		TEST(a_prefix_may_be_one_client),
		TEST(without_a_client_table_nobody_is_limited),
		TEST(without_a_limit_nobody_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
