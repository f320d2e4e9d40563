// SPDX-License-Identifier: BSD-3-Clause
#include "sync/claim.h"

#include <math.h>

// Everything that half the root delay does not cover: the reference's own error and its growth
// since it was said, the map's, and the random bits below the precision.
void claim_write(struct time_page *page, const struct reference *reference,
		const struct map_doubt *doubt, int8_t precision)
{
	int64_t age_ns = utc_diff_ns(page->map.utc, reference->as_of);
	double growth = (double)reference->root_dispersion_rate_ppb / NS_PER_S;

	page->map_error_ns = doubt->error_ns;
	page->dispersion_ns = reference->root_dispersion_ns + doubt->error_ns
			+ (int64_t)ceil(ldexp(NS_PER_S, precision));
	if (age_ns > 0)
		page->dispersion_ns += (int64_t)ceil((double)age_ns * growth);
	page->dispersion_rate = time_rate_from_double(
			(growth + doubt->rate_error) * doubt->raw_ns_per_tick);
	reference_write_head(reference, precision, page->head);
}
