// SPDX-License-Identifier: BSD-3-Clause
#include "base/random.h"
#include "sync/discipline_state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_NS    (4 * NS_PER_S) // for all sources' first answers, after start or jump
#define MAX_SKEW   500e-6
#define WANDER     1e-8
#define RMS_WEIGHT 0.1 // of the newest offset's square

static void forget_time(struct discipline *discipline, int64_t free_ns)
{
	discipline->followed = (struct followed){ 0 };
	discipline->selection.selected = -1;
	discipline->waiting_since_free_ns = free_ns;
}

static void init_world(struct discipline *discipline, double clock_frequency)
{
	const struct discipline_options *options = &discipline->options;
	double max_skew = options->max_initial_skew > 0 ? options->max_initial_skew : MAX_SKEW;
	bool known = options->initial_skew > 0;
	double frequency = known ? options->initial_frequency : clock_frequency;
	double doubt = fmax(max_skew, 4 * options->initial_skew);

	discipline->world = (struct source_world){
		.estimator = {
			.wander = options->initial_wander > 0 ? options->initial_wander : WANDER,
			.max_skew = max_skew,
			.precision_ns = options->precision_s * NS_PER_S,
		},
		.max_frequency = options->servo.max_drift > 0 ? options->servo.max_drift
							      : SERVO_MAX_FREQUENCY,
		.max_clock_error = (double)options->reference.max_clock_error_ppb / 1e9,
		.frequency_known = known,
		.frequency = frequency,
		.frequency_sd = options->initial_skew,
		// What the clock was given by somebody else is a guess; so is that it needs nothing.
		.slowest = (known ? frequency : fmin(frequency, 0)) - doubt,
		.fastest = (known ? frequency : fmax(frequency, 0)) + doubt,
	};
	discipline->frequency_proved = known;
}

struct discipline *discipline_open(const struct discipline_options *options, utc_t now,
		double clock_frequency, uint64_t random)
{
	struct discipline *discipline = calloc(1, sizeof(*discipline));

	if (!discipline)
		return NULL;
	discipline->options = *options;
	discipline->options.reference.max_serve_distance_ns =
			(int64_t)(options->max_serve_distance_s * NS_PER_S);
	if (options->reference.local.enabled && options->reference.local.orphan)
		discipline->options.selection.orphan_stratum = options->reference.local.stratum;
	discipline->random = random;
	timeline_init(&discipline->timeline, now, clock_frequency);
	servo_init(&discipline->servo, &options->servo,
			options->initial_skew > 0 ? options->initial_frequency : clock_frequency);
	reference_init(&discipline->keeper, &discipline->options.reference);
	selection_init(&discipline->selection, &discipline->options.selection);
	init_world(discipline, clock_frequency);
	forget_time(discipline, 0);
	discipline->servo_wake_free_ns = INT64_MAX;
	return discipline;
}

void discipline_close(struct discipline *discipline)
{
	if (!discipline)
		return;
	for (unsigned i = 0; i < discipline->source_count; i++)
		source_close(&discipline->sources[i]);
	free(discipline);
}

const struct timeline *discipline_timeline(const struct discipline *discipline)
{
	return &discipline->timeline;
}

void discipline_set_own_refids(
		struct discipline *discipline, const uint32_t *refids, unsigned count)
{
	uint32_t smallest = UINT32_MAX;

	if (count > DISCIPLINE_OWN_REFIDS)
		count = DISCIPLINE_OWN_REFIDS;
	memcpy(discipline->own_refids, refids, count * sizeof(refids[0]));
	discipline->own_refid_count = count;
	for (unsigned i = 0; i < count; i++)
		if (refids[i] < smallest)
			smallest = refids[i];
	discipline->selection.own_refid = count ? smallest : 0;
}

int discipline_add(struct discipline *discipline, const struct source_options *options)
{
	unsigned free_slot = 0;

	while (free_slot < DISCIPLINE_SOURCES && discipline->sources[free_slot].used)
		free_slot++;
	if (free_slot == DISCIPLINE_SOURCES)
		return -ENOSPC;
	struct source_options full = *options;

	if (full.association.precision <= 0)
		full.association.precision = discipline->options.precision_s;
	int error = source_open(
			&discipline->sources[free_slot], &full, random_next(&discipline->random));

	if (error)
		return error;
	if (free_slot == discipline->source_count)
		discipline->source_count++;
	source_reset(&discipline->sources[free_slot], &discipline->world, 0);
	return (int)free_slot;
}

void discipline_remove(struct discipline *discipline, unsigned source)
{
	source_close(&discipline->sources[source]);
	if (discipline->selection.selected != (int)source)
		return;
	discipline->selection.selected = -1;
	discipline->followed.fresh = false;
}

