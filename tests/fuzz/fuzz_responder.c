// SPDX-License-Identifier: BSD-3-Clause
// Any UDP payload to the responder. Promises: an answer is never longer than its request, a drop
// touches nothing, the same input and state give the same output, and an answer's octets come
// from the request's version, mode, poll and transmit timestamp and from the server alone.
//
// Input: options (1: IPv6, 2: a stranger, 4: a second epoch), source port, time, then the payload.
#include "base/bytes.h"
#include "server/acl.h"
#include "server/responder.h"

#include <stdlib.h>
#include <string.h>

#define CONTROL_SIZE 11

enum option {
	OPTION_IPV6 = 1,
	OPTION_STRANGER = 2,
	OPTION_EPOCH = 4,
};

struct scene {
	_Alignas(64) uint8_t acl_memory[64 * 64];
	struct policy policy;
	struct serving serving;
	struct responder responder;
	struct address client;
	uint16_t port;
	utc_t received;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
	if (!promise)
		abort();
}

static void set_scene(struct scene *scene, struct bytes *input)
{
	const struct acl_rule rules[] = {
		{ { { ADDRESS_IPV4, { 192, 0, 2, 0 } }, 25 }, .allow = true },
		{ { { ADDRESS_IPV6, { 0x20, 1, 0x0d, 0xb8 } }, 47 }, .allow = true },
	};
	uint8_t options = bytes_take_u8(input);

	require(acl_size(rules, 2) <= sizeof(scene->acl_memory));
	scene->policy.access = acl_build(scene->acl_memory, rules, 2);
	serving_set_unsynchronised(&scene->serving, -20);
	scene->serving.epoch = (options & OPTION_EPOCH) != 0;
	responder_init(&scene->responder, 99);
	scene->client = rules[options & OPTION_IPV6 ? 1 : 0].subnet.address;
	scene->client.bytes[3] ^= options & OPTION_STRANGER ? 0x80 : 0;
	scene->port = bytes_take_be16(input);

	const uint8_t *time = bytes_take(input, sizeof(uint64_t));

	scene->received.ns = time ? (int64_t)load_be64(time) : 0;
}

// Answers what lies at `payload` into `reply`, with a copy of the responder.
static enum verdict respond(const struct scene *scene, struct bytes payload, uint8_t *reply)
{
	struct responder responder = scene->responder;
	struct request request = { payload.at, (uint16_t)payload.left, scene->port, &scene->client,
		scene->received };
	enum verdict verdict = responder_answer(
			&responder, &scene->policy, &scene->serving, &request, reply);

	if (verdict == VERDICT_ANSWERED)
		responder_stamp(&responder, reply, scene->received);
	return verdict;
}

// Takes a copy that ends where its allocation ends, so that a sanitizer sees one octet too many.
static uint8_t *copy_of(struct bytes payload)
{
	uint8_t *copy = malloc(payload.left ? payload.left : 1);

	require(copy != NULL);
	memcpy(copy, payload.at, payload.left);
	return copy;
}

static enum verdict answer(
		const struct scene *scene, struct bytes payload, uint8_t reply[NTP_HEADER_SIZE])
{
	uint8_t *copy = copy_of(payload);
	enum verdict verdict = respond(scene, bytes_of(copy, payload.left), reply);

	require(memcmp(copy, payload.at, payload.left) == 0);
	free(copy);
	return verdict;
}

static void check_in_place(const struct scene *scene, struct bytes payload,
		const uint8_t reply[NTP_HEADER_SIZE])
{
	uint8_t *place = copy_of(payload);
	size_t rest = payload.left - NTP_HEADER_SIZE;

	require(respond(scene, bytes_of(place, payload.left), place) == VERDICT_ANSWERED);
	require(memcmp(place, reply, NTP_HEADER_SIZE) == 0);
	require(memcmp(place + NTP_HEADER_SIZE, payload.at + NTP_HEADER_SIZE, rest) == 0);
	free(place);
}

// All that may not show in the answer is turned over, and the answer stays.
static void check_taint(const struct scene *scene, struct bytes payload,
		const uint8_t reply[NTP_HEADER_SIZE])
{
	uint8_t header[NTP_HEADER_SIZE], other[NTP_HEADER_SIZE];

	for (size_t i = 0; i < NTP_HEADER_SIZE; i++)
		header[i] = payload.at[i] ^ 0xff;
	header[0] = payload.at[0] ^ 0xc0;
	header[NTP_POLL] = payload.at[NTP_POLL];
	memcpy(header + NTP_TRANSMIT, payload.at + NTP_TRANSMIT, 8);
	require(answer(scene, bytes_of(header, sizeof(header)), other) == VERDICT_ANSWERED);
	require(memcmp(reply, other, sizeof(other)) == 0);
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

static void check_answer(const uint8_t *payload, const uint8_t reply[NTP_HEADER_SIZE])
{
	uint64_t received = load_be64(reply + NTP_RECEIVE);
	uint64_t transmit = load_be64(reply + NTP_TRANSMIT);

	require((reply[0] & 0x38) == (payload[0] & 0x38));
	require((reply[0] & 7) == NTP_MODE_SERVER || (reply[0] & 7) == NTP_MODE_PASSIVE);
	require(reply[NTP_POLL] == payload[NTP_POLL]);
	require(memcmp(reply + NTP_ORIGIN, payload + NTP_TRANSMIT, 8) == 0);
	require((received & 1) == 1 && (transmit & 1) == 0 && transmit != 0);
	require((int64_t)(transmit - received) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t untouched[NTP_HEADER_SIZE] = { 0 };
	struct bytes input = bytes_of(data, size);
	struct scene scene;

	if (size < CONTROL_SIZE || size > CONTROL_SIZE + UINT16_MAX)
		return -1;
	set_scene(&scene, &input);

	uint8_t reply[NTP_HEADER_SIZE] = { 0 }, again[NTP_HEADER_SIZE] = { 0 };
	enum verdict verdict = answer(&scene, input, reply);

	require(verdict == answer(&scene, input, again));
	require(memcmp(reply, again, sizeof(reply)) == 0);
	require(verdict > VERDICT_PENDING && verdict < VERDICT_COUNT);
	require((verdict == VERDICT_ANSWERED)
			== (!(data[0] & OPTION_STRANGER)
					&& is_request(input.at, input.left, scene.port)));
	if (verdict != VERDICT_ANSWERED) {
		require(memcmp(reply, untouched, sizeof(reply)) == 0);
		return 0;
	}
	check_answer(input.at, reply);
	check_taint(&scene, input, reply);
	check_in_place(&scene, input, reply);
	return 0;
}
