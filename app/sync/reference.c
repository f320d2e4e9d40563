// SPDX-License-Identifier: BSD-3-Clause
#include "sync/reference.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>
#include <time.h>

// 2020-01-01: a clock before this was never set.
#define EARLIEST_BELIEVABLE ((utc_t){ 1577836800 * NS_PER_S })
#define UNSYNCHRONISED_NS   NS_PER_S // root delay and dispersion, as chrony

static struct reference unsynchronised(utc_t now)
{
	return (struct reference){
		.leap = NTP_LEAP_UNSYNCHRONISED,
		.root_delay_ns = UNSYNCHRONISED_NS,
		.root_dispersion_ns = UNSYNCHRONISED_NS,
		.as_of = now,
	};
}

// A reference clock of our own: never in error of itself, corrected a moment ago, as chrony shows it.
static struct reference local(const struct reference_keeper *keeper, utc_t now)
{
	uint32_t unused;
	int64_t seconds = utc_seconds(now, &unused);

	return (struct reference){
		.leap = NTP_LEAP_NONE,
		.stratum = keeper->options.local.stratum,
		.refid = REFID_LOCAL,
		.root_dispersion_rate_ppb = keeper->options.max_clock_error_ppb,
		// 1 to 33 s back: within 1 to 64 even when control is late.
		.time = { ((seconds - 1) & ~INT64_C(31)) * NS_PER_S },
		.as_of = now,
	};
}

// RFC 8633 section 3.7: announced on the last day of a month only.
static bool is_last_day_of_month(utc_t now)
{
	uint32_t unused;
	time_t tomorrow = (time_t)utc_seconds(now, &unused) + 86400;
	struct tm date;

	return gmtime_r(&tomorrow, &date) && date.tm_mday == 1;
}

static enum ntp_leap announced_leap(const struct local_clock_state *state, utc_t now)
{
	if (!is_last_day_of_month(now))
		return NTP_LEAP_NONE;
	if (state->insert_leap)
		return NTP_LEAP_INSERT;
	return state->delete_leap ? NTP_LEAP_DELETE : NTP_LEAP_NONE;
}

static struct reference followed(const struct reference_keeper *keeper,
		const struct local_clock_state *state, utc_t now)
{
	uint8_t stratum = keeper->options.follow_stratum;

	return (struct reference){
		.leap = announced_leap(state, now),
		.stratum = stratum,
		.refid = stratum == 1 ? REFID_STRATUM1 : REFID_FOLLOW,
		.root_dispersion_ns = state->max_error_ns,
		.root_dispersion_rate_ppb = keeper->options.max_clock_error_ppb,
		.time = keeper->corrected,
		.as_of = now,
	};
}

// The kernel's maxerror only grows; when it falls, the other daemon has just corrected the clock.
static void notice_correction(
		struct reference_keeper *keeper, const struct local_clock_state *state, utc_t now)
{
	bool ahead = utc_diff_ns(keeper->corrected, now) > 0;

	if (state->max_error_ns < keeper->last_error_ns || ahead)
		keeper->corrected = now;
	keeper->last_error_ns = state->max_error_ns;
}

static bool local_takes_over(
		const struct reference_keeper *keeper, double distance_s, double uptime_s)
{
	const struct reference_local *options = &keeper->options.local;
	bool waited = keeper->synchronised_s >= 0
			? uptime_s - keeper->synchronised_s >= options->waitsynced
			: uptime_s - keeper->started_s >= options->waitunsynced;

	return options->enabled && keeper->activated && waited && distance_s > options->distance;
}

void reference_init(struct reference_keeper *keeper, const struct reference_options *options)
{
	*keeper = (struct reference_keeper){
		.options = *options,
		.started_s = -1,
		.synchronised_s = -1,
		.activated = options->local.activate <= 0,
		.last_error_ns = INT64_MAX,
	};
}

struct reference reference_update(struct reference_keeper *keeper,
		const struct local_clock_state *state, utc_t now, double uptime_s)
{
	double distance_s = INFINITY;

	if (keeper->started_s < 0)
		keeper->started_s = uptime_s;
	notice_correction(keeper, state, now);
	if (state->vouched) {
		distance_s = (double)state->max_error_ns / NS_PER_S;
		keeper->activated |= distance_s < keeper->options.local.activate;
		if (distance_s <= keeper->options.local.distance)
			keeper->synchronised_s = uptime_s;
	}
	// Neither a clock that was never set nor the second that is inserted has a time to give.
	if (utc_diff_ns(now, EARLIEST_BELIEVABLE) < 0 || state->leap_in_progress)
		return unsynchronised(now);
	if (local_takes_over(keeper, distance_s, uptime_s))
		return local(keeper, now);
	return state->vouched ? followed(keeper, state, now) : unsynchronised(now);
}

void reference_write_head(
		const struct reference *reference, int8_t precision, uint8_t head[NTP_HEAD_SIZE])
{
	ntp64_t time = reference->stratum ? utc_to_ntp64(reference->time) : 0;

	memset(head, 0, NTP_HEAD_SIZE);
	head[NTP_LEAP_VERSION_MODE] = ntp_flags(reference->leap, 0, NTP_MODE_UNSPECIFIED);
	head[NTP_STRATUM] = reference->stratum;
	head[NTP_PRECISION] = (uint8_t)precision;
	store_be32(head + NTP_ROOT_DELAY, ns_to_ntp32(reference->root_delay_ns));
	store_be32(head + NTP_REFERENCE_ID, reference->refid);
	store_be64(head + NTP_REFERENCE_TIME, time);
}