unsigned discipline_samples(const struct discipline *discipline, unsigned source,
		struct sample *samples, unsigned most)
{
	const struct source *who = &discipline->sources[source];
	unsigned count = who->samples < SOURCE_HISTORY ? who->samples : SOURCE_HISTORY;

	if (count > most)
		count = most;
	for (unsigned i = 0; i < count; i++)
		samples[i] = who->history[(who->samples - count + i) % SOURCE_HISTORY];
	return count;
}

void discipline_recall(struct discipline *discipline, unsigned source, const struct sample *samples,
		unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		source_add(&discipline->sources[source], &samples[i]);
	// No reason to decide anything.
	discipline->sources[source].new_sample = false;
}

struct association *discipline_association(struct discipline *discipline, unsigned source)
{
	return discipline->sources[source].association;
}

// A step on the first answer of several sources might be a step to the one that lies.
bool discipline_awaits_answers(const struct discipline *discipline, int64_t free_ns)
{
	if (discipline->followed.known || free_ns - discipline->waiting_since_free_ns >= WAIT_NS)
		return false;
	for (unsigned i = 0; i < discipline->source_count; i++) {
		const struct source *source = &discipline->sources[i];

		if (source->used && !source->options.noselect && !source->heard)
			return true;
	}
	return false;
}

// Those whose bounds go into what is claimed tell how fast it may grow.
static void follow_bound(struct discipline *discipline, int64_t free_ns)
{
	struct bound *bound = &discipline->followed.bound;
	bool first = true;

	*bound = (struct bound){
		.known = true,
		.max_wander = discipline->world.max_clock_error,
		.free_ns = free_ns,
		.at.low_ns = discipline->selection.low_ns,
		.at.high_ns = discipline->selection.high_ns,
	};
	for (unsigned i = 0; i < discipline->source_count; i++) {
		const struct source *source = &discipline->sources[i];

		if (!source->agreed)
			continue;
		struct bound_interval proved = bound_at(&source->bound, free_ns);

		bound->at.slowest =
				first ? proved.slowest : fmin(bound->at.slowest, proved.slowest);
		bound->at.fastest =
				first ? proved.fastest : fmax(bound->at.fastest, proved.fastest);
		bound->wander = fmax(bound->wander, source->bound.wander);
		discipline->frequency_proved |= bound_proves_frequency(&source->bound);
		first = false;
	}
}

// A leap second is announced when most of those that are believed announce it (RFC 8633 section 2.6).
static enum ntp_leap majority_leap(const struct discipline *discipline)
{
	unsigned counts[NTP_LEAP_UNSYNCHRONISED + 1] = { 0 }, all = 0;

	for (unsigned i = 0; i < discipline->source_count; i++) {
		const struct source *source = &discipline->sources[i];

		if (source->agreed && source->letter != 'S') {
			counts[source->last.leap]++;
			all++;
		}
	}
	if (2 * counts[NTP_LEAP_INSERT] > all)
		return NTP_LEAP_INSERT;
	return 2 * counts[NTP_LEAP_DELETE] > all ? NTP_LEAP_DELETE : NTP_LEAP_NONE;
}

static void follow(struct discipline *discipline, int64_t free_ns)
{
	const struct source *selected = &discipline->sources[discipline->selection.selected];
	struct followed *followed = &discipline->followed;

	follow_bound(discipline, free_ns);
	followed->known = true;
	followed->leap = majority_leap(discipline);
	followed->stratum = (uint8_t)(selected->last.stratum + 1);
	followed->refid = selected->options.refid;
	followed->root_delay_ns = source_root_delay_ns(selected);
}

static int compare_moments(const void *one, const void *other)
{
	const int64_t *a = one, *b = other;

	return *a < *b ? -1 : *a > *b;
}

// The moment for which sources are compared is the middle one of their last samples: what is not known of
// our clock's frequency is the same for all, and must not make those agree that contradict each other.
static int64_t moment_of_vote(const struct discipline *discipline, int64_t free_ns)
{
	int64_t moments_ns[DISCIPLINE_SOURCES];
	unsigned count = 0;

	for (unsigned i = 0; i < discipline->source_count; i++) {
		const struct source *source = &discipline->sources[i];

		if (source->used && source->samples && !source->options.noselect)
			moments_ns[count++] = source->last.free_ns;
	}
	if (count == 0)
		return free_ns;
	qsort(moments_ns, count, sizeof(moments_ns[0]), compare_moments);
	return moments_ns[count / 2];
}

