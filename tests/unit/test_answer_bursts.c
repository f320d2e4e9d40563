// SPDX-License-Identifier: BSD-3-Clause
// server/responder: a burst is answered as its requests would be one by one, in their order, and its
// sums are those of the replies. Whatever comes: plain, long, malformed, denied, limited, interleaved.
#include "ask.h"
#include "unit.h"

#define CLIENTS      24
#define SIZE_MAX_ASK 112
#define SEARCHES_MAX 4 // more in a burst than CLIENT_SEARCHES are not looked for

struct visitor {
	struct address address;
	uint64_t origin; // the receive timestamp of the last answer to a request that had such an origin
};

// The same requests for two servers, and one of the servers gets them one by one.
struct comparison {
	struct asked *many, *one;
	struct ask_burst singles[REQUESTS];
	struct visitor visitors[CLIENTS];
	unsigned whose[REQUESTS];
	bool refers[REQUESTS]; // to an answer
	uint64_t random;
	int64_t moment_ns;
	unsigned searches;
	unsigned seen[VERDICT_COUNT];
	unsigned disowned;
};

static struct asked *open_server(bool remembers)
{
	const struct acl_rule rules[] = {
		{ { { ADDRESS_IPV4, { 192, 0, 2, 0 } }, 24 }, .allow = true },
		{ { { ADDRESS_IPV6, { 0x20, 1, 0x0d, 0xb8 } }, 32 }, .allow = true },
	};
	const struct rate_limit_options limit = {
		.interval = 1, .burst = 4, .leak = 2, .kod = 1, .ipv4_bits = 32, .ipv6_bits = 128
	};
	struct asked *asked = ask_open(rules, 2);

	if (remembers) {
		ask_remember_clients(asked, 64);
		rate_limit_init(&asked->policy.limit, &limit);
	}
	// No random bits below this precision: both servers' timestamps are the same.
	serving_set_unsynchronised(&asked->serving, -32);
	return asked;
}

// What the servers say of their time and of themselves.
static void make_head(struct comparison *comparison)
{
	uint8_t *head = comparison->many->serving.head;

	for (unsigned i = 0; i < NTP_HEAD_SIZE; i++) {
		if (i != NTP_POLL && i != NTP_PRECISION)
			head[i] = (uint8_t)random_next(&comparison->random);
	}
	head[0] &= 0xc0;
	memcpy(comparison->one->serving.head, head, NTP_HEAD_SIZE);
}

static struct comparison *open_comparison(bool remembers)
{
	struct comparison *comparison = calloc(1, sizeof(*comparison));

	assert_non_null(comparison);
	comparison->many = open_server(remembers);
	comparison->one = open_server(remembers);
	comparison->random = test_seed();
	comparison->moment_ns = ASK_MOMENT;
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct address *address = &comparison->visitors[i].address;

		comparison->visitors[i].origin = 1; // of none
		*address = (struct address){ ADDRESS_IPV4, { 192, 0, 2, (uint8_t)(100 + i) } };
		if (i % 3 == 0)
			*address = (struct address){ ADDRESS_IPV6,
				{ 0x20, 1, 0x0d, 0xb8, [15] = (uint8_t)(100 + i) } };
		if (i >= CLIENTS - 2)
			address->bytes[1] = 99; // not allowed
	}
	return comparison;
}

static void close_comparison(struct comparison *comparison)
{
	ask_close(comparison->many);
	ask_close(comparison->one);
	free(comparison);
}

// Of all sorts, but mostly good ones. Returns the length.
static uint16_t make_request(
		struct comparison *comparison, unsigned whose, uint8_t payload[SIZE_MAX_ASK])
{
	static const uint8_t flags[] = { 0x23, 0xe3, 0x1b, 0x0b, 0x21, 0x08, 0x24, 0x26, 0x2b, 3 };
	static const uint16_t lengths[] = { 0, 1, 24, 47, 49, 52, 64, 68, 72, 76, 100, 112 };
	uint64_t *random = &comparison->random;
	uint16_t length = NTP_HEADER_SIZE;

