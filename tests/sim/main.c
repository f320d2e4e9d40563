// SPDX-License-Identifier: BSD-3-Clause
// Runs scenarios and prints one table. Ends with 1 when a limit was passed.
#include "base/random.h"
#include "scenario.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SEEDS    1000
#define ENOUGH_SEEDS 10 // for a limit to all of them together

static const char usage[] =
		"Usage: sim [--report | --quick | --list] [--scenario NAME]... [--seed N] [--seeds K]\n"
		"           [--seconds S] [--trace]\n"
		"  --report    all scenarios, 20 seeds each unless --seeds says otherwise\n"
		"  --quick     the short selection, one seed\n"
		"  --seconds   no longer than that; limits of what is longer then do not count\n"
		"  --trace     prints what happens to the host that is watched\n";

struct options {
	const char *names[64];
	unsigned name_count;
	uint64_t seed;
	unsigned seeds;
	double seconds;
	bool report, quick, list, trace;
};

// Over all seeds of a scenario.
struct total {
	double squares_ns2, sum_ns, ideal_squares_ns2, frequency_squares, claim_sum_ns;
	double max_ns, worst_within_s, worst_lock_s, lying_s, least_synchronised;
	uint64_t looks, synchronised, answers, lies, events;
	double seconds;
	unsigned failures;
	int8_t poll;
};

// Infinite: never. The limit is one of measure_lock_limits_s.
static double moment_s(const double moments_s[MEASURE_LOCKS], double within_s)
{
	for (unsigned i = 0; i < MEASURE_LOCKS; i++)
		if (measure_lock_limits_s[i] <= within_s * 1.001)
			return moments_s[i] < 0 ? INFINITY : moments_s[i];
	return INFINITY;
}

// Says so when `found` is beyond its limit, if there is one; not a number is.
static bool exceeds(const struct scenario *scenario, uint64_t seed, const char *what, double found,
		double limit)
{
	if (limit <= 0 || found <= limit)
		return false;
	printf("FAILED %s, seed %llu: %s %.4g, limit %.4g\n", scenario->name,
			(unsigned long long)seed, what, found, limit);
	return true;
}

static unsigned judge_claims(
		const struct scenario *scenario, uint64_t seed, const struct measure *measure)
{
	const struct scenario_limits *limits = &scenario->limits;

	if (measure->lies == 0 || limits->may_lie || measure->lying_s < limits->lying_s)
		return 0;
	printf("FAILED %s, seed %llu: %llu answers of %llu wrong by more than they claim, the first at "
	       "%.3f s: %.0f ns, claimed %.0f ns; the last at %.3f s\n",
			scenario->name, (unsigned long long)seed, (unsigned long long)measure->lies,
			(unsigned long long)measure->answers, measure->first_lie_s,
			measure->first_lie_ns, measure->first_lie_claim_ns, measure->last_lie_s);
	return 1;
}

static double rms_limit_s(const struct scenario *scenario, double optimum_s)
{
	if (scenario->limits.rms_ratio > 0)
		return scenario->limits.rms_ratio * optimum_s;
	return scenario->limits.rms_s;
}

static double goal_s(const struct scenario *scenario, double optimum_s)
{
	if (scenario->limits.goal_ratio > 0)
		return scenario->limits.goal_ratio * optimum_s;
	return scenario->limits.goal_rms_s;
}

static unsigned judge_shares(
		const struct scenario *scenario, uint64_t seed, const struct measure *measure)
{
	const struct scenario_limits *limits = &scenario->limits;
	double looks = fmax((double)measure->looks, 1);
	double synchronised = (double)measure->synchronised / looks;
	unsigned failures = 0;

	if (limits->never_synchronised && measure->answers > 0) {
		printf("FAILED %s, seed %llu: %llu synchronised answers, the first at %.3f s\n",
				scenario->name, (unsigned long long)seed,
				(unsigned long long)measure->answers, measure->first_answer_s);
		failures++;
	}
	if (synchronised < limits->synchronised) {
		printf("FAILED %s, seed %llu: %.4g of the answers synchronised, limit %.4g\n",
				scenario->name, (unsigned long long)seed, synchronised,
				limits->synchronised);
		failures++;
	}
	failures += exceeds(scenario, seed, "share of synchronised answers", synchronised,
			limits->most_synchronised);
	return failures;
}

