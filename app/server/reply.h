// SPDX-License-Identifier: BSD-3-Clause
// Replies, octet by octet: what is written over an admitted request, and its timestamps at the very
// end. Inline, for a worker does it millions of times a second.
#pragma once

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/random.h"
#include "ntp/packet.h"
#include "server/responder.h"

// The octets of a reply before the origin timestamp, as words.
struct reply_head {
	uint64_t words[NTP_HEAD_SIZE / sizeof(uint64_t)];
	uint64_t sum; // of them
};

// What the replies of one burst are made with.
struct reply_maker {
	struct reply_head time;
	struct reply_head kiss; // of death (RFC 5905 section 7.4), for requests over the rate limit
	int8_t poll_floor;
	uint64_t noise_bits;
	uint64_t random;
	utc_t received;
	ntp64_t earliest; // the same on the wire
	ntp64_t last;     // receive timestamp given out
};

// The bits of a timestamp below a precision of 2^`precision` seconds, but for the lowest, which
// tells receive from transmit timestamps.
static inline uint64_t ntp64_bits_below(int8_t precision)
{
	int bits = 32 + precision;

	bits = bits < 1 ? 1 : bits > 32 ? 32 : bits;
	return (UINT64_C(1) << bits) - 2;
}

// Modulo 2^64: right across the era boundary (RFC 5905 section 6).
static inline bool ntp64_is_later(ntp64_t stamp, ntp64_t than)
{
	return (int64_t)(stamp - than) > 0;
}

static inline struct reply_head reply_head_of(const uint8_t bytes[NTP_HEAD_SIZE])
{
	struct reply_head head;

	memcpy(head.words, bytes, sizeof(head.words));
	head.sum = checksum_fold(checksum_add(0, bytes, NTP_HEAD_SIZE));
	return head;
}

// Stratum 0 with a code in the place of the reference ID.
struct reply_head reply_kiss_of_death(int8_t precision);

static inline struct reply_maker reply_begin(struct responder *responder,
		const struct policy *policy, const struct serving *serving, utc_t received)
{
	int8_t precision = (int8_t)serving->head[NTP_PRECISION];
	struct reply_maker maker = {
		.time = reply_head_of(serving->head),
		.poll_floor = policy->limit.poll_floor,
		.noise_bits = ntp64_bits_below(precision),
		.random = random_next(&responder->random),
		.received = received,
		.earliest = utc_to_ntp64(received) + 1,
		.last = responder->last_receive,
	};

	// Nothing was given out in this epoch yet.
	if (responder->epoch != serving->epoch)
		maker.last = maker.earliest - 2;
	if (responder->clients)
		maker.kiss = reply_kiss_of_death(precision);
	return maker;
}

static inline void reply_end(const struct reply_maker *maker, struct responder *responder,
		const struct serving *serving)
{
	responder->epoch = serving->epoch;
	responder->last_receive = maker->last;
}

// Unique within an epoch, low bit 1, and random bits below the precision, upward (RFC 9769 section 2).
static inline ntp64_t reply_next_receive(struct reply_maker *maker, utc_t received)
{
	if (received.ns != maker->received.ns) {
		maker->received = received;
		// The conversion rounds down: one more is not early.
		maker->earliest = utc_to_ntp64(received) + 1;
	}
	uint64_t noise = random_next_noise(&maker->random) & maker->noise_bits;
	ntp64_t stamp = (maker->earliest + noise) | 1;

	stamp = ntp64_is_later(stamp, maker->last) ? stamp : maker->last + 2;
	maker->last = stamp;
	return stamp;
}

// Writes what comes before the receive timestamp over the payload of an admitted request, and
// chooses that timestamp. Returns the sum of what is written (base/checksum.h).
static inline uint64_t reply_write(
		struct reply_maker *maker, struct requests *requests, unsigned i, bool has_clients)
{
	uint8_t *payload = requests->payload[i];
	const struct reply_head *head = &maker->time;
	enum ntp_offset origin_at = NTP_TRANSMIT;
	int8_t poll = (int8_t)payload[NTP_POLL];

	if (has_clients) {
		poll = poll < maker->poll_floor ? maker->poll_floor : poll;
		head = requests->verdict[i] == VERDICT_KISSED ? &maker->kiss : head;
		origin_at = requests->departed[i] ? NTP_RECEIVE : NTP_TRANSMIT;
	}
	uint64_t own = requests->flags[i] | (uint64_t)(uint8_t)poll << 16; // zeros in the head
	uint64_t origin = load_word64(payload + origin_at);

	store_word64(payload, head->words[0] | own);
	store_word64(payload + 8, head->words[1]);
	store_word64(payload + 16, head->words[2]);
	store_word64(payload + NTP_ORIGIN, origin);
	requests->receive[i] = reply_next_receive(maker, requests->received[i]);
	return checksum_add_word(head->sum + own, origin);
}

// When the replies of one burst leave.
struct reply_stamper {
	ntp64_t now;
	uint64_t noise_bits;
	uint64_t random;
};

// `departs` is not after the replies leave.
static inline struct reply_stamper reply_depart(
		struct responder *responder, utc_t departs, int8_t precision)
{
	return (struct reply_stamper){
		.now = utc_to_ntp64(departs),
		.noise_bits = ntp64_bits_below(precision),
		.random = random_next(&responder->random),
	};
}

// Writes the timestamps receive and transmit. The latter has low bit 0, random bits below the
// precision, downward, and is later, but in interleaved mode, where it is that of the reply before
// (RFC 9769 section 2). Returns their sum.
static inline uint64_t reply_stamp(struct reply_stamper *stamper, const struct requests *requests,
		unsigned i, bool has_clients)
{
	ntp64_t receive = requests->receive[i];
	uint64_t noise = random_next_noise(&stamper->random) & stamper->noise_bits;
	ntp64_t transmit = (stamper->now - noise) & ~UINT64_C(1);

	// Never equal, or interleaved mode takes one for the other.
	transmit = ntp64_is_later(transmit, receive) ? transmit : receive + 1;
	// 0 means unknown (RFC 5905 section 6). Half a nanosecond late, once in 136 years.
	transmit = transmit == 0 ? 2 : transmit;
	if (has_clients && requests->departed[i])
		transmit = requests->departed[i];
	store_be64(requests->payload[i] + NTP_RECEIVE, receive);
	store_be64(requests->payload[i] + NTP_TRANSMIT, transmit);
	return checksum_add_word(__builtin_bswap64(receive), __builtin_bswap64(transmit));
}
