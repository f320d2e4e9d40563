// SPDX-License-Identifier: BSD-3-Clause
// The whole of keeping time right: sources, whom to believe, what to do to the clock, what to claim.
// control/ and the simulator drive it alike: events go in with the time they happened at, commands
// come out. Pure; the control thread's.
#pragma once

#include "sync/association.h"
#include "sync/reference.h"
#include "sync/servo.h"
#include "sync/timeline.h"

#define DISCIPLINE_SOURCES 128

struct source_options {
	struct association_options association;
	bool prefer, trust, require, noselect;
	uint32_t refid; // what our clients are told when it is selected: IPv4 address or hash of IPv6
};

// As in chrony.conf(5).
struct selection_options {
	double max_distance_s;
	double max_jitter_s;
	double reselect_distance_s;
	double stratum_weight_s;
	double combine_limit;
	unsigned min_sources;
	unsigned max_stratum;
};

struct discipline_options {
	struct selection_options selection;
	struct servo_options servo;
	struct reference_options reference;     // local, orphan, maxclockerror
	double initial_frequency, initial_skew; // of a drift file; skew 0: none
	double precision_s;                     // of the clock
	double max_serve_distance_s;            // maxservedistance: beyond it leap indicator 3
	double after_step_s;                    // unsynchronised for so long after a step
};

// Of a source, as chrony shows it (`selectdata` letters; `sources`: * + - ? x ~).
enum source_state {
	SOURCE_SELECTED,       // *
	SOURCE_COMBINED,       // +
	SOURCE_NOT_COMBINED,   // - selectable, but not needed or too distant
	SOURCE_FALSETICKER,    // x
	SOURCE_JITTERY,        // ~ maxjitter
	SOURCE_DISTANT,        // D maxdistance
	SOURCE_UNREACHABLE,    // ? M: no or too few samples
	SOURCE_NOSELECT,       // N
	SOURCE_UNSYNCHRONISED, // s
	SOURCE_WAITING,        // W, U, P, T, S, O: see selection.c
};

struct source_report {
	enum source_state state;
	uint8_t reach; // register of the last eight polls, newest in bit 0
	int8_t poll;   // log2 s, now
	uint8_t stratum;
	enum ntp_leap leap;
	struct sample last; // valid when `samples`
	unsigned samples;
	struct estimate estimate; // at the time of asking
	int64_t root_distance_ns;
	unsigned counters[ASSOCIATION_VERDICTS];
};

// What control/ performs, in this order: clock first, then packets and timers.
struct discipline_command {
	struct servo_command clock;
	bool selection_changed; // worth a line in the log
	int64_t wake_free_ns;   // when discipline_on_timer() is due
};

struct discipline;

struct discipline *discipline_open(const struct discipline_options *options, utc_t now,
		double clock_frequency, uint64_t random);
void discipline_close(struct discipline *discipline);
const struct timeline *discipline_timeline(const struct discipline *discipline);

// Returns the source's number, or -ENOSPC or -ENOMEM.
int discipline_add(struct discipline *discipline, const struct source_options *options);
void discipline_remove(struct discipline *discipline, unsigned source);
struct association *discipline_association(struct discipline *discipline, unsigned source);

// All that happens, `now` by the clock. Samples and reach are taken from the source's association.
void discipline_on_start(struct discipline *discipline, unsigned source, utc_t now,
		struct association_action *action);
void discipline_on_poll(struct discipline *discipline, unsigned source, utc_t now, uint64_t random,
		struct association_action *action, struct discipline_command *command);
enum association_verdict discipline_on_reply(struct discipline *discipline, unsigned source,
		utc_t now, const uint8_t *packet, size_t length,
		const struct association_stamp *received, struct association_action *action,
		struct discipline_command *command);
void discipline_on_timer(
		struct discipline *discipline, utc_t now, struct discipline_command *command);
// The clock was stepped by somebody else or slept: nothing known of it holds any more.
void discipline_on_jump(struct discipline *discipline, utc_t before, int64_t jump_ns);
// What became of `command->clock`: the clock showed `before` when it was done, and took `frequency`.
void discipline_did(struct discipline *discipline, utc_t before, int64_t step_ns, double frequency);

// What may be claimed now; honest on its own between events, for `local`'s sake to be asked for
// several times a second.
struct reference discipline_reference(struct discipline *discipline, utc_t now);
void discipline_describe(const struct discipline *discipline, unsigned source, utc_t now,
		struct source_report *report);
