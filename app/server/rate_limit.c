// SPDX-License-Identifier: BSD-3-Clause
#include "server/rate_limit.h"

#include "base/random.h"

#include <assert.h>

#define PERIOD_BITS       8   // units in an interval
#define FINE_UNIT_LOG2S   -14 // short intervals have fewer units rather than shorter ones
#define COARSE_UNIT_LOG2S 2   // with which 2^30 units are NTP's 2^32 s
#define NTP_FRACTION_BITS 32

// chrony counts a client's tokens, 255 at most, sixteen times a second: shorter intervals than this
// change nothing there.
#define SHORTEST_LOG2S -12

static int unit_log2s(int interval)
{
	int unit = interval - PERIOD_BITS;

	unit = unit < FINE_UNIT_LOG2S ? FINE_UNIT_LOG2S : unit;
	return unit > COARSE_UNIT_LOG2S ? COARSE_UNIT_LOG2S : unit;
}

void rate_limit_init(struct rate_limit *limit, const struct rate_limit_options *options)
{
	static const struct rate_limit_options unlimited = { .interval = 3, .leak = 1 };
	const struct rate_limit_options *from = options ? options : &unlimited;
	int interval = from->interval < SHORTEST_LOG2S ? SHORTEST_LOG2S : from->interval;
	int unit = unit_log2s(interval);

	assert(from->interval >= -19 && from->interval <= 12);
	*limit = (struct rate_limit){
		.unit_bits = (uint8_t)(NTP_FRACTION_BITS + unit),
		.ipv4_bits = options ? options->ipv4_bits : 32,
		.ipv6_bits = options ? options->ipv6_bits : 128,
		.poll_floor = options ? options->interval : INT8_MIN,
		.period = options ? UINT32_C(1) << (interval - unit) : 0,
		.leak_mask = (UINT32_C(1) << from->leak) - 1,
		.kiss_mask = from->kod ? (UINT32_C(1) << from->kod) - 1 : UINT32_MAX,
	};
	limit->capacity = from->burst * limit->period;
}

enum rate_decision rate_limit_exceed(
		const struct rate_limit *limit, uint32_t now, uint32_t *due, uint64_t *random)
{
	uint64_t bits = random_next(random);

	if (((uint32_t)bits & limit->leak_mask) == 0) {
		// A leaked answer takes what part of a token there was, as in chrony.
		*due = (now + limit->capacity) & RATE_TIME_MASK;
		return RATE_ANSWER;
	}
	// All ones is no rarity, it is never.
	if (limit->kiss_mask != UINT32_MAX && ((bits >> 32) & limit->kiss_mask) == 0)
		return RATE_KISS;
	return RATE_DROP;
}