// Returns whether the selected source is another than before.
static bool reselect(struct discipline *discipline, int64_t free_ns)
{
	struct selection *selection = &discipline->selection;
	int before = selection->selected;
	int64_t vote_free_ns = moment_of_vote(discipline, free_ns);

	for (unsigned i = 0; i < discipline->source_count; i++)
		source_candidate(&discipline->sources[i], free_ns, vote_free_ns,
				&discipline->candidates[i]);
	selection->waiting = discipline_awaits_answers(discipline, free_ns);
	selection_run(selection, discipline->candidates, discipline->source_count);
	for (unsigned i = 0; i < discipline->source_count; i++) {
		const struct candidate *candidate = &discipline->candidates[i];
		struct source *source = &discipline->sources[i];

		source->new_sample = false;
		source->agreed = candidate->agreed;
		source->score = candidate->score;
		source->state = candidate->state;
		source->letter = candidate->letter;
	}
	discipline->followed.fresh = selection->selected >= 0;
	if (discipline->followed.fresh)
		follow(discipline, free_ns);
	return selection->selected != before;
}

// The mean of those selected and combined, each as far as it can be trusted, and never outside of what a
// majority proves.
static struct estimate combine(const struct discipline *discipline, int64_t free_ns)
{
	struct estimate result, one;
	double weights = 0, offset = 0, square = 0, frequency_weights = 0, frequency = 0;
	const struct selection *selection = &discipline->selection;

	source_estimate(&discipline->sources[selection->selected], free_ns, &result);
	for (unsigned i = 0; i < discipline->source_count; i++) {
		const struct candidate *candidate = &discipline->candidates[i];
		bool counts = candidate->state == SOURCE_SELECTED
				|| candidate->state == SOURCE_COMBINED;

		if (!counts || !source_estimate(&discipline->sources[i], free_ns, &one))
			continue;
		double weight = candidate_weight(candidate);
		double frequency_weight = 1 / (one.frequency_sd * one.frequency_sd + 1e-30);

		weights += weight;
		offset += weight * (double)(one.offset_ns - result.offset_ns);
		square += weight * weight * one.offset_sd_ns * one.offset_sd_ns;
		frequency_weights += frequency_weight;
		frequency += frequency_weight * one.frequency;
	}
	result.offset_ns += llround(offset / weights);
	result.offset_sd_ns = sqrt(square) / weights;
	result.frequency = frequency / frequency_weights;
	result.frequency_sd = 1 / sqrt(frequency_weights);
	if (result.offset_ns < selection->low_ns)
		result.offset_ns = selection->low_ns;
	if (result.offset_ns > selection->high_ns)
		result.offset_ns = selection->high_ns;
	return result;
}

static void note_update(struct discipline *discipline, const struct estimate *estimate,
		double frequency_before, int64_t free_ns)
{
	struct followed *followed = &discipline->followed;
	double offset_s = (double)discipline->servo.last_offset_ns / NS_PER_S;
	double weight = discipline->updates ? RMS_WEIGHT : 1;

	if (followed->updated_free_ns)
		discipline->update_interval_ns = free_ns - followed->updated_free_ns;
	discipline->rms_square += weight * (offset_s * offset_s - discipline->rms_square);
	discipline->residual_frequency = estimate->frequency - frequency_before;
	discipline->updates++;
	followed->updated = timeline_local(&discipline->timeline, free_ns);
	followed->updated_free_ns = free_ns;
}

static void update_clock(
		struct discipline *discipline, int64_t free_ns, struct discipline_command *command)
{
	struct estimate estimate = combine(discipline, free_ns);
	double frequency_before = discipline->servo.base_frequency;
	const struct bound_interval *proved = &discipline->followed.bound.at;

	discipline->followed.estimate = estimate;
	discipline->followed.estimate_free_ns = free_ns;
	discipline->world.frequency_known = true;
	discipline->world.frequency = estimate.frequency;
	discipline->world.frequency_sd = 2 * estimate.frequency_sd + 1e-7;
	discipline->world.slowest = proved->slowest;
	discipline->world.fastest = proved->fastest;
	command->clock =
			servo_update(&discipline->servo, &discipline->timeline, &estimate, free_ns);
	if (command->clock.verdict == SERVO_REFUSED || command->clock.verdict == SERVO_GIVE_UP)
		return;
	discipline->stepping = command->clock.step_ns != 0;
	note_update(discipline, &estimate, frequency_before, free_ns);
}

static void finish(struct discipline *discipline, struct discipline_command *command)
{
	discipline->servo_wake_free_ns = command->clock.wake_free_ns;
	command->wake_free_ns = command->clock.wake_free_ns;
	if (discipline->selection.waiting) {
		int64_t end_free_ns = discipline->waiting_since_free_ns + WAIT_NS;

		if (end_free_ns < command->wake_free_ns)
			command->wake_free_ns = end_free_ns;
	}
}

