// SPDX-License-Identifier: BSD-3-Clause
// What is said of the time: claims to clients, reports to operators.
#include "sync/discipline_state.h"

#include <math.h>
#include <string.h>

#define CLAIM_HOLDS_NS 1e9 // a claim is renewed within less
#define DISTANCE_MOST  (INT64_MAX / 4)

// How far the clock may be from UTC at most, and how fast that may grow until the next claim.
struct doubt {
	int64_t most_ns;
	double growth;
};

// The clock's lead over UTC at most, and its lag; one of them counts.
static struct doubt find_doubt(const struct discipline *discipline, int64_t free_ns)
{
	const struct timeline *timeline = &discipline->timeline;
	struct bound_interval utc = bound_at(&discipline->followed.bound, free_ns);
	int64_t correction_ns = timeline_correction_ns(timeline, free_ns);
	double frequency = timeline_frequency(timeline);
	double lead_ns = (double)(correction_ns - utc.low_ns);
	double lag_ns = (double)(utc.high_ns - correction_ns);
	double later_ns = fmax(lead_ns + (frequency - utc.slowest) * CLAIM_HOLDS_NS,
			lag_ns + (utc.fastest - frequency) * CLAIM_HOLDS_NS);
	double most_ns = fmax(lead_ns, lag_ns) + discipline->options.precision_s * NS_PER_S;

	// The larger of two lines lies below the line between its ends.
	return (struct doubt){
		.most_ns = (int64_t)fmin(ceil(most_ns), (double)DISTANCE_MOST),
		.growth = fmax((later_ns - fmax(lead_ns, lag_ns)) / CLAIM_HOLDS_NS,
				discipline->world.max_clock_error),
	};
}

// UTC less the clock, as estimated.
static double correction_left_ns(const struct discipline *discipline, int64_t free_ns)
{
	const struct followed *followed = &discipline->followed;
	double elapsed_ns = (double)(free_ns - followed->estimate_free_ns);
	int64_t correction_ns = timeline_correction_ns(&discipline->timeline, free_ns);

	if (!followed->known)
		return 0;
	return (double)(followed->estimate.offset_ns - correction_ns)
			+ followed->estimate.frequency * elapsed_ns;
}

static struct reference claim(const struct discipline *discipline, utc_t now, int64_t free_ns)
{
	const struct followed *followed = &discipline->followed;
	struct doubt doubt = find_doubt(discipline, free_ns);
	int64_t root_delay_ns = followed->root_delay_ns;
	bool ahead = utc_diff_ns(followed->updated, now) > 0;

	// Samples together may prove more than half of the best one's delay.
	if (root_delay_ns > 2 * doubt.most_ns)
		root_delay_ns = 2 * doubt.most_ns;
	return (struct reference){
		.leap = followed->leap,
		.stratum = followed->stratum,
		.refid = followed->refid,
		.root_delay_ns = root_delay_ns,
		.root_dispersion_ns = doubt.most_ns - root_delay_ns / 2,
		.root_dispersion_rate_ppb = (int64_t)fmin(ceil(doubt.growth * 1e9), 1e9),
		.time = ahead ? now : followed->updated,
		.as_of = now,
	};
}

// Nothing is known for sure: a step is under way or just done, or first answers are due.
static bool is_unsettled(struct discipline *discipline, int64_t free_ns)
{
	if (free_ns >= discipline->hold_until_free_ns)
		discipline->held = false;
	if (discipline->stepping || discipline->held)
		return true;
	return discipline_awaits_answers(discipline, free_ns);
}

struct reference discipline_reference(struct discipline *discipline, utc_t now)
{
	int64_t free_ns = timeline_free_ns(&discipline->timeline, now);
	struct reference_upstream upstream = {
		.known = discipline->followed.known && discipline->frequency_proved,
		.unsettled = is_unsettled(discipline, free_ns),
	};

	if (upstream.known)
		upstream.claim = claim(discipline, now, free_ns);
	if (discipline->followed.fresh) {
		const struct source *source = &discipline->sources[discipline->selection.selected];

		upstream.measured = true;
		upstream.offset_ns = llround(correction_left_ns(discipline, free_ns));
		upstream.distance_ns = bound_sample_radius_ns(&source->last);
	}
	return reference_choose(&discipline->keeper, &upstream, now,
			(double)(free_ns - discipline->jumped_ns) / NS_PER_S);
}

void discipline_describe(const struct discipline *discipline, unsigned number, utc_t now,
		struct source_report *report)
{
	const struct source *source = &discipline->sources[number];
	int64_t free_ns = timeline_free_ns(&discipline->timeline, now);
	int64_t correction_ns = timeline_correction_ns(&discipline->timeline, free_ns);
	struct association_report association;

	*report = (struct source_report){ 0 };
	if (!source->used)
		return;
	association_describe(source->association, &association);
	report->state = source->state;
	report->letter = source->letter;
	report->score = source->score;
	report->reach = association.reach;
	report->poll = association.poll;
	memcpy(report->counters, association.counters, sizeof(report->counters));
	report->samples = source->samples;
	if (!source_estimate(source, free_ns, &report->estimate))
		return;
	struct bound_interval proved = bound_at(&source->bound, free_ns);

	report->stratum = source->last.stratum;
	report->leap = source->last.leap;
	report->last = source->last;
	report->root_distance_ns = proved.high_ns / 2 - proved.low_ns / 2;
	report->low_ns = proved.low_ns - correction_ns;
	report->high_ns = proved.high_ns - correction_ns;
	report->conflicts = source->bound.conflicts;
}

void discipline_track(
		struct discipline *discipline, utc_t now, struct discipline_tracking *tracking)
{
	int64_t free_ns = timeline_free_ns(&discipline->timeline, now);
	struct reference reference = discipline_reference(discipline, now);
	const struct followed *followed = &discipline->followed;
	bool last = followed->updated_free_ns != 0;

	*tracking = (struct discipline_tracking){
		.synchronised = followed->known,
		.selected = discipline->selection.selected,
		.refid = reference.refid,
		.stratum = reference.stratum,
		.leap = reference.leap,
		.reference_time = reference.time,
		.current_correction_s = correction_left_ns(discipline, free_ns) / NS_PER_S,
		.last_offset_s = last ? (double)discipline->servo.last_offset_ns / NS_PER_S : 0,
		.rms_offset_s = sqrt(discipline->rms_square),
		.frequency = discipline->servo.base_frequency,
		.residual_frequency = discipline->residual_frequency,
		.skew = followed->estimate.frequency_sd,
		.root_delay_s = (double)reference.root_delay_ns / NS_PER_S,
		.root_dispersion_s = (double)reference.root_dispersion_ns / NS_PER_S,
		.update_interval_s = (double)discipline->update_interval_ns / NS_PER_S,
		.updates = discipline->updates,
	};
}