	for (unsigned i = 0; i < SIZE_MAX_ASK; i++)
		payload[i] = (uint8_t)random_next(random);
	payload[0] = random_below(random, 2) ? 0x23 : flags[random_below(random, sizeof(flags))];
	if (random_below(random, 4) == 0)
		length = lengths[random_below(random, sizeof(lengths) / sizeof(lengths[0]))];
	store_be16(payload + NTP_HEADER_SIZE + 2, random_below(random, 2) ? length - 48 : 28);
	payload[NTP_ORIGIN + 7] &= 0xfe;
	if (comparison->searches < SEARCHES_MAX && random_below(random, 8) == 0) {
		store_be64(payload + NTP_ORIGIN, comparison->visitors[whose].origin);
		payload[0] = 0x23;
		comparison->searches++;
	}
	return length;
}

static uint8_t *copy_of(const uint8_t *payload, uint16_t length)
{
	uint8_t *copy = malloc(length ? length : 1);

	assert_non_null(copy);
	memcpy(copy, payload, length);
	return copy;
}

static void make_burst(struct comparison *comparison, bool same_moment)
{
	struct ask_burst *many = &comparison->many->burst;
	unsigned count = (unsigned)random_below(&comparison->random, REQUESTS + 1);

	comparison->searches = 0;
	many->count = 0;
	many->tell_plain = false;
	for (unsigned i = 0; i < count; i++) {
		unsigned whose = (unsigned)random_below(&comparison->random, CLIENTS);
		const struct address *address = &comparison->visitors[whose].address;
		int64_t skew = same_moment ? 0 : (int64_t)random_below(&comparison->random, 2000);
		uint8_t payload[SIZE_MAX_ASK];
		uint16_t length = make_request(comparison, whose, payload);
		struct ask_burst *single = &comparison->singles[i];

		comparison->whose[i] = whose;
		comparison->refers[i] = payload[NTP_ORIGIN + 7] & 1;
		ask_add(many, copy_of(payload, length), length, address,
				comparison->moment_ns + skew);
		single->count = 0;
		ask_add(single, copy_of(payload, length), length, address,
				comparison->moment_ns + skew);
	}
	if (random_below(&comparison->random, 2))
		many->tell_plain = true;
}

