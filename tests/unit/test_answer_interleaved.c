// SPDX-License-Identifier: BSD-3-Clause
// server/responder: interleaved mode (RFC 9769) as clients see it. A reply tells when the one before
// really left, once, to whom it was sent; everything else is basic mode and never wrong. Letters and
// numbers name the test catalogue's rows.
#include "ask.h"
#include "unit.h"

#define DEPARTS_NS 10'000 // what the transmit timestamp of basic mode knows
#define LEFT_NS    23'456 // when the reply really left

// What a client has of an exchange.
struct visitor {
	struct address address;
	uint8_t version;
	bool reply_unsent;             // the port takes no reply
	ntp64_t origin;                // receive timestamp of the last reply; 0: none
	ntp64_t arrived;               // when that came, by the client's own clock
	ntp64_t transmit;              // of the last request
	ntp64_t server_transmit, left; // of the last reply; when it really left
};

struct scene {
	struct asked *asked;
	int64_t moment_ns;
	ntp64_t client_clock;
};

static int set_up(void **state)
{
	const struct acl_rule rule = { .allow = true };
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->asked = ask_open(&rule, 1);
	ask_remember_clients(scene->asked, 64);
	scene->moment_ns = ASK_MOMENT;
	scene->client_clock = UINT64_C(0x1234'5678'9abc'def0);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	ask_close(scene->asked);
	free(scene);
	return 0;
}

static struct visitor visitor_at(uint8_t last_octet)
{
	return (struct visitor){ .address = { ADDRESS_IPV4, { 192, 0, 2, last_octet } },
		.version = 4 };
}

static ntp64_t field(const struct scene *scene, enum ntp_offset offset)
{
	return load_be64(scene->asked->reply + offset);
}

// Sends what is in asked->payload, and takes note of the reply.
static enum verdict send_payload(struct scene *scene, struct visitor *visitor)
{
	struct asked *asked = scene->asked;
	utc_t left = { scene->moment_ns + LEFT_NS };

	asked->client = visitor->address;
	enum verdict verdict = ask_one(asked, NTP_HEADER_SIZE, scene->moment_ns);

	ask_stamp(asked, scene->moment_ns + DEPARTS_NS);
	assert_true(ask_sums_are_right(&asked->burst));
	assert_int_equal(asked->reply[0], 4 | visitor->version << 3 | 0xc0);
	ask_sent(asked, visitor->reply_unsent ? 0 : 1, left.ns);
	if (!visitor->reply_unsent) {
		visitor->origin = field(scene, NTP_RECEIVE);
		visitor->arrived = scene->client_clock += 77'777;
		visitor->server_transmit = field(scene, NTP_TRANSMIT);
		visitor->left = utc_to_ntp64(left) & ~UINT64_C(1);
	}
	scene->moment_ns += 16 * NS_PER_S;
	scene->client_clock += UINT64_C(16) << 32;
	return verdict;
}

static void write_payload(struct scene *scene, const struct visitor *visitor)
{
	uint8_t *payload = scene->asked->payload;

	payload[0] = ntp_flags(NTP_LEAP_NONE, visitor->version, NTP_MODE_CLIENT);
	store_be64(payload + NTP_ORIGIN, visitor->origin);
	store_be64(payload + NTP_RECEIVE, visitor->arrived);
	store_be64(payload + NTP_TRANSMIT, visitor->transmit);
}

// The next exchange of a client in interleaved mode.
static enum verdict exchange(struct scene *scene, struct visitor *visitor)
{
	visitor->transmit = scene->client_clock;
	write_payload(scene, visitor);
	return send_payload(scene, visitor);
}

static void require_basic(const struct scene *scene, enum verdict verdict)
{
	const uint8_t *payload = scene->asked->payload;

	assert_int_equal(verdict, VERDICT_ANSWERED);
	assert_true(field(scene, NTP_ORIGIN) == load_be64(payload + NTP_TRANSMIT));
	assert_true((field(scene, NTP_RECEIVE) & 1) == 1 && (field(scene, NTP_TRANSMIT) & 1) == 0);
	// Its own, not that of any reply before.
	assert_true((int64_t)(field(scene, NTP_TRANSMIT) - field(scene, NTP_RECEIVE)) > 0);
}

// `left` is when the reply left whose receive timestamp the request refers to.
static void require_interleaved(const struct scene *scene, enum verdict verdict, ntp64_t left)
{
	const uint8_t *payload = scene->asked->payload;

	assert_int_equal(verdict, VERDICT_INTERLEAVED);
	assert_true(field(scene, NTP_ORIGIN) == load_be64(payload + NTP_RECEIVE));
	assert_true(field(scene, NTP_TRANSMIT) == left);
	assert_true(field(scene, NTP_RECEIVE) == scene->asked->burst.replies.receive[0]);
	assert_true((field(scene, NTP_RECEIVE) & 1) == 1);
	// Of now, not of the exchange before.
	assert_true((int64_t)(field(scene, NTP_RECEIVE) - left) > (int64_t)(UINT64_C(15) << 32));
}

// The first exchange is that of any client, the second says that the client wants the third.
static void begin(struct scene *scene, struct visitor *visitor)
{
	require_basic(scene, exchange(scene, visitor));
	require_basic(scene, exchange(scene, visitor));
}

static void go_on(struct scene *scene, struct visitor *visitor)
{
	ntp64_t left = visitor->left;

	require_interleaved(scene, exchange(scene, visitor), left);
}

// I1, I2
static void the_third_exchange_tells_when_the_second_reply_left(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);

	begin(scene, &visitor);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(visitor.left != visitor.server_transmit);
		go_on(scene, &visitor);
	}
}

