// SPDX-License-Identifier: BSD-3-Clause
// Any UDP payload to the responder. Promises: an answer is never longer than its request, a drop
// touches nothing, the same input and state give the same output, and an answer's octets come
// from the request's version, mode, poll and transmit timestamp (in interleaved mode receive) and
// from the server alone.
//
// Input: options, source port, time, then the payload.
#include "../unit/ask.h"

#define CONTROL_SIZE 11
#define TABLE_LINES  4
#define PRECISION    -20
#define LIMIT_LOG2S  3

enum option {
	OPTION_IPV6 = 1,
	OPTION_STRANGER = 2,
	OPTION_EPOCH = 4,
	OPTION_KNOWN = 8,    // the client has been answered before
	OPTION_LIMITED = 16, // as often as it may; what it sends is answered, or not, by chance
	OPTION_REFERS = 32,  // the payload's origin is that answer's receive timestamp
	OPTION_DISOWN = 64,
};

struct scene {
	_Alignas(64) uint8_t acl_memory[64 * 64];
	_Alignas(64) uint8_t table[sizeof(struct client_table) + 64 * TABLE_LINES];
	struct policy policy;
	struct serving serving;
	struct responder responder;
	struct address client;
	uint8_t options;
	uint16_t port;
	utc_t received;
	ntp64_t origin;   // the receive timestamp of the answer before
	ntp64_t departed; // when that left
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// The client's first request, which is answered and sent.
static void introduce(struct scene *scene)
{
	static struct ask_burst burst;
	uint8_t payload[NTP_HEADER_SIZE] = { 4 << 3 | NTP_MODE_CLIENT,
		[NTP_ORIGIN + 7] = 1, [NTP_TRANSMIT] = 1 };
	utc_t departed = utc_add(scene->received, 20'000);

	burst.count = 0;
	ask_add(&burst, payload, sizeof(payload), &scene->client, scene->received.ns);
	ask_answer_burst(&scene->responder, &scene->policy, &scene->serving, &burst);
	if (burst.reply_count == 0)
		return;
	responder_sent(&scene->responder, &burst.replies, 1, departed);
	scene->origin = burst.replies.receive[0];
	scene->departed = utc_to_ntp64(departed) & ~UINT64_C(1);
}

static void set_policy(struct scene *scene)
{
	static const struct rate_limit_options limit = { .interval = LIMIT_LOG2S,
		.burst = 1,
		.leak = 1,
		.kod = 1,
		.ipv4_bits = 32,
		.ipv6_bits = 128 };
	static const struct acl_rule rules[] = {
		{ { { ADDRESS_IPV4, { 192, 0, 2, 0 } }, 25 }, .allow = true },
		{ { { ADDRESS_IPV6, { 0x20, 1, 0x0d, 0xb8 } }, 47 }, .allow = true },
	};

	ask_require(acl_size(rules, 2) <= sizeof(scene->acl_memory));
	scene->policy.access = acl_build(scene->acl_memory, rules, 2);
	rate_limit_init(&scene->policy.limit, scene->options & OPTION_LIMITED ? &limit : NULL);
	scene->client = rules[scene->options & OPTION_IPV6 ? 1 : 0].subnet.address;
	scene->client.bytes[3] ^= scene->options & OPTION_STRANGER ? 0x80 : 0;
}

static void set_scene(struct scene *scene, struct bytes *input)
{
	static const uint64_t seed[2] = { 1, 2 };

	scene->options = bytes_take_u8(input);
	scene->port = bytes_take_be16(input);

	const uint8_t *time = bytes_take(input, sizeof(uint64_t));

	scene->received.ns = time ? (int64_t)load_be64(time) : 0;
	// Replies leave later, and still in the years that 64 bits of nanoseconds count.
	if (scene->received.ns > INT64_MAX - NS_PER_S)
		scene->received.ns -= NS_PER_S;
	scene->origin = 0;
	scene->departed = 0;
	set_policy(scene);
	serving_set_unsynchronised(&scene->serving, PRECISION);
	scene->serving.head[0] = 0x40;
	scene->serving.head[NTP_STRATUM] = 2;
	scene->serving.epoch = (scene->options & OPTION_EPOCH) != 0;
	responder_init(&scene->responder, 99, NULL);
	if (scene->options & (OPTION_KNOWN | OPTION_LIMITED)) {
		scene->responder.clients =
				client_table_init(scene->table, sizeof(scene->table), seed);
		introduce(scene);
	}
}

static bool refers(const struct scene *scene)
{
	return scene->origin != 0 && (scene->options & OPTION_REFERS);
}

// Answers what lies at `payload`, with a copy of the responder and its table.
static enum verdict respond(const struct scene *scene, uint8_t *payload, size_t length)
{
	static struct ask_burst burst;
	_Alignas(64) uint8_t table[sizeof(scene->table)];
	struct responder responder = scene->responder;

	if (responder.clients) {
		memcpy(table, scene->table, sizeof(table));
		responder.clients = (struct client_table *)(void *)table;
	}
	burst.count = 0;
	ask_add(&burst, payload, (uint16_t)length, &scene->client, scene->received.ns);
	burst.source_port[0] = scene->port;
	burst.tell_plain = length > 0 && (payload[0] & 0x40);
	ask_answer_burst(&responder, &scene->policy, &scene->serving, &burst);
	if (scene->options & OPTION_DISOWN)
		ask_disown_burst(&burst);
	ask_stamp_burst(&responder, &burst, scene->received, PRECISION);
	ask_require(ask_sums_are_right(&burst));
	responder_sent(&responder, &burst.replies, burst.reply_count, scene->received);
	return (enum verdict)burst.verdict[0];
}

// In a copy that ends where its allocation ends, so that a sanitizer sees one octet too many.
static enum verdict answer(
		const struct scene *scene, struct bytes payload, uint8_t reply[NTP_HEADER_SIZE])
{
	size_t length = payload.left, whole = length < NTP_HEADER_SIZE ? 0 : NTP_HEADER_SIZE;
	uint8_t *copy = malloc(length ? length : 1), asked[NTP_HEADER_SIZE];

	ask_require(copy != NULL);
	memcpy(copy, payload.at, length);
	if (whole && refers(scene))
		store_be64(copy + NTP_ORIGIN, scene->origin);
	memcpy(asked, copy, whole);

	enum verdict verdict = respond(scene, copy, length);

	ask_require(memcmp(copy + whole, payload.at + whole, length - whole) == 0);
	if (verdict_is_answer(verdict))
		memcpy(reply, copy, NTP_HEADER_SIZE);
	else
		ask_require(memcmp(copy, asked, whole) == 0);
	free(copy);
	return verdict;
}

// All that may not show in the answer is turned over, and the answer stays.
static void check_taint(const struct scene *scene, struct bytes payload, enum verdict verdict,
		const uint8_t reply[NTP_HEADER_SIZE])
{
	uint8_t header[NTP_HEADER_SIZE], other[NTP_HEADER_SIZE];
	enum ntp_offset shown = verdict == VERDICT_INTERLEAVED ? NTP_RECEIVE : NTP_TRANSMIT;
	struct scene *basic = NULL;

	for (size_t i = 0; i < NTP_HEADER_SIZE; i++)
		header[i] = payload.at[i] ^ 0xff;
	header[0] = payload.at[0] ^ 0xc0;
	header[NTP_POLL] = payload.at[NTP_POLL];
	memcpy(header + shown, payload.at + shown, 8);
	if (load_be64(header + NTP_RECEIVE) == load_be64(header + NTP_TRANSMIT))
		return; // which never is interleaved
	if (verdict != VERDICT_INTERLEAVED) {
		header[NTP_ORIGIN + 7] &= 0xfe;
		basic = aligned_alloc(64, sizeof(*basic));
		ask_require(basic != NULL);
		memcpy(basic, scene, sizeof(*basic));
		basic->options &= (uint8_t)~OPTION_REFERS;
		scene = basic;
	}
	ask_require(answer(scene, bytes_of(header, sizeof(header)), other) == verdict);
	ask_require(memcmp(reply, other, sizeof(other)) == 0);
	free(basic);
}

// Whether these octets may be answered at all, told in another way than the parser does.
static bool is_request(const uint8_t *payload, size_t length, uint16_t port)
{
	if (length < NTP_HEADER_SIZE || length % 4 != 0)
		return false;

	unsigned version = payload[0] >> 3 & 7, mode = payload[0] & 7;
	size_t at = NTP_HEADER_SIZE;
	unsigned fields = 0;

	if (version < 1 || version > 4)
		return false;
	if (mode != 1 && mode != 3 && !(mode == 0 && version == 1 && port != 123))
		return false;
	while (at < length) {
		size_t field = length - at < 28 ? 0 : load_be16(payload + at + 2);

		if (version < 4 || field < 16 || field % 4 != 0 || field > length - at
				|| ++fields > 64)
			return false;
		at += field;
	}
	return true;
}

static void check_verdict(const struct scene *scene, struct bytes payload, enum verdict verdict)
{
	bool limited = verdict == VERDICT_KISSED || verdict == VERDICT_NTP_LIMITED;
	bool taken = limited || verdict == VERDICT_ANSWERED || verdict == VERDICT_INTERLEAVED;

	ask_require(verdict > VERDICT_PENDING && verdict < VERDICT_COUNT);
	ask_require(taken
			== (!(scene->options & OPTION_STRANGER)
					&& is_request(payload.at, payload.left, scene->port)));
	ask_require(!limited || (scene->options & OPTION_LIMITED));
	if (!taken || limited)
		return;
	bool interleaved = refers(scene) && (payload.at[0] >> 3 & 7) == 4
			&& memcmp(payload.at + NTP_RECEIVE, payload.at + NTP_TRANSMIT, 8) != 0;

	ask_require((verdict == VERDICT_INTERLEAVED) == interleaved);
}

static void check_answer(const struct scene *scene, const uint8_t *payload, enum verdict verdict,
		const uint8_t reply[NTP_HEADER_SIZE])
{
	bool interleaved = verdict == VERDICT_INTERLEAVED;
	uint64_t received = load_be64(reply + NTP_RECEIVE);
	uint64_t transmit = load_be64(reply + NTP_TRANSMIT);
	int8_t poll = (int8_t)payload[NTP_POLL], floor = scene->policy.limit.poll_floor;

	ask_require((reply[0] & 0x38) == (payload[0] & 0x38));
	ask_require((reply[0] & 7) == NTP_MODE_SERVER || (reply[0] & 7) == NTP_MODE_PASSIVE);
	ask_require((int8_t)reply[NTP_POLL] == (poll < floor ? floor : poll));
	ask_require(memcmp(reply + NTP_ORIGIN, payload + (interleaved ? NTP_RECEIVE : NTP_TRANSMIT),
				    8)
			== 0);
	ask_require((received & 1) == 1 && (transmit & 1) == 0 && transmit != 0);
	// Not early, and no later than the precision and the request before explain.
	ask_require(received - utc_to_ntp64(scene->received) - 1 < 1 << 14);
	if (interleaved)
		ask_require(transmit == scene->departed);
	else
		ask_require((int64_t)(transmit - received) > 0);
	bool time = verdict != VERDICT_KISSED && !(scene->options & OPTION_DISOWN);

	ask_require(reply[0] >> 6 == (time ? 1 : 3) && reply[NTP_STRATUM] == (time ? 2 : 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size);
	struct scene scene;

	if (size < CONTROL_SIZE || size > CONTROL_SIZE + UINT16_MAX)
		return -1;
	set_scene(&scene, &input);

	uint8_t reply[NTP_HEADER_SIZE] = { 0 }, again[NTP_HEADER_SIZE] = { 0 };
	enum verdict verdict = answer(&scene, input, reply);

	ask_require(verdict == answer(&scene, input, again));
	ask_require(memcmp(reply, again, sizeof(reply)) == 0);
	check_verdict(&scene, input, verdict);
	if (!verdict_is_answer(verdict))
		return 0;
	check_answer(&scene, input.at, verdict, reply);
	check_taint(&scene, input, verdict, reply);
	return 0;
}
