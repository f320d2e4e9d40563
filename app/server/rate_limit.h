// SPDX-License-Identifier: BSD-3-Clause
// How often one client is answered: chrony's `ratelimit`, pure. The state of a client is one number,
// the time when its bucket will be full again ("due"), which is the same as counting tokens.
#pragma once

#include <stdint.h>

struct rate_limit_options {
	int8_t interval; // seconds between answers as log2, -19..12; below -12 as -12
	uint8_t burst;   // 1..255
	uint8_t leak;    // 1 in 2^leak of the requests over the limit is answered, 1..4
	uint8_t kod;     // 1 in 2^kod of the others is told to slow down, 1..4; 0: none
	uint8_t ipv4_bits, ipv6_bits; // a client is what shares so many bits: 32 and 128
};

// Times are counted in units of 2^unit_bits of NTP's 2^-32 s, modulo 2^30. A unit is 1/256 of the
// interval, so that the count comes round after a year at the default interval; but not below 2^-14 s
// (18 hours). Nobody's bucket is full later than `capacity` from now: a due time further ahead lies in
// the past. What still looks possible after all that time is one chance in 16,000 of a bucket that is
// thought empty for a moment.
#define RATE_TIME_BITS 30
#define RATE_TIME_MASK ((UINT32_C(1) << RATE_TIME_BITS) - 1)

struct rate_limit {
	uint8_t unit_bits;
	uint8_t ipv4_bits, ipv6_bits;
	int8_t poll_floor;  // answers carry no smaller poll
	uint32_t period;    // units for one token; 0: no limit
	uint32_t capacity;  // burst periods
	uint32_t leak_mask; // of random bits that have to be zero
	uint32_t kiss_mask; // likewise; UINT32_MAX: never
};

enum rate_decision {
	RATE_ANSWER,
	RATE_KISS, // answer with kiss code RATE (RFC 5905 section 7.4)
	RATE_DROP,
};

// `options` NULL: no limit.
void rate_limit_init(struct rate_limit *limit, const struct rate_limit_options *options);

// What becomes of a request over the limit.
enum rate_decision rate_limit_exceed(
		const struct rate_limit *limit, uint32_t now, uint32_t *due, uint64_t *random);

// Decides on a request at `now` of a client whose bucket is full at `*due`. A new client's `due`
// is `now`.
static inline enum rate_decision rate_limit_decide(
		const struct rate_limit *limit, uint32_t now, uint32_t *due, uint64_t *random)
{
	uint32_t ahead = (*due - now) & RATE_TIME_MASK;

	ahead = ahead > limit->capacity ? 0 : ahead;
	if (ahead + limit->period > limit->capacity)
		return rate_limit_exceed(limit, now, due, random);
	*due = (now + ahead + limit->period) & RATE_TIME_MASK;
	return RATE_ANSWER;
}
