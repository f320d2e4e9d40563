// SPDX-License-Identifier: BSD-3-Clause
// A moment in UTC and its forms on the wire. Intervals are plain int64_t with _ns in the name.
// Arithmetic is modulo 2^64 ns (1678 to 2262), NTP's eras (2036, 2104) are only a matter of wire form.
#pragma once

#include <stdint.h>

typedef struct {
	int64_t ns; // since 1970-01-01, leap seconds not counted
} utc_t;

// NTP 64-bit timestamp (RFC 5905 section 6) as a host-order number: seconds since 1900 modulo 2^32
// in the high word, 2^-32 s in the low word.
typedef uint64_t ntp64_t;

#define NS_PER_S INT64_C(1'000'000'000)

static inline utc_t utc_add(utc_t moment, int64_t interval_ns)
{
	return (utc_t){ (int64_t)((uint64_t)moment.ns + (uint64_t)interval_ns) };
}

static inline int64_t utc_diff_ns(utc_t later, utc_t earlier)
{
	return (int64_t)((uint64_t)later.ns - (uint64_t)earlier.ns);
}

// Whole seconds since 1970, rounded down, and the rest.
int64_t utc_seconds(utc_t moment, uint32_t *rest_ns);

// Rounded down: the result is never later than `moment`.
ntp64_t utc_to_ntp64(utc_t moment);
// The moment nearest to `near` that has this wire form (RFC 5905 section 6: eras are told apart by
// context), rounded to the nearest nanosecond.
utc_t utc_from_ntp64(ntp64_t stamp, utc_t near);
// An interval in NTP's unsigned 16.16 short format, rounded up; negative gives 0, more than 65535 s
// gives all ones.
uint32_t ns_to_ntp32(int64_t interval_ns);
int64_t ns_from_ntp32(uint32_t interval);
