// SPDX-License-Identifier: BSD-3-Clause
// From what we are synchronised to, to what each reply claims: the part of the time page that is
// about trust. Publisher and simulator share it. Pure.
#pragma once

#include "sync/reference.h"
#include "timing/time_page.h"

#include <stdint.h>

// How good the map from counter to the clock is.
struct map_doubt {
	int64_t error_ns;       // at map.ticks
	double rate_error;      // relative
	double raw_ns_per_tick; // of the counter
};

// Fills everything in the page but its map, epoch and expiry; page->map.utc must be set.
void claim_write(struct time_page *page, const struct reference *reference,
		const struct map_doubt *doubt, int8_t precision);
