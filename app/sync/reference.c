// SPDX-License-Identifier: BSD-3-Clause
#include "sync/reference.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>
#include <time.h>

// 2020-01-01: a clock before this was never set.
#define EARLIEST_BELIEVABLE ((utc_t){ 1577836800 * NS_PER_S })
#define UNSYNCHRONISED_NS   NS_PER_S // root delay and dispersion, as chrony
#define STRATUM_MOST        15
#define LOCAL_TOLERANCE                                                                            \
	0.01 // of its distance, that the clock may be off and yet decreed to be right

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

static enum ntp_leap followed_leap(const struct local_clock_state *state)
{
	if (state->insert_leap)
		return NTP_LEAP_INSERT;
	return state->delete_leap ? NTP_LEAP_DELETE : NTP_LEAP_NONE;
}

static struct reference followed(const struct reference_keeper *keeper,
		const struct local_clock_state *state, utc_t now)
{
	uint8_t stratum = keeper->options.follow_stratum;

	return (struct reference){
		.leap = followed_leap(state),
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

// Where sources are measured now it is their distance that counts, not what the clock has yet to do: while
// it is being put right, `local` would claim what we know better.
static bool local_takes_over(const struct reference_keeper *keeper,
		const struct reference_upstream *upstream, double distance_s, double uptime_s)
{
	const struct reference_local *options = &keeper->options.local;
	double tolerance_ns = LOCAL_TOLERANCE * options->distance * NS_PER_S;
	bool waited = keeper->synchronised_s >= 0
			? uptime_s - keeper->synchronised_s >= options->waitsynced
			: uptime_s - keeper->started_s >= options->waitunsynced;

	if (!options->enabled || !keeper->activated || !waited || distance_s <= options->distance)
		return false;
	return !upstream->measured
			|| ((double)upstream->distance_ns > options->distance * NS_PER_S
					&& fabs((double)upstream->offset_ns) <= tolerance_ns);
}

static bool may_be_claimed(const struct reference_keeper *keeper, const struct reference *claim)
{
	int64_t limit_ns = keeper->options.max_serve_distance_ns;

	return claim->stratum >= 1 && claim->stratum <= STRATUM_MOST
			&& claim->leap != NTP_LEAP_UNSYNCHRONISED
			&& (limit_ns == 0 || reference_distance_ns(claim) <= limit_ns);
}

int64_t reference_distance_ns(const struct reference *reference)
{
	return reference->root_delay_ns / 2 + reference->root_dispersion_ns;
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

// The one place where it is decided.
struct reference reference_choose(struct reference_keeper *keeper,
		const struct reference_upstream *upstream, utc_t now, double uptime_s)
{
	const struct reference_local *local_options = &keeper->options.local;
	double distance_s = INFINITY;

	if (keeper->started_s < 0)
		keeper->started_s = uptime_s;
	if (upstream->known) {
		distance_s = (double)reference_distance_ns(&upstream->claim) / NS_PER_S;
		keeper->activated |= distance_s < local_options->activate;
		if (distance_s <= local_options->distance)
			keeper->synchronised_s = uptime_s;
	}
	// A clock that was never set has no time to give.
	if (upstream->unsettled || utc_diff_ns(now, EARLIEST_BELIEVABLE) < 0)
		return unsynchronised(now);
	if (local_takes_over(keeper, upstream, distance_s, uptime_s))
		return local(keeper, now);
	if (!upstream->known || !may_be_claimed(keeper, &upstream->claim))
		return unsynchronised(now);
	struct reference claim = upstream->claim;

	if (!is_last_day_of_month(now))
		claim.leap = NTP_LEAP_NONE;
	return claim;
}

struct reference reference_update(struct reference_keeper *keeper,
		const struct local_clock_state *state, utc_t now, double uptime_s)
{
	struct reference_upstream upstream = { .known = state->vouched };

	notice_correction(keeper, state, now);
	if (state->vouched)
		upstream.claim = followed(keeper, state, now);
	struct reference reference = reference_choose(keeper, &upstream, now, uptime_s);

	// Neither has the second that is inserted a time to give.
	return state->leap_in_progress ? unsynchronised(now) : reference;
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