static void ipv6_clients_are_told_as_well(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = { .version = 4,
		.address = { ADDRESS_IPV6, { 0x20, 1, 0x0d, 0xb8, [15] = 9 } } };

	begin(scene, &visitor);
	go_on(scene, &visitor);
}

// I3
static void a_replayed_request_gets_basic_mode(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1), replay;

	begin(scene, &visitor);
	replay = visitor;
	go_on(scene, &visitor);
	replay.transmit = visitor.transmit;
	write_payload(scene, &replay);
	require_basic(scene, send_payload(scene, &replay));
}

// I4: whoever mirrors one timestamp in two fields has heard nothing of interleaved mode.
static void equal_receive_and_transmit_get_basic_mode(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);

	begin(scene, &visitor);
	visitor.transmit = visitor.arrived;
	write_payload(scene, &visitor);
	require_basic(scene, send_payload(scene, &visitor));
}

// I5
static void our_transmit_for_an_origin_gets_basic_mode(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);

	begin(scene, &visitor);
	for (unsigned i = 0; i < 4; i++) {
		visitor.origin = i % 2 ? visitor.server_transmit : visitor.left;
		require_basic(scene, exchange(scene, &visitor));
	}
}

// I6, and nobody takes away what is another's.
static void another_address_gets_basic_mode(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1), other;

	begin(scene, &visitor);
	for (unsigned octet = 2; octet < 50; octet++) {
		other = visitor;
		other.address.bytes[3] = (uint8_t)octet;
		require_basic(scene, exchange(scene, &other));
	}
	go_on(scene, &visitor);
}

// I7
static void a_zero_origin_gets_basic_mode(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);

	begin(scene, &visitor);
	for (unsigned i = 0; i < 4; i++) {
		visitor.origin = 0;
		require_basic(scene, exchange(scene, &visitor));
	}
}

// I8
static void earlier_versions_get_basic_mode(void **state)
{
	struct scene *scene = *state;

	for (uint8_t version = 1; version < 4; version++) {
		struct visitor visitor = visitor_at(version);

		visitor.version = version;
		for (unsigned i = 0; i < 4; i++) {
			require_basic(scene, exchange(scene, &visitor));
		}
	}
}

