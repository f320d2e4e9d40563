// SPDX-License-Identifier: BSD-3-Clause
// The whole of keeping time right: sources, whom to believe, what to do to the clock, what to claim.
// control/ and the simulator drive it alike: events go in with the time they happened at, commands
// come out. Pure; the control thread's.
#pragma once

#include "sync/association.h"
#include "sync/reference.h"
#include "sync/selection.h"
#include "sync/servo.h"
#include "sync/source.h"
#include "sync/timeline.h"

#define DISCIPLINE_SOURCES    128
#define DISCIPLINE_OWN_REFIDS 64

struct discipline_options {
	struct selection_options selection;
	struct servo_options servo;
	struct reference_options reference; // local, orphan, maxclockerror
	// Of a drift file, in estimate's sense: by how much the clock has to be sped up; skew 0: none.
	double initial_frequency, initial_skew;
	double max_initial_skew;     // the frequency's deviation without a drift file; 0: 500e-6
	double initial_wander;       // of the frequency, per sqrt(s); 0: 1e-8
	double precision_s;          // of the clock
	double max_serve_distance_s; // maxservedistance: beyond it leap indicator 3; 0: no limit
	double after_step_s;         // unsynchronised for so long after a step
};

// What control/ performs, in this order: clock first, then packets and timers.
struct discipline_command {
	struct servo_command clock;
	bool selection_changed; // worth a line in the log
	int64_t wake_free_ns;   // when discipline_on_timer() is due, INT64_MAX: not at all
};

// As in chronyc tracking.
struct discipline_tracking {
	bool synchronised; // something was selected, and is followed or held over
	int selected;      // the source, -1: none now
	uint32_t refid;
	uint8_t stratum;
	enum ntp_leap leap;
	utc_t reference_time;
	double current_correction_s; // UTC less the clock
	double last_offset_s;        // found at the last update
	double rms_offset_s;         // of these
	double frequency;            // by which the clock is sped up, slews left out
	double residual_frequency;   // what the last update found beyond
	double skew;
	double root_delay_s, root_dispersion_s;
	double update_interval_s;
	unsigned updates;
};

struct discipline;

struct discipline *discipline_open(const struct discipline_options *options, utc_t now,
		double clock_frequency, uint64_t random);
void discipline_close(struct discipline *discipline);
const struct timeline *discipline_timeline(const struct discipline *discipline);
// Addresses we serve at, as refids: whoever is synchronised to them is so to us.
void discipline_set_own_refids(
		struct discipline *discipline, const uint32_t *refids, unsigned count);

// Returns the source's number, or -ENOSPC or -ENOMEM.
int discipline_add(struct discipline *discipline, const struct source_options *options);
void discipline_remove(struct discipline *discipline, unsigned source);
// The last samples, oldest first, at most `most`. Returns how many there are.
unsigned discipline_samples(const struct discipline *discipline, unsigned source,
		struct sample *samples, unsigned most);
// Samples of before the start, oldest first and in this free time, for a source that was not asked yet. It is
// selected when it answers.
void discipline_recall(struct discipline *discipline, unsigned source, const struct sample *samples,
		unsigned count);
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
// Also once at the start, for a drift file's sake.
void discipline_on_timer(
		struct discipline *discipline, utc_t now, struct discipline_command *command);
// The clock was stepped by somebody else or slept: nothing known of it holds any more. To be followed by
// discipline_on_timer() and, for every source, discipline_on_start().
void discipline_on_jump(struct discipline *discipline, utc_t before, int64_t jump_ns);
// What became of `command->clock`: the clock showed `before` when it was done, and took `frequency`.
void discipline_did(struct discipline *discipline, utc_t before, int64_t step_ns, double frequency);

// What may be claimed now; honest on its own between events, for `local`'s sake to be asked for
// several times a second.
struct reference discipline_reference(struct discipline *discipline, utc_t now);
void discipline_describe(const struct discipline *discipline, unsigned source, utc_t now,
		struct source_report *report);
void discipline_track(
		struct discipline *discipline, utc_t now, struct discipline_tracking *tracking);
