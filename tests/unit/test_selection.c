// SPDX-License-Identifier: BSD-3-Clause
#include "base/utc.h"
#include "sync/selection.h"
#include "unit.h"

#include <string.h>

#define MS   INT64_C(1'000'000)
#define MOST 16

static const struct selection_options usual = {
	.max_distance_s = 3,
	.max_jitter_s = 1,
	.reselect_distance_s = 1e-4,
	.stratum_weight_s = 1e-3,
	.combine_limit = 3,
	.min_sources = 1,
	.max_stratum = 15,
};

// Milliseconds; the estimate is in the middle.
static struct candidate from_to(int64_t low, int64_t high)
{
	return (struct candidate){
		.sampled = true,
		.reachable = true,
		.synchronised = true,
		.new_sample = true,
		.stratum = 1,
		.jitter_ns = 1000,
		.low_ns = low * MS,
		.high_ns = high * MS,
		.vote_low_ns = low * MS,
		.vote_high_ns = high * MS,
		.offset_ns = (low + high) * MS / 2,
		.offset_sd_ns = 1000,
		.score = 1,
	};
}

static struct candidate with_letters(struct candidate candidate, const char *options)
{
	for (; *options; options++) {
		candidate.noselect |= *options == 'n';
		candidate.prefer |= *options == 'p';
		candidate.trust |= *options == 't';
		candidate.require |= *options == 'r';
	}
	return candidate;
}

// Runs a new selection and compares its letters.
static int run(struct selection *selection, struct candidate *candidates, const char *letters)
{
	unsigned count = (unsigned)strlen(letters);
	char found[MOST + 1] = { 0 };
	int selected = selection_run(selection, candidates, count);

	for (unsigned i = 0; i < count; i++)
		found[i] = candidates[i].letter;
	assert_string_equal(found, letters);
	return selected;
}

static int run_usual(struct candidate *candidates, const char *letters)
{
	struct selection selection;

	selection_init(&selection, &usual);
	return run(&selection, candidates, letters);
}

static void each_reason_has_its_letter(void **)
{
	struct candidate candidates[] = {
		from_to(-5, 5),
		with_letters(from_to(-1, 1), "n"),
		from_to(-1, 1),
		from_to(-1, 1),
		from_to(-1, 1),
		from_to(-1, 1),
		from_to(-1, 1),
		from_to(-4000, 4000),
	};

	candidates[2].sampled = false;
	candidates[3].reachable = false;
	candidates[4].synchronised = false;
	candidates[5].stratum = 16;
	candidates[6].jitter_ns = 2e9;
	assert_int_equal(run_usual(candidates, "*NMSsr~d"), 0);
	assert_int_equal(candidates[0].state, SOURCE_SELECTED);
	assert_int_equal(candidates[3].state, SOURCE_UNREACHABLE);
	assert_int_equal(candidates[7].state, SOURCE_DISTANT);
}