static void begin(const struct discipline *discipline, struct discipline_command *command)
{
	*command = (struct discipline_command){
		.clock = {
			.verdict = SERVO_NOTHING,
			.frequency = timeline_frequency(&discipline->timeline),
			.wake_free_ns = discipline->servo_wake_free_ns,
		},
	};
}

// `source` has a new sample; negative: none has.
static void decide(struct discipline *discipline, int source, int64_t free_ns,
		struct discipline_command *command)
{
	command->selection_changed = reselect(discipline, free_ns);
	int selected = discipline->selection.selected;

	// Those combined are looked at when the selected one speaks: updates are counted (makestep).
	if (selected >= 0 && (command->selection_changed || selected == source))
		update_clock(discipline, free_ns, command);
}

void discipline_on_start(struct discipline *discipline, unsigned source, utc_t now,
		struct association_action *action)
{
	int64_t free_ns = timeline_free_ns(&discipline->timeline, now);
	struct source *who = &discipline->sources[source];

	if (who->samples == 0)
		source_reset(who, &discipline->world, free_ns);
	association_start(who->association, free_ns, action);
}

void discipline_on_poll(struct discipline *discipline, unsigned source, utc_t now, uint64_t random,
		struct association_action *action, struct discipline_command *command)
{
	int64_t free_ns = timeline_free_ns(&discipline->timeline, now);

	begin(discipline, command);
	association_on_timer(discipline->sources[source].association, &discipline->timeline,
			free_ns, random, action);
	decide(discipline, -1, free_ns, command);
	finish(discipline, command);
}

enum association_verdict discipline_on_reply(struct discipline *discipline, unsigned source,
		utc_t now, const uint8_t *packet, size_t length,
		const struct association_stamp *received, struct association_action *action,
		struct discipline_command *command)
{
	int64_t free_ns = timeline_free_ns(&discipline->timeline, now);
	struct source *who = &discipline->sources[source];
	struct sample sample;
	enum association_verdict verdict = association_on_reply(who->association,
			&discipline->timeline, packet, length, received, discipline->own_refids,
			discipline->own_refid_count, &sample, action);

	begin(discipline, command);
	source_note(who, verdict);
	if (verdict == ASSOCIATION_SAMPLE)
		source_add(who, &sample);
	decide(discipline, verdict == ASSOCIATION_SAMPLE ? (int)source : -1, free_ns, command);
	finish(discipline, command);
	return verdict;
}

void discipline_on_timer(
		struct discipline *discipline, utc_t now, struct discipline_command *command)
{
	int64_t free_ns = timeline_free_ns(&discipline->timeline, now);

	begin(discipline, command);
	if (!discipline->set_up)
		command->clock = servo_stop(&discipline->servo, &discipline->timeline);
	else if (free_ns >= discipline->servo_wake_free_ns)
		command->clock = servo_continue(&discipline->servo, &discipline->timeline, free_ns);
	discipline->set_up = true;
	if (discipline->selection.waiting)
		decide(discipline, -1, free_ns, command);
	finish(discipline, command);
}

void discipline_on_jump(struct discipline *discipline, utc_t before, int64_t jump_ns)
{
	timeline_jump(&discipline->timeline, before, jump_ns);
	int64_t free_ns = timeline_free_ns(&discipline->timeline, utc_add(before, jump_ns));

	discipline->jumped_ns += jump_ns;
	discipline->set_up = false; // a slew under way has no end that makes sense now
	discipline->stepping = false;
	forget_time(discipline, free_ns);
	discipline->held = true;
	discipline->hold_until_free_ns =
			free_ns + (int64_t)(discipline->options.after_step_s * NS_PER_S);
	for (unsigned i = 0; i < discipline->source_count; i++)
		if (discipline->sources[i].used)
			source_reset(&discipline->sources[i], &discipline->world, free_ns);
}

void discipline_did(struct discipline *discipline, utc_t before, int64_t step_ns, double frequency)
{
	utc_t after = utc_add(before, step_ns);

	if (step_ns) {
		timeline_step(&discipline->timeline, before, step_ns);
		discipline->followed.updated = after;
		discipline->held = true;
		discipline->hold_until_free_ns = timeline_free_ns(&discipline->timeline, after)
				+ (int64_t)(discipline->options.after_step_s * NS_PER_S);
	}
	timeline_set_frequency(&discipline->timeline, after, frequency);
	discipline->stepping = false;
}
