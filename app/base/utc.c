// SPDX-License-Identifier: BSD-3-Clause
#include "base/utc.h"

// From NTP's 1900 to POSIX's 1970: 70 years with 17 leap days (RFC 5905 figure 4).
#define NTP_TO_UNIX_S UINT32_C(2208988800)

int64_t utc_seconds(utc_t moment, uint32_t *rest_ns)
{
	int64_t seconds = moment.ns / NS_PER_S;
	int64_t rest = moment.ns % NS_PER_S;

	if (rest < 0) {
		seconds -= 1;
		rest += NS_PER_S;
	}
	*rest_ns = (uint32_t)rest;
	return seconds;
}

ntp64_t utc_to_ntp64(utc_t moment)
{
	uint32_t rest_ns;
	int64_t seconds = utc_seconds(moment, &rest_ns);
	// rest_ns < 10^9, so the fraction is below 2^32 and never carries.
	uint64_t fraction = ((uint64_t)rest_ns << 32) / NS_PER_S;

	return (uint64_t)((uint32_t)seconds + NTP_TO_UNIX_S) << 32 | fraction;
}

utc_t utc_from_ntp64(ntp64_t stamp, utc_t near)
{
	uint32_t unused;
	uint32_t era_second = (uint32_t)(stamp >> 32) - NTP_TO_UNIX_S;
	int64_t near_second = utc_seconds(near, &unused);
	int64_t seconds = near_second + (int32_t)(era_second - (uint32_t)near_second);
	uint64_t rest_ns = ((stamp & UINT32_MAX) * NS_PER_S + (UINT64_C(1) << 31)) >> 32;

	return (utc_t){ (int64_t)((uint64_t)seconds * NS_PER_S + rest_ns) };
}

uint32_t ns_to_ntp32(int64_t interval_ns)
{
	if (interval_ns <= 0)
		return 0;
	// 65535 s and more do not fit; the clamp also keeps the product below within 64 bits.
	if (interval_ns >= 65535 * NS_PER_S)
		return UINT32_MAX;
	return (uint32_t)((((uint64_t)interval_ns << 16) + NS_PER_S - 1) / NS_PER_S);
}

int64_t ns_from_ntp32(uint32_t interval)
{
	return (int64_t)(((uint64_t)interval * NS_PER_S) >> 16);
}
