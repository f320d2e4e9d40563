// SPDX-License-Identifier: BSD-3-Clause
// What we are synchronised to, and so what every reply claims: leap indicator, stratum, refid,
// root delay and dispersion, reference time (RFC 5905 section 7.3). Pure: the clock's state and the
// time are arguments. Used by the control thread.
#pragma once

#include "base/utc.h"
#include "ntp/packet.h"
#include "timing/local_clock.h"

#include <stdbool.h>
#include <stdint.h>

#define REFID_LOCAL UINT32_C(0x7f7f0101) // 127.127.1.1, as chrony's `local` says
#define REFID_FOLLOW                                                                               \
	UINT32_C(0x7f7f0102) // 127.127.1.2: nobody's address, no client sees a loop in it
#define REFID_STRATUM1 UINT32_C(0x53595300) // "SYS"

struct reference {
	enum ntp_leap leap;
	uint8_t stratum; // 1..15; 0 with NTP_LEAP_UNSYNCHRONISED
	uint32_t refid;
	int64_t root_delay_ns;
	int64_t root_dispersion_ns;       // at `as_of`
	int64_t root_dispersion_rate_ppb; // its growth since
	utc_t time;                       // when the clock was last set or corrected
	utc_t as_of;
};

// `local`, times in seconds, as in chrony.conf.
struct reference_local {
	bool enabled;
	uint8_t stratum;
	double distance;   // own root distance above which it takes over
	double activate;   // never active before the root distance was once below; 0: no condition
	double waitsynced; // this long after the last synchronisation
	double waitunsynced; // this long after start, while never synchronised
	bool orphan;         // see sync/selection.h
};

struct reference_options {
	struct reference_local local;
	uint8_t follow_stratum; // of a clock that somebody else keeps
	int64_t max_clock_error_ppb;
	int64_t max_serve_distance_ns; // maxservedistance: unsynchronised beyond; 0: no limit
};

// What measured sources, or another daemon, would have us claim.
struct reference_upstream {
	bool unsettled;    // a step is under way, or the first answers are: nothing may be claimed
	bool known;        // there is, or was, something: `claim` is valid and grows older
	bool measured;     // by a source, of late: the next two are valid
	int64_t offset_ns; // UTC as measured less the clock
	int64_t distance_ns; // root distance when it was measured
	struct reference claim;
};

struct reference_keeper {
	struct reference_options options;
	double started_s;      // uptime at the first update, negative before
	double synchronised_s; // uptime when last synchronised, negative: never
	bool activated;
	utc_t corrected;       // when the follower's error last fell
	int64_t last_error_ns; // of the followed clock
};

void reference_init(struct reference_keeper *keeper, const struct reference_options *options);
// `uptime_s` comes from any clock that only goes forward.
struct reference reference_update(struct reference_keeper *keeper,
		const struct local_clock_state *state, utc_t now, double uptime_s);
// The same where sources are measured (sync/discipline.h).
struct reference reference_choose(struct reference_keeper *keeper,
		const struct reference_upstream *upstream, utc_t now, double uptime_s);
// Root distance, RFC 5905 section 11.2: half the root delay and the root dispersion.
int64_t reference_distance_ns(const struct reference *reference);
// The leading octets of a reply; version, mode, poll and root dispersion are left zero.
void reference_write_head(
		const struct reference *reference, int8_t precision, uint8_t head[NTP_HEAD_SIZE]);
