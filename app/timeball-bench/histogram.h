// SPDX-License-Identifier: BSD-3-Clause
// Counts of values in buckets that grow with them: up to 255 each value has its own, above that a
// bucket is at most 1/128 of its value wide. Minimum and maximum are exact.
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_BUCKETS  ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t total;
	uint64_t min; // UINT64_MAX without values
	uint64_t max;
	uint64_t counts[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(value | 1);
	unsigned shift = bits > HISTOGRAM_SUB_BITS + 1 ? bits - HISTOGRAM_SUB_BITS - 1 : 0;

	return (shift << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->counts[histogram_bucket(value)]++;
	histogram->total++;
	histogram->max = value > histogram->max ? value : histogram->max;
	histogram->min = value < histogram->min ? value : histogram->min;
}

void histogram_init(struct histogram *histogram);
// The least value that at least `fraction` of all are not above, rounded up to its bucket's end but
// never above the maximum. 0 without values.
uint64_t histogram_quantile(const struct histogram *histogram, double fraction);