static void majority_of_intervals_decides(void **)
{
	static const struct {
		struct {
			int64_t low, high;
		} intervals[6];
		const char *letters;
		int64_t low, high; // what is proved
	} cases[] = {
		{ { { -1, 1 } }, "*", -1, 1 },
		// Two that contradict each other: no majority.
		{ { { -1, 1 }, { 2, 4 } }, "xx", 0, 0 },
		{ { { -1, 2 }, { 1, 5 } }, "*D", 1, 2 },
		// Touching is enough.
		{ { { -1, 1 }, { 1, 3 } }, "*D", 1, 1 },
		{ { { -1, 2 }, { 0, 3 }, { 10, 11 } }, "*+x", 0, 2 },
		// Three of five; and no word of the third only.
		{ { { -2, 2 }, { -1, 3 }, { -3, 1 }, { 50, 51 }, { -51, -50 } }, "*++xx", -1, 1 },
		{ { { 0, 1 }, { 0, 1 }, { 10, 11 }, { 20, 21 }, { 30, 31 } }, "xxxxx", 0, 0 },
		// Two pairs: neither is a majority.
		{ { { 0, 1 }, { 0, 1 }, { 10, 11 }, { 10, 11 } }, "xxxx", 0, 0 },
		// What a majority could have in common is claimed, more than what most have in common.
		{ { { 0, 10 }, { 0, 10 }, { 0, 10 }, { 9, 30 }, { 9, 30 } }, "*++DD", 0, 10 },
		{ { { 0, 8 }, { 0, 9 }, { 2, 8 }, { 8, 30 } }, "++*D", 2, 8 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct candidate candidates[6];
		struct selection selection;

		for (unsigned j = 0; j < 6; j++)
			candidates[j] = from_to(
					cases[i].intervals[j].low, cases[i].intervals[j].high);
		selection_init(&selection, &usual);
		if (run(&selection, candidates, cases[i].letters) < 0)
			continue;
		assert_int_equal(selection.low_ns, cases[i].low * MS);
		assert_int_equal(selection.high_ns, cases[i].high * MS);
	}
}

// Honest intervals hold the truth, the others are anywhere: with an honest majority something is found and the
// truth is in it; and whatever is followed, more than half have a point in common.
static void truth_is_found_by_an_honest_majority(void **)
{
	uint64_t random = test_seed();

	for (int round = 0; round < 100'000; round++) {
		unsigned count = 1 + (unsigned)random_below(&random, MOST);
		unsigned honest = (unsigned)random_below(&random, count + 1);
		int64_t truth = (int64_t)random_below(&random, 200) - 100;
		struct candidate candidates[MOST];
		struct selection selection;

		for (unsigned i = 0; i < count; i++) {
			int64_t radius = (int64_t)random_below(&random, 40);
			int64_t to_the_right = (int64_t)random_below(&random, 2 * radius + 1);
			int64_t middle = i < honest ? truth + to_the_right - radius
						    : (int64_t)random_below(&random, 300) - 150;

			candidates[i] = from_to(middle - radius, middle + radius);
		}
		selection_init(&selection, &usual);
		int selected = selection_run(&selection, candidates, count);

		if (2 * honest > count) {
			assert_true(selected >= 0);
			assert_true(selection.low_ns <= truth * MS);
			assert_true(selection.high_ns >= truth * MS);
		}
		if (selected < 0)
			continue;
		unsigned deepest = 0;

		for (int64_t at = -200; at <= 200; at++) {
			unsigned depth = 0;

			for (unsigned i = 0; i < count; i++)
				depth += candidates[i].low_ns <= at * MS
						&& candidates[i].high_ns >= at * MS;
			deepest = depth > deepest ? depth : deepest;
			if (2 * depth > count)
				assert_true(selection.low_ns <= at * MS
						&& selection.high_ns >= at * MS);
		}
		assert_true(2 * deepest > count);
	}
}

// Of a clock whose frequency nobody knows yet anything is possible, and would be agreed on.
static void belief_finds_the_liar_and_proof_is_claimed(void **)
{
	struct candidate candidates[] = { from_to(-1, 1), from_to(0, 2), from_to(100, 101) };
	struct selection selection;

	for (unsigned i = 0; i < 3; i++) {
		candidates[i].low_ns -= 200 * MS;
		candidates[i].high_ns += 200 * MS;
	}
	selection_init(&selection, &usual);
	assert_int_equal(run(&selection, candidates, "*+x"), 0);
	assert_int_equal(selection.low_ns, -200 * MS);
	assert_int_equal(selection.high_ns, 202 * MS);
}

static void falseticker_is_never_combined(void **)
{
	uint64_t random = test_seed();

	for (int round = 0; round < 20'000; round++) {
		struct candidate candidates[MOST];
		struct selection selection;

		for (unsigned i = 0; i < MOST; i++) {
			int64_t low = (int64_t)random_below(&random, 100);

			candidates[i] = from_to(low, low + (int64_t)random_below(&random, 60));
		}
		selection_init(&selection, &usual);
		if (selection_run(&selection, candidates, MOST) < 0)
			continue;
		for (unsigned i = 0; i < MOST; i++) {
			if (candidates[i].letter != '+')
				continue;
			assert_true(candidates[i].agreed);
			assert_true(candidates[i].offset_ns >= selection.low_ns);
			assert_true(candidates[i].offset_ns <= selection.high_ns);
		}
	}
}

static void prefer_trust_require_and_minsources(void **)
{
	struct candidate preferred[] = {
		from_to(-1, 1),
		with_letters(from_to(-2, 2), "p"),
		from_to(-1, 1),
		with_letters(from_to(8, 9), "p"),
	};
	// The word of one that is trusted outweighs any number.
	struct candidate trusted[] = {
		from_to(10, 11),
		with_letters(from_to(-1, 1), "t"),
		from_to(10, 11),
		from_to(0, 2),
	};
	struct candidate required[] = { from_to(-1, 1), from_to(-1, 1),
		with_letters(from_to(-1, 1), "r") };
	struct selection selection;

	assert_int_equal(run_usual(preferred, "P*Px"), 1);
	assert_int_equal(run_usual(trusted, "T*T+"), 1);
	assert_int_equal(run_usual(required, "*++"), 0);
	required[2].reachable = false;
	assert_int_equal(run_usual(required, "WWS"), -1);
	selection_init(&selection, &usual);
	selection.options.min_sources = 3;
	struct candidate few[] = { from_to(-1, 1), from_to(-1, 1), from_to(-1, 1) };

	assert_int_equal(run(&selection, few, "*++"), 0);
	few[2].synchronised = false;
	assert_int_equal(run(&selection, few, "WWs"), -1);
	few[2] = from_to(7, 8);
	assert_int_equal(run(&selection, few, "WWx"), -1);
}

static void waiting_for_others_selects_nobody(void **)
{
	struct candidate candidates[] = { from_to(-1, 1), from_to(-1, 1) };
	struct selection selection;

	candidates[1].sampled = false;
	selection_init(&selection, &usual);
	selection.waiting = true;
	assert_int_equal(run(&selection, candidates, "wM"), -1);
	selection.waiting = false;
	assert_int_equal(run(&selection, candidates, "*M"), 0);
}

static void witness_has_a_voice_and_cannot_be_selected(void **)
{
	struct candidate candidates[] = { from_to(-1, 1), from_to(0, 1), from_to(8, 9) };
	struct selection selection;

	selection_init(&selection, &usual);
	assert_int_equal(run(&selection, candidates, "+*x"), 1);
	candidates[0].reachable = candidates[1].reachable = false;
	assert_int_equal(run(&selection, candidates, "SSx"), -1);
	// What was a falseticker while it answered is no witness.
	candidates[2].reachable = false;
	candidates[1].reachable = true;
	assert_int_equal(run(&selection, candidates, "S*S"), 1);
	assert_int_equal(selection.low_ns, 0);
	struct candidate alone[] = { from_to(-1, 1), from_to(8, 9) };

	alone[1].reachable = false;
	assert_int_equal(run_usual(alone, "*S"), 0);
}

static void nearest_is_selected_and_kept_while_others_are_little_nearer(void **)
{
	struct candidate candidates[] = { from_to(-10, 10), from_to(-20, 20) };
	struct selection selection;

	selection_init(&selection, &usual);
	assert_int_equal(run(&selection, candidates, "*+"), 0);
	candidates[1].low_ns = -9'950'000;
	candidates[1].high_ns = 9'950'000;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(run(&selection, candidates, "*+"), 0);
	// Half as far: for a few samples only that is chance.
	candidates[1].low_ns = -5 * MS;
	candidates[1].high_ns = 5 * MS;
	for (int i = 0; i < 3; i++)
		assert_int_equal(run(&selection, candidates, "*+"), 0);
	candidates[1].new_sample = false;
	for (int i = 0; i < 10; i++)
		assert_int_equal(run(&selection, candidates, "*+"), 0);
	candidates[1].new_sample = true;
	assert_int_equal(run(&selection, candidates, "+*"), 1);
	// Unreachable, it is left at once.
	candidates[1].reachable = false;
	assert_int_equal(run(&selection, candidates, "*S"), 0);
}

static void stratum_counts_as_distance(void **)
{
	struct candidate candidates[] = { from_to(-10, 10), from_to(-11, 11) };

	candidates[0].stratum = 3;
	assert_int_equal(run_usual(candidates, "+*"), 1);
	candidates[0].stratum = 2;
	candidates[1].high_ns += MS;
	assert_int_equal(run_usual(candidates, "*+"), 0);
}

static void distant_one_is_not_combined(void **)
{
	struct candidate candidates[] = { from_to(-1, 1), from_to(-2, 2), from_to(-4, 4) };

	assert_int_equal(run_usual(candidates, "*+D"), 0);
	// The nearer counts for more, the noisier for less.
	assert_true(candidate_weight(&candidates[0]) > 2 * candidate_weight(&candidates[1]));
	candidates[0].offset_sd_ns = 1e6;
	assert_true(candidate_weight(&candidates[0]) < candidate_weight(&candidates[1]));
}

static void orphans_follow_the_smallest_refid(void **)
{
	struct candidate candidates[] = { from_to(-1, 1), from_to(-9, 9), from_to(-1, 1) };
	struct selection selection;

	for (unsigned i = 0; i < 3; i++)
		candidates[i].stratum = 10;
	candidates[0].refid = 0x0a000003;
	candidates[1].refid = 0x0a000001;
	candidates[2].refid = 0x0a000002;
	selection_init(&selection, &usual);
	selection.options.orphan_stratum = 10;
	selection.own_refid = 0x0a000004;
	assert_int_equal(run(&selection, candidates, "O*O"), 1);
	candidates[1].reachable = false;
	assert_int_equal(run(&selection, candidates, "OS*"), 2);
	// Ours is the smallest of those that are left: everybody follows us.
	selection.own_refid = 0x0a000002;
	assert_int_equal(run(&selection, candidates, "OSO"), -1);
	candidates[1].reachable = true;
	candidates[0].stratum = 9;
	assert_int_equal(run(&selection, candidates, "*OO"), 0);
	candidates[0].stratum = 11;
	assert_int_equal(run(&selection, candidates, "O*O"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_reason_has_its_letter),
		cmocka_unit_test(majority_of_intervals_decides),
		cmocka_unit_test(truth_is_found_by_an_honest_majority),
		cmocka_unit_test(belief_finds_the_liar_and_proof_is_claimed),
		cmocka_unit_test(falseticker_is_never_combined),
		cmocka_unit_test(prefer_trust_require_and_minsources),
		cmocka_unit_test(waiting_for_others_selects_nobody),
		cmocka_unit_test(witness_has_a_voice_and_cannot_be_selected),
		cmocka_unit_test(nearest_is_selected_and_kept_while_others_are_little_nearer),
		cmocka_unit_test(stratum_counts_as_distance),
		cmocka_unit_test(distant_one_is_not_combined),
		cmocka_unit_test(orphans_follow_the_smallest_refid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
