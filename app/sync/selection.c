// SPDX-License-Identifier: BSD-3-Clause
#include "sync/selection.h"

#include "base/utc.h"

#include <math.h>
#include <stdlib.h>

#define EDGES_MOST  256 // two for each of 128
#define SCORE_LIMIT 10  // a rival takes over when its distance was smaller for long enough
// Asymmetry is not in an estimator's deviation; that of most links is below an eighth of the distance.
#define ASYMMETRY 0.125

struct edge {
	int64_t at_ns;
	int step; // 1: an interval begins, -1: it ends
};

struct region {
	unsigned deepest;
	int64_t deepest_low_ns, deepest_high_ns;   // what the most have in common
	int64_t majority_low_ns, majority_high_ns; // what a majority could have in common
};

static void mark(struct candidate *candidate, enum source_state state, char letter)
{
	candidate->state = state;
	candidate->letter = letter;
}

// Still in the running. U until something else is found.
static bool is_open(const struct candidate *candidate)
{
	return candidate->letter == 'U';
}

// No longer answers, but its bound goes on being true: it has a voice and cannot be selected.
static bool is_witness(const struct candidate *candidate)
{
	return candidate->letter == 'S' && candidate->agreed && !candidate->noselect;
}

static bool is_voter(const struct candidate *candidate)
{
	return is_open(candidate) || is_witness(candidate);
}

int64_t candidate_distance_ns(const struct candidate *candidate)
{
	return candidate->high_ns / 2 - candidate->low_ns / 2;
}

double candidate_weight(const struct candidate *candidate)
{
	double asymmetry_ns = ASYMMETRY * (double)candidate_distance_ns(candidate);

	return 1
			/ (candidate->offset_sd_ns * candidate->offset_sd_ns
					+ asymmetry_ns * asymmetry_ns + 1);
}

static void look_alone(const struct selection *selection, struct candidate *candidate)
{
	const struct selection_options *options = &selection->options;
	double distance_s = (double)candidate_distance_ns(candidate) / NS_PER_S;

	if (candidate->noselect)
		mark(candidate, SOURCE_NOSELECT, 'N');
	else if (!candidate->sampled)
		mark(candidate, SOURCE_UNREACHABLE, 'M');
	else if (distance_s > options->max_distance_s)
		mark(candidate, SOURCE_DISTANT, 'd');
	else if (!candidate->reachable)
		mark(candidate, SOURCE_UNREACHABLE, 'S');
	else if (!candidate->synchronised)
		mark(candidate, SOURCE_UNSYNCHRONISED, 's');
	else if (candidate->stratum > options->max_stratum)
		mark(candidate, SOURCE_UNSYNCHRONISED, 'r');
	else if (candidate->jitter_ns > options->max_jitter_s * NS_PER_S)
		mark(candidate, SOURCE_JITTERY, '~');
	else if (selection->waiting)
		mark(candidate, SOURCE_WAITING, 'w');
	else
		mark(candidate, SOURCE_WAITING, 'U');
}

// Sources at or beyond the orphan stratum have no real time. If there is nothing better, the one with the
// smallest refid is everybody's reference, unless that is us.
static void sort_out_orphans(
		const struct selection *selection, struct candidate *candidates, unsigned count)
{
	uint8_t orphan_stratum = selection->options.orphan_stratum;
	struct candidate *smallest = NULL;
	bool real = false;

	if (orphan_stratum == 0)
		return;
	for (unsigned i = 0; i < count; i++) {
		struct candidate *candidate = &candidates[i];

		if (!is_open(candidate))
			continue;
		if (candidate->stratum < orphan_stratum)
			real = true;
		else if (candidate->stratum == orphan_stratum
				&& candidate->refid < selection->own_refid
				&& (!smallest || candidate->refid < smallest->refid))
			smallest = candidate;
	}
	for (unsigned i = 0; i < count; i++) {
		struct candidate *candidate = &candidates[i];

		if (is_open(candidate) && candidate->stratum >= orphan_stratum
				&& (real || candidate != smallest))
			mark(candidate, SOURCE_WAITING, 'O');
	}
}

