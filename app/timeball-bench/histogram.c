// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/histogram.h"

#include <math.h>
#include <string.h>

void histogram_init(struct histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->min = UINT64_MAX;
}

static uint64_t bucket_end(unsigned bucket)
{
	const unsigned subs = 1U << HISTOGRAM_SUB_BITS;

	if (bucket < 2 * subs)
		return bucket;
	unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
	uint64_t next = (uint64_t)(bucket % subs + subs + 1) << shift;

	return next - 1; // of the last bucket `next` is 2^64, which is 0
}

uint64_t histogram_quantile(const struct histogram *histogram, double fraction)
{
	uint64_t wanted = (uint64_t)ceil((double)histogram->total * fraction);
	uint64_t seen = 0;

	if (histogram->total == 0)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->counts[i];
		if (seen >= wanted && seen > 0) {
			uint64_t end = bucket_end(i);

			return end < histogram->max ? end : histogram->max;
		}
	}
	return histogram->max;
}
