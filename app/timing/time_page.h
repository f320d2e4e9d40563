// SPDX-License-Identifier: BSD-3-Clause
// The time page: how a counter value becomes UTC, how wrong that may be, until when it may be
// believed, and the leading octets of every reply. The publisher writes it through a latch,
// workers read it once a burst. Nothing here reads a clock.
#pragma once

#include "base/latch.h"
#include "base/utc.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define TIME_MAP_SHIFT            52
#define TIME_PAGE_HEAD_SIZE       24 // NTP header up to the reference timestamp (RFC 5905 section 7.3)
#define TIME_PAGE_ROOT_DISPERSION 8 // offset in the head

// UTC = utc + (counter - ticks) * ns_per_tick; the distance is signed: a counter may be read
// before the page it is used with.
struct time_map {
	uint64_t ticks;
	utc_t utc;
	uint64_t ns_per_tick; // fixed point, TIME_MAP_SHIFT fractional bits
};

struct time_page {
	struct time_map map;
	uint64_t expires_ticks;            // not to be believed from here on
	uint64_t epoch;                    // counts the steps of the clock
	int64_t map_error_ns;              // of the map alone, at map.ticks
	int64_t dispersion_ns;             // root dispersion at map.ticks, everything included
	uint64_t dispersion_rate;          // its growth, ns per tick in the map's fixed point
	uint8_t head[TIME_PAGE_HEAD_SIZE]; // root dispersion left zero: it is of the moment
};

static_assert(sizeof(struct time_page) % sizeof(uint64_t) == 0);
static_assert(sizeof(struct time_page) <= LATCH_WORDS * sizeof(uint64_t));

static inline void time_page_publish(struct latch *latch, const struct time_page *page)
{
	latch_write(latch, page, sizeof(*page) / sizeof(uint64_t));
}

// False while nothing was ever published.
static inline bool time_page_read(const struct latch *latch, struct time_page *page)
{
	return latch_read(latch, page, sizeof(*page) / sizeof(uint64_t)) > 0;
}

// `ticks` times a rate in the map's fixed point, rounded down. Signed 128 bits: no distance a
// 64-bit counter can express overflows.
static inline int64_t time_scale_ns(int64_t ticks, uint64_t ns_per_tick)
{
	return (int64_t)(((__int128)ticks * ns_per_tick) >> TIME_MAP_SHIFT);
}

static inline utc_t time_map_utc(const struct time_map *map, uint64_t ticks)
{
	return utc_add(map->utc, time_scale_ns((int64_t)(ticks - map->ticks), map->ns_per_tick));
}

static inline bool time_page_expired(const struct time_page *page, uint64_t ticks)
{
	return (int64_t)(ticks - page->expires_ticks) >= 0;
}

// Root dispersion at `ticks`; before map.ticks it is that at map.ticks.
static inline int64_t time_page_dispersion_ns(const struct time_page *page, uint64_t ticks)
{
	int64_t age_ticks = (int64_t)(ticks - page->map.ticks);

	if (age_ticks <= 0)
		return page->dispersion_ns;
	return page->dispersion_ns + time_scale_ns(age_ticks, page->dispersion_rate) + 1;
}

// A ratio in the map's fixed point, rounded to nearest; for rates, all below 2048.
uint64_t time_rate_from_double(double ns_per_tick);