static unsigned judge_run(const struct scenario *scenario, uint64_t seed,
		const struct outcome *outcome, double optimum_s)
{
	const struct scenario_limits *limits = &scenario->limits;
	const struct measure *measure = &outcome->measure;
	// One run may be half as bad again as all together. A single walk tells nothing.
	bool walk = scenario->optimum == OPTIMUM_WANDER;
	double rms_limit = walk ? 0 : 1.5 * rms_limit_s(scenario, optimum_s);
	double within_s = moment_s(measure->within_s, limits->lock_within_s);
	double locked_s = moment_s(measure->locked_s, limits->lock_within_s);
	unsigned failures = judge_claims(scenario, seed, measure);

	failures += judge_shares(scenario, seed, measure);
	failures += exceeds(scenario, seed, "rms error in s", measure_rms_ns(measure) * 1e-9,
			rms_limit);
	failures += exceeds(scenario, seed, "greatest error in s", measure->max_ns * 1e-9,
			limits->max_s);
	failures += exceeds(scenario, seed, "seconds to lock", within_s, limits->lock_s);
	failures += exceeds(scenario, seed, "seconds to lock for good", locked_s, limits->keep_s);
	failures += exceeds(scenario, seed, "greatest root distance in s",
			measure->max_claim_ns * 1e-9, limits->max_claim_s);
	if (measure->looks == 0 || outcome->gave_up) {
		printf("FAILED %s, seed %llu: gave up\n", scenario->name, (unsigned long long)seed);
		failures++;
	}
	return failures;
}

static void add_run(
		const struct scenario *scenario, const struct outcome *outcome, struct total *total)
{
	const struct measure *measure = &outcome->measure;
	double lock_s = scenario->limits.lock_within_s > 0 ? scenario->limits.lock_within_s : 1e-3;

	total->squares_ns2 += measure->squares_ns2;
	total->sum_ns += measure->sum_ns;
	total->ideal_squares_ns2 += measure->ideal_squares_ns2;
	total->frequency_squares += measure->frequency_squares;
	total->claim_sum_ns += measure->claim_sum_ns;
	total->max_ns = fmax(total->max_ns, measure->max_ns);
	total->lying_s = fmax(total->lying_s, measure->lying_s);
	total->worst_within_s = fmax(total->worst_within_s, moment_s(measure->within_s, lock_s));
	total->worst_lock_s = fmax(total->worst_lock_s, moment_s(measure->locked_s, lock_s));
	total->looks += measure->looks;
	total->synchronised += measure->synchronised;
	total->answers += measure->answers;
	total->lies += measure->lies;
	total->events += outcome->events;
	total->poll = outcome->polls[0];
}

static void print_s(double seconds)
{
	double size = fabs(seconds);

	if (size == 0)
		printf("%10s", "-");
	else if (!isfinite(size))
		printf("%10s", "never");
	else if (size < 0.9995e-6)
		printf("%7.1f ns", seconds * 1e9);
	else if (size < 0.9995e-3)
		printf("%7.2f us", seconds * 1e6);
	else if (size < 0.9995)
		printf("%7.2f ms", seconds * 1e3);
	else
		printf("%8.4g s", seconds);
}

static void print_head(void)
{
	printf("%-20s%10s%10s%7s%10s%10s%10s%10s%10s%10s%10s%6s%10s%8s%5s\n", "scenario", "rms",
			"optimum", "ratio", "limit", "goal", "max", "mean", "frequency", "lock",
			"for good", "sync", "claim", "lies", "poll");
}

static void print_row(const struct scenario *scenario, const struct total *total, double optimum_s,
		bool failed)
{
	double looks = fmax((double)total->looks, 1),
	       rms_s = sqrt(total->squares_ns2 / looks) * 1e-9;
	const struct scenario_limits *limits = &scenario->limits;

	printf("%-20s", scenario->name);
	print_s(rms_s);
	print_s(optimum_s);
	if (optimum_s > 0)
		printf("%7.3f", rms_s / optimum_s);
	else
		printf("%7s", "-");
	print_s(rms_limit_s(scenario, optimum_s));
	print_s(goal_s(scenario, optimum_s));
	print_s(total->max_ns * 1e-9);
	print_s(total->sum_ns / looks * 1e-9);
	printf("%10.2g", sqrt(total->frequency_squares / looks));
	print_s(total->worst_within_s);
	print_s(total->worst_lock_s);
	printf("%6.3g", (double)total->synchronised / looks);
	print_s(total->claim_sum_ns / fmax((double)total->synchronised, 1) * 1e-9);
	printf("%8llu%5d", (unsigned long long)total->lies, total->poll);
	printf("  %s", failed ? "FAILED" : "ok");
	if (limits->lock_s > 0)
		printf(", lock <= %g s", limits->lock_s);
	if (limits->keep_s > 0)
		printf(", for good <= %g s", limits->keep_s);
	if (limits->may_lie || limits->lying_s > 0)
		printf(", wrong for %.3g s", total->lying_s);
	printf("\n");
	fflush(stdout);
}