static int compare_edges(const void *one, const void *other)
{
	const struct edge *a = one, *b = other;

	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns ? -1 : 1;
	return b->step - a->step; // intervals that touch have a point in common
}

// False when no point belongs to a majority of the `voters`.
static bool find_region(struct edge *edges, unsigned voters, struct region *region)
{
	unsigned majority = voters / 2 + 1, depth = 0;
	bool found = false;

	qsort(edges, 2 * voters, sizeof(edges[0]), compare_edges);
	region->deepest = 0;
	for (unsigned i = 0; i < 2 * voters; i++) {
		// Where an interval ends, the depth before it still held.
		if (edges[i].step < 0) {
			if (depth >= majority)
				region->majority_high_ns = edges[i].at_ns;
			if (depth == region->deepest)
				region->deepest_high_ns = edges[i].at_ns;
		}
		depth += edges[i].step;
		if (edges[i].step < 0)
			continue;
		if (depth >= majority && !found) {
			found = true;
			region->majority_low_ns = edges[i].at_ns;
		}
		if (depth > region->deepest) {
			region->deepest = depth;
			region->deepest_low_ns = edges[i].at_ns;
		}
	}
	return found;
}

static bool somebody_is_trusted(const struct candidate *candidates, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (is_voter(&candidates[i]) && candidates[i].trust)
			return true;
	return false;
}

// By the bounds as believed, or by what is proved.
static bool vote(const struct candidate *candidates, unsigned count, bool proved,
		struct region *region)
{
	struct edge edges[EDGES_MOST];
	unsigned voters = 0;
	bool trusted_only = somebody_is_trusted(candidates, count);

	for (unsigned i = 0; i < count && voters < EDGES_MOST / 2; i++) {
		const struct candidate *one = &candidates[i];

		if (!is_voter(one) || (trusted_only && !one->trust))
			continue;
		edges[2 * voters] = (struct edge){ proved ? one->low_ns : one->vote_low_ns, 1 };
		edges[2 * voters + 1] =
				(struct edge){ proved ? one->high_ns : one->vote_high_ns, -1 };
		voters++;
	}
	return voters && find_region(edges, voters, region);
}

// Without a region there is no telling who lies: nobody is believed.
static void name_falsetickers(
		struct candidate *candidates, unsigned count, const struct region *region)
{
	bool trusted = region && somebody_is_trusted(candidates, count);

	for (unsigned i = 0; i < count; i++) {
		struct candidate *candidate = &candidates[i];

		if (!is_voter(candidate)) {
			candidate->agreed = false;
			continue;
		}
		candidate->agreed = region && candidate->vote_low_ns <= region->deepest_high_ns
				&& candidate->vote_high_ns >= region->deepest_low_ns;
		if (!candidate->agreed && is_open(candidate))
			mark(candidate, SOURCE_FALSETICKER,
					trusted && !candidate->trust ? 'T' : 'x');
	}
}

static void mark_open(
		struct candidate *candidates, unsigned count, enum source_state state, char letter)
{
	for (unsigned i = 0; i < count; i++)
		if (is_open(&candidates[i]))
			mark(&candidates[i], state, letter);
}

// minsources, require, prefer.
static void apply_policy(
		const struct selection *selection, struct candidate *candidates, unsigned count)
{
	unsigned open = 0;
	bool wanted = false, satisfied = false, preferred = false;

	for (unsigned i = 0; i < count; i++) {
		wanted |= candidates[i].require && !candidates[i].noselect;
		if (!is_open(&candidates[i]))
			continue;
		open++;
		satisfied |= candidates[i].require;
		preferred |= candidates[i].prefer;
	}
	if (open < selection->options.min_sources || (wanted && !satisfied))
		mark_open(candidates, count, SOURCE_WAITING, 'W');
	for (unsigned i = 0; i < count; i++)
		if (preferred && is_open(&candidates[i]) && !candidates[i].prefer)
			mark(&candidates[i], SOURCE_NOT_COMBINED, 'P');
}