// A guess that is wrong in any bit.
static void a_forged_origin_gets_basic_mode(void **state)
{
	struct scene *scene = *state;

	for (unsigned bit = 1; bit < 64; bit++) {
		struct visitor visitor = visitor_at((uint8_t)bit), forger;

		begin(scene, &visitor);
		forger = visitor;
		forger.origin ^= UINT64_C(1) << bit;
		require_basic(scene, exchange(scene, &forger));
	}
}

// I9: a request that did not arrive
static void a_lost_request_costs_nothing(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);

	begin(scene, &visitor);
	go_on(scene, &visitor);
	scene->moment_ns += 64 * NS_PER_S;
	scene->client_clock += UINT64_C(64) << 32;
	go_on(scene, &visitor);
}

// I9: a reply that did not arrive; the client goes on with what it has.
static void a_lost_reply_costs_one_basic_exchange(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1), before;

	begin(scene, &visitor);
	go_on(scene, &visitor);
	before = visitor;
	go_on(scene, &visitor);
	visitor = before;
	require_basic(scene, exchange(scene, &visitor));
	go_on(scene, &visitor);
	go_on(scene, &visitor);
}

// I9: a reply that the port did not take left at no time that could be told.
static void an_unsent_reply_is_not_told_of(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);
	ntp64_t never_sent;

	begin(scene, &visitor);
	go_on(scene, &visitor);
	visitor.reply_unsent = true;
	require_interleaved(scene, exchange(scene, &visitor), visitor.left);
	visitor.reply_unsent = false;
	never_sent = field(scene, NTP_RECEIVE);

	struct visitor guesser = visitor;

	guesser.origin = never_sent;
	require_basic(scene, exchange(scene, &guesser));
	require_basic(scene, exchange(scene, &visitor));
	go_on(scene, &visitor);
}

// I9: of a burst the port took only the first replies.
static void only_replies_that_were_sent_are_told_of(void **state)
{
	struct scene *scene = *state;
	struct asked *asked = scene->asked;
	static uint8_t payloads[REQUESTS][NTP_HEADER_SIZE];
	struct visitor visitors[REQUESTS];
	utc_t left = { scene->moment_ns + LEFT_NS };

	asked->burst.count = 0;
	for (unsigned i = 0; i < REQUESTS; i++) {
		visitors[i] = visitor_at((uint8_t)i);
		visitors[i].arrived = scene->client_clock;
		visitors[i].origin = 1; // anything odd
		write_payload(scene, &visitors[i]);
		memcpy(payloads[i], asked->payload, NTP_HEADER_SIZE);
		ask_add(&asked->burst, payloads[i], NTP_HEADER_SIZE, &visitors[i].address,
				scene->moment_ns);
	}
	ask_answer(asked);
	ask_stamp(asked, scene->moment_ns + DEPARTS_NS);
	assert_int_equal(asked->burst.reply_count, REQUESTS);
	ask_sent(asked, 40, left.ns);
	for (unsigned i = 0; i < REQUESTS; i++)
		visitors[i].origin = load_be64(payloads[i] + NTP_RECEIVE);
	scene->moment_ns += 16 * NS_PER_S;
	scene->client_clock += UINT64_C(16) << 32;
	for (unsigned i = 0; i < REQUESTS; i++) {
		enum verdict verdict = exchange(scene, &visitors[i]);

		if (i < 40)
			require_interleaved(scene, verdict, utc_to_ntp64(left) & ~UINT64_C(1));
		else
			require_basic(scene, verdict);
	}
}