static bool judge_total(const struct scenario *scenario, const struct total *total,
		double optimum_s, const struct options *options)
{
	double rms_s = sqrt(total->squares_ns2 / fmax((double)total->looks, 1)) * 1e-9;

	// A few runs cannot be told from bad luck: their own limits were looked at.
	if (options->seeds < ENOUGH_SEEDS)
		return true;
	return !exceeds(scenario, options->seed, "rms error of all seeds in s", rms_s,
			rms_limit_s(scenario, optimum_s));
}

static bool run_scenario(const struct scenario *scenario, const struct options *options,
		double seconds, struct total *all)
{
	struct total total = { 0 };
	struct plan plan;

	scenario_plan(scenario, seconds, &plan);
	double optimum_s = scenario_optimum_s(scenario, &plan);

	for (unsigned i = 0; i < options->seeds; i++) {
		uint64_t seed = options->seed + i, random = seed;
		struct outcome outcome;

		world_run(&plan, random_next(&random), options->trace, &outcome);
		total.failures += judge_run(scenario, seed, &outcome, optimum_s);
		total.seconds += plan.duration_s;
		add_run(scenario, &outcome, &total);
	}
	if (scenario->optimum == OPTIMUM_WANDER)
		optimum_s = sqrt(total.ideal_squares_ns2 / fmax((double)total.looks, 1)) * 1e-9;
	bool good = judge_total(scenario, &total, optimum_s, options) && total.failures == 0;

	print_row(scenario, &total, optimum_s, !good);
	all->seconds += total.seconds;
	if (!scenario->limits.may_lie && scenario->limits.lying_s <= 0) {
		all->answers += total.answers;
		all->lies += total.lies;
	}
	return good;
}

static bool is_wanted(const struct scenario *scenario, const struct options *options)
{
	if (options->quick && options->name_count == 0)
		return scenario->quick_s > 0;
	for (unsigned i = 0; i < options->name_count; i++)
		if (strncmp(scenario->name, options->names[i], strlen(options->names[i])) == 0)
			return true;
	return options->name_count == 0;
}

static void list_scenarios(void)
{
	for (unsigned i = 0; i < scenario_count; i++)
		printf("%-22s%s\n", scenarios[i].name, scenarios[i].about);
}

static int parse_options(int count, char **arguments, struct options *options)
{
	static const struct option known[] = {
		{ "report", no_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' },
		{ "list", no_argument, NULL, 'l' },
		{ "trace", no_argument, NULL, 't' },
		{ "scenario", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "seeds", required_argument, NULL, 'k' },
		{ "seconds", required_argument, NULL, 'd' },
		{ 0 },
	};

	*options = (struct options){ .seed = 1 };
	for (int key; (key = getopt_long(count, arguments, "", known, NULL)) != -1;) {
		if (key == 'r')
			options->report = true;
		else if (key == 'q')
			options->quick = true;
		else if (key == 'l')
			options->list = true;
		else if (key == 't')
			options->trace = true;
		else if (key == 'n' && options->name_count < 64)
			options->names[options->name_count++] = optarg;
		else if (key == 's')
			options->seed = strtoull(optarg, NULL, 0);
		else if (key == 'k')
			options->seeds = (unsigned)strtoul(optarg, NULL, 0);
		else if (key == 'd')
			options->seconds = strtod(optarg, NULL);
		else
			return -1;
	}
	if (options->seeds == 0)
		options->seeds = options->report ? 20 : 1;
	bool some = options->report || options->quick || options->list || options->name_count > 0;

	return optind < count || !some || options->seeds > MAX_SEEDS ? -1 : 0;
}

int main(int count, char **arguments)
{
	struct options options;
	struct total all = { 0 };
	unsigned failed = 0, run = 0;

	if (parse_options(count, arguments, &options)) {
		fputs(usage, stderr);
		return 2;
	}
	if (options.list) {
		list_scenarios();
		return 0;
	}
	print_head();
	for (unsigned i = 0; i < scenario_count; i++) {
		const struct scenario *scenario = &scenarios[i];

		if (!is_wanted(scenario, &options))
			continue;
		run++;
		failed += !run_scenario(scenario, &options,
				options.quick ? scenario->quick_s : options.seconds, &all);
	}
	printf("%.4g simulated seconds; where assumptions hold %llu answers with LI other than 3, %llu "
	       "wrong by more than they claim\n",
			all.seconds, (unsigned long long)all.answers, (unsigned long long)all.lies);
	printf("%u scenarios, %u seeds each, %u failed\n", run, options.seeds, failed);
	return failed > 0 || run == 0;
}