static double weighted_distance_s(const struct selection *selection,
		const struct candidate *candidate, uint8_t least_stratum)
{
	return (double)candidate_distance_ns(candidate) / NS_PER_S
			+ (candidate->stratum - least_stratum)
			* selection->options.stratum_weight_s;
}

static uint8_t least_stratum_of(const struct candidate *candidates, unsigned count)
{
	uint8_t least = UINT8_MAX;

	for (unsigned i = 0; i < count; i++)
		if (is_open(&candidates[i]) && candidates[i].stratum < least)
			least = candidates[i].stratum;
	return least;
}

// The nearest, or the one that is followed until another was nearer, by reselectdist and for a while.
static int choose(const struct selection *selection, struct candidate *candidates, unsigned count)
{
	uint8_t least_stratum = least_stratum_of(candidates, count);
	int last = selection->selected, nearest = -1, rival = -1;
	bool stays = last >= 0 && (unsigned)last < count && is_open(&candidates[last]);
	double least_s = INFINITY, last_s = 0;

	if (stays)
		last_s = weighted_distance_s(selection, &candidates[last], least_stratum);
	for (unsigned i = 0; i < count; i++) {
		struct candidate *candidate = &candidates[i];

		if (!is_open(candidate)) {
			candidate->score = 1;
			continue;
		}
		double distance_s = weighted_distance_s(selection, candidate, least_stratum);

		if (distance_s < least_s) {
			least_s = distance_s;
			nearest = (int)i;
		}
		if (!stays || (int)i == last) {
			candidate->score = 1;
			continue;
		}
		if (candidate->new_sample)
			candidate->score = fmax(1,
					candidate->score * last_s
							/ (distance_s + selection->options.reselect_distance_s));
		if (candidate->score > SCORE_LIMIT
				&& (rival < 0 || candidate->score > candidates[rival].score))
			rival = (int)i;
	}
	if (!stays)
		return nearest;
	return rival >= 0 ? rival : last;
}

// Averaging with what is much further off, or with an estimate that a majority excludes, is no gain.
static void combine(const struct selection *selection, struct candidate *candidates, unsigned count)
{
	const struct candidate *best = &candidates[selection->selected];
	uint8_t least_stratum = least_stratum_of(candidates, count);
	double limit_s = selection->options.combine_limit
			* weighted_distance_s(selection, best, least_stratum);

	for (unsigned i = 0; i < count; i++) {
		struct candidate *candidate = &candidates[i];

		if (!is_open(candidate) || candidate == best)
			continue;
		if (weighted_distance_s(selection, candidate, least_stratum) > limit_s
				|| candidate->offset_ns < selection->low_ns
				|| candidate->offset_ns > selection->high_ns)
			mark(candidate, SOURCE_NOT_COMBINED, 'D');
		else
			mark(candidate, SOURCE_COMBINED, '+');
	}
	mark(&candidates[selection->selected], SOURCE_SELECTED, '*');
}

void selection_init(struct selection *selection, const struct selection_options *options)
{
	*selection = (struct selection){ .options = *options, .selected = -1 };
}

int selection_run(struct selection *selection, struct candidate *candidates, unsigned count)
{
	struct region region, proved;

	for (unsigned i = 0; i < count; i++)
		look_alone(selection, &candidates[i]);
	sort_out_orphans(selection, candidates, count);
	// Where believed bounds meet, proved ones do: they are no narrower.
	bool found = vote(candidates, count, true, &proved)
			&& vote(candidates, count, false, &region);

	name_falsetickers(candidates, count, found ? &region : NULL);
	apply_policy(selection, candidates, count);
	int chosen = choose(selection, candidates, count);

	if (chosen >= 0 && chosen != selection->selected)
		for (unsigned i = 0; i < count; i++)
			candidates[i].score = 1;
	selection->selected = chosen;
	if (chosen >= 0) {
		selection->low_ns = proved.majority_low_ns;
		selection->high_ns = proved.majority_high_ns;
		combine(selection, candidates, count);
	}
	return chosen;
}