// What was said before the clock was stepped belongs to another time scale.
static void a_step_of_the_clock_is_not_spanned(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);

	begin(scene, &visitor);
	go_on(scene, &visitor);
	scene->asked->serving.epoch++;
	scene->moment_ns -= 100 * NS_PER_S;
	require_basic(scene, exchange(scene, &visitor));
	go_on(scene, &visitor);
	// Nor back again: the epoch before the last is as foreign as any.
	scene->asked->serving.epoch--;
	scene->moment_ns += 100 * NS_PER_S;
	require_basic(scene, exchange(scene, &visitor));
	go_on(scene, &visitor);
}

// I11: another worker knows nothing of the client, and the first nothing of what it was told there.
static void another_worker_answers_in_basic_mode(void **state)
{
	struct scene *scene = *state;
	const struct acl_rule rule = { .allow = true };
	struct asked *first = scene->asked, *second = ask_open(&rule, 1);
	struct visitor visitor = visitor_at(1);

	ask_remember_clients(second, 64);
	begin(scene, &visitor);
	go_on(scene, &visitor);
	scene->asked = second;
	require_basic(scene, exchange(scene, &visitor));
	go_on(scene, &visitor);
	scene->asked = first;
	require_basic(scene, exchange(scene, &visitor));
	go_on(scene, &visitor);
	ask_close(second);
}

static void clients_behind_one_address_each_get_theirs(void **state)
{
	struct scene *scene = *state;
	struct visitor one = visitor_at(1), two = visitor_at(1), basic = visitor_at(1);

	begin(scene, &one);
	require_basic(scene, exchange(scene, &two));
	require_basic(scene, exchange(scene, &two));
	for (unsigned i = 0; i < 50; i++) {
		go_on(scene, &one);
		basic.origin = 0;
		require_basic(scene, exchange(scene, &basic));
		go_on(scene, &two);
	}
}

// The claims are taken back, not the exchange before.
static void a_disowned_reply_still_tells_when_the_last_one_left(void **state)
{
	struct scene *scene = *state;
	struct asked *asked = scene->asked;
	struct visitor visitor = visitor_at(1);

	begin(scene, &visitor);
	asked->serving.head[NTP_STRATUM] = 3;
	visitor.transmit = scene->client_clock;
	write_payload(scene, &visitor);
	assert_int_equal(ask_one(asked, NTP_HEADER_SIZE, scene->moment_ns), VERDICT_INTERLEAVED);
	ask_disown_burst(&asked->burst);
	ask_stamp(asked, scene->moment_ns + DEPARTS_NS);
	require_interleaved(scene, VERDICT_INTERLEAVED, visitor.left);
	assert_int_equal(asked->reply[NTP_STRATUM], 0);
	assert_true(ask_sums_are_right(&asked->burst));
}

static void without_a_client_table_all_is_basic(void **state)
{
	struct scene *scene = *state;
	struct visitor visitor = visitor_at(1);

	free(scene->asked->responder.clients);
	scene->asked->responder.clients = NULL;
	for (unsigned i = 0; i < 5; i++) {
		require_basic(scene, exchange(scene, &visitor));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_third_exchange_tells_when_the_second_reply_left),
		TEST(ipv6_clients_are_told_as_well),
		TEST(a_replayed_request_gets_basic_mode),
		TEST(equal_receive_and_transmit_get_basic_mode),
		TEST(our_transmit_for_an_origin_gets_basic_mode),
		TEST(another_address_gets_basic_mode),
		TEST(a_zero_origin_gets_basic_mode),
		TEST(earlier_versions_get_basic_mode),
		TEST(a_forged_origin_gets_basic_mode),
		TEST(a_lost_request_costs_nothing),
		TEST(a_lost_reply_costs_one_basic_exchange),
		TEST(an_unsent_reply_is_not_told_of),
		TEST(only_replies_that_were_sent_are_told_of),
		TEST(a_step_of_the_clock_is_not_spanned),
		TEST(another_worker_answers_in_basic_mode),
		TEST(clients_behind_one_address_each_get_theirs),
		TEST(a_disowned_reply_still_tells_when_the_last_one_left),
		TEST(without_a_client_table_all_is_basic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