static void answer_both(struct comparison *comparison)
{
	struct asked *many = comparison->many, *one = comparison->one;
	bool disown = random_below(&comparison->random, 8) == 0;
	utc_t departs = { comparison->moment_ns + 10'000 };

	ask_answer(many);
	if (disown)
		ask_disown_burst(&many->burst);
	ask_stamp(many, departs.ns);
	for (unsigned i = 0; i < many->burst.count; i++) {
		ask_answer_burst(&one->responder, &one->policy, &one->serving,
				&comparison->singles[i]);
		if (disown)
			ask_disown_burst(&comparison->singles[i]);
		ask_stamp_burst(&one->responder, &comparison->singles[i], departs, -32);
		assert_true(ask_sums_are_right(&comparison->singles[i]));
	}
	assert_true(ask_sums_are_right(&many->burst));
	comparison->disowned += disown;
}

static void compare_burst(struct comparison *comparison)
{
	const struct ask_burst *many = &comparison->many->burst;
	unsigned k = 0;

	for (unsigned i = 0; i < many->count; i++) {
		const struct ask_burst *single = &comparison->singles[i];
		enum verdict verdict = (enum verdict)many->verdict[i];

		assert_int_equal(verdict, single->verdict[0]);
		assert_true(verdict > VERDICT_PENDING && verdict < VERDICT_COUNT);
		assert_memory_equal(many->payload[i], single->payload[0], many->length[i]);
		comparison->seen[verdict]++;
		if (!verdict_is_answer(verdict)) {
			assert_int_equal(single->reply_count, 0);
			continue;
		}
		assert_true(k < many->reply_count && single->reply_count == 1);
		assert_int_equal(many->reply[k], i);
		assert_true(many->replies.receive[k] == single->replies.receive[0]);
		assert_true(many->replies.departed[k] == single->replies.departed[0]);
		if (comparison->many->responder.clients)
			assert_true((many->replies.departed[k] != 0)
					== (verdict == VERDICT_INTERLEAVED));
		if (comparison->refers[i])
			comparison->visitors[comparison->whose[i]].origin =
					many->replies.receive[k];
		k++;
	}
	assert_int_equal(k, many->reply_count);
}

// Some of the replies find no room to be sent.
static void send_both(struct comparison *comparison)
{
	struct asked *many = comparison->many, *one = comparison->one;
	utc_t departed = { comparison->moment_ns + 20'000 };
	unsigned sent = (unsigned)random_below(&comparison->random, many->burst.reply_count + 1);

	if (random_below(&comparison->random, 2))
		sent = many->burst.reply_count;
	ask_sent(many, sent, departed.ns);
	for (unsigned k = 0; k < sent; k++) {
		struct ask_burst *single = &comparison->singles[many->burst.reply[k]];

		responder_sent(&one->responder, &single->replies, 1, departed);
	}
}

static void run_burst(struct comparison *comparison, bool same_moment)
{
	make_head(comparison);
	make_burst(comparison, same_moment);
	answer_both(comparison);
	compare_burst(comparison);
	send_both(comparison);
	for (unsigned i = 0; i < comparison->many->burst.count; i++) {
		free(comparison->many->burst.payload[i]);
		free(comparison->singles[i].payload[0]);
	}
	comparison->moment_ns += (int64_t)random_below(&comparison->random, 3 * NS_PER_S);
}

static void require_seen(
		const struct comparison *comparison, const enum verdict *verdicts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_true(comparison->seen[verdicts[i]] > 100);
	assert_true(comparison->disowned > 100);
}

static const enum verdict stateless[] = { VERDICT_ANSWERED, VERDICT_NTP_DENIED, VERDICT_NTP_SHORT,
	VERDICT_NTP_RAGGED, VERDICT_NTP_VERSION, VERDICT_NTP_MODE, VERDICT_NTP_KEY,
	VERDICT_NTP_EXTENSION };
static const enum verdict stateful[] = { VERDICT_INTERLEAVED, VERDICT_KISSED, VERDICT_NTP_LIMITED };

// W22, times of all sorts
static void a_burst_is_answered_as_its_requests_one_by_one(void **)
{
	struct comparison *comparison = open_comparison(false);

	for (unsigned round = 0; round < 3000; round++)
		run_burst(comparison, false);
	require_seen(comparison, stateless, sizeof(stateless) / sizeof(stateless[0]));
	close_comparison(comparison);
}

// Where clients are remembered a burst has one time, by which they are judged.
static void a_burst_of_known_clients_is_answered_as_one_by_one(void **)
{
	struct comparison *comparison = open_comparison(true);

	for (unsigned round = 0; round < 3000; round++)
		run_burst(comparison, true);
	require_seen(comparison, stateless, sizeof(stateless) / sizeof(stateless[0]));
	require_seen(comparison, stateful, sizeof(stateful) / sizeof(stateful[0]));
	close_comparison(comparison);
}

static void an_empty_burst_is_no_burst(void **)
{
	const struct acl_rule rule = { .allow = true };
	struct asked *asked = ask_open(&rule, 1);

	ask_remember_clients(asked, 1);
	struct responder before = asked->responder;
	struct client_table table = *asked->responder.clients;

	asked->burst.reply_count = 99;
	asked->burst.replies.received[0].ns = ASK_MOMENT; // not of this burst
	ask_answer(asked);
	ask_disown_burst(&asked->burst);
	ask_stamp(asked, ASK_MOMENT);
	assert_int_equal(asked->burst.reply_count, 0);
	assert_memory_equal(&asked->responder, &before, sizeof(before));
	assert_memory_equal(asked->responder.clients, &table, sizeof(table));
	ask_close(asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_is_answered_as_its_requests_one_by_one),
		cmocka_unit_test(a_burst_of_known_clients_is_answered_as_one_by_one),
		cmocka_unit_test(an_empty_burst_is_no_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
