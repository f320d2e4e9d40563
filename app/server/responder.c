// SPDX-License-Identifier: BSD-3-Clause
// One request, one answer: format, access, then the header turned round in place.
#include "server/responder.h"

#include "base/bytes.h"
#include "base/random.h"
#include "server/acl.h"

#include <stdbool.h>
#include <string.h>

// One second in the NTP short format (RFC 5905 figure 3).
#define NTP32_SECOND UINT32_C(0x00010000)

// The bits of a timestamp below a precision of 2^`precision` seconds, but for the lowest, which
// tells receive from transmit timestamps.
static uint64_t bits_below(int8_t precision)
{
	int bits = 32 + precision;

	bits = bits < 1 ? 1 : bits > 32 ? 32 : bits;
	return (UINT64_C(1) << bits) - 2;
}

// Modulo 2^64: right across the era boundary (RFC 5905 section 6).
static bool is_later(ntp64_t stamp, ntp64_t than)
{
	return (int64_t)(stamp - than) > 0;
}

static ntp64_t next_receive(
		struct responder *responder, const struct serving *serving, utc_t received)
{
	uint64_t noise = random_next(&responder->random)
			& bits_below((int8_t)serving->head[NTP_PRECISION]);
	// The conversion rounds down: one more is not early.
	ntp64_t stamp = (utc_to_ntp64(received) + 1 + noise) | 1;
	// No receive timestamp is 0, so that 0 stands for none yet.
	bool same_epoch = responder->last_receive != 0 && responder->epoch == serving->epoch;

	if (same_epoch && !is_later(stamp, responder->last_receive))
		stamp = responder->last_receive + 2;
	responder->epoch = serving->epoch;
	responder->last_receive = stamp;
	return stamp;
}

void serving_set_unsynchronised(struct serving *serving, int8_t precision)
{
	memset(serving->head, 0, sizeof(serving->head));
	serving->head[NTP_LEAP_VERSION_MODE] =
			ntp_flags(NTP_LEAP_UNSYNCHRONISED, 0, NTP_MODE_UNSPECIFIED);
	serving->head[NTP_PRECISION] = (uint8_t)precision;
	store_be32(serving->head + NTP_ROOT_DELAY, NTP32_SECOND);
	store_be32(serving->head + NTP_ROOT_DISPERSION, NTP32_SECOND);
}

void responder_init(struct responder *responder, uint64_t seed)
{
	*responder = (struct responder){ .random = seed };
}

enum verdict responder_answer(struct responder *responder, const struct policy *policy,
		const struct serving *serving, const struct request *request,
		uint8_t reply[NTP_HEADER_SIZE])
{
	struct ntp_request asked;
	enum verdict verdict = ntp_request_parse(
			request->payload, request->length, request->source_port, &asked);

	if (verdict != VERDICT_PENDING)
		return verdict;
	if (!acl_allows(policy->access, request->source))
		return VERDICT_NTP_DENIED;

	// All that the answer takes from the request, read before it is overwritten.
	uint64_t origin = load_be64(request->payload + NTP_TRANSMIT);
	uint8_t poll = request->payload[NTP_POLL];

	memcpy(reply, serving->head, NTP_HEAD_SIZE);
	reply[NTP_LEAP_VERSION_MODE] |= ntp_flags(0, asked.version, asked.reply_mode);
	reply[NTP_POLL] = poll;
	store_be64(reply + NTP_ORIGIN, origin);
	store_be64(reply + NTP_RECEIVE, next_receive(responder, serving, request->received));
	return VERDICT_ANSWERED;
}

ntp64_t responder_stamp(struct responder *responder, uint8_t reply[NTP_HEADER_SIZE], utc_t departs)
{
	ntp64_t receive = load_be64(reply + NTP_RECEIVE);
	uint64_t noise = random_next(&responder->random) & bits_below((int8_t)reply[NTP_PRECISION]);
	ntp64_t transmit = (utc_to_ntp64(departs) - noise) & ~UINT64_C(1);

	// RFC 9769 section 2: never equal, or interleaved mode takes one for the other.
	if (!is_later(transmit, receive))
		transmit = receive + 1;
	// 0 means unknown (RFC 5905 section 6). Half a nanosecond late, once in 136 years.
	if (transmit == 0)
		transmit = 2;
	store_be64(reply + NTP_TRANSMIT, transmit);
	return transmit;
}

void responder_disown(uint8_t reply[NTP_HEADER_SIZE])
{
	struct serving nothing;
	uint8_t version_and_mode = reply[NTP_LEAP_VERSION_MODE] & 0x3f;
	uint8_t poll = reply[NTP_POLL];

	serving_set_unsynchronised(&nothing, (int8_t)reply[NTP_PRECISION]);
	memcpy(reply, nothing.head, NTP_HEAD_SIZE);
	reply[NTP_LEAP_VERSION_MODE] |= version_and_mode;
	reply[NTP_POLL] = poll;
}
