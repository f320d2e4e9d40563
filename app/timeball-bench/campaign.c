// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/campaign.h"

#include "timeball-bench/search.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SEARCH_LEAP      2
#define WARM_UP_MAX_RATE 50e3

static const double shares[] = { 0.1, 0.5, 0.9 };

static bool is_stopped(const struct campaign *campaign)
{
	return atomic_load_explicit(campaign->generator->stop, memory_order_relaxed);
}

// Runs one trial and keeps its result. Returns that, valid until the next, or NULL without memory.
static struct result *run_trial(
		struct campaign *campaign, enum purpose purpose, double rate_hz, double duration_s)
{
	struct generator *generator = campaign->generator;
	const struct run run = { .rate_hz = rate_hz, .duration_s = duration_s };
	size_t size = (campaign->result_count + 1) * sizeof(*campaign->results);
	struct result *results = realloc(campaign->results, size);

	if (!results)
		return NULL;
	campaign->results = results;
	struct result *result = &results[campaign->result_count++];

	*result = (struct result){ .purpose = purpose, .rate_hz = rate_hz };
	progress_set(&generator->progress->rate, (uint64_t)rate_hz);
	progress_set(&generator->progress->trial, campaign->result_count);
	generator_run(generator, &run, campaign->tally, &result->run);
	result_fill(result, campaign->tally, timebase_ticks_per_s(generator->timebase));
	campaign->failures += result_failures(result);
	return result;
}

static bool has_passed(const struct campaign *campaign, const struct result *result)
{
	return result->run.unsent == 0 && result_sent(result) > 0
			&& result_loss(result) <= campaign->options->loss;
}

// Adds a trial up to what is known of the rate that it was at.
static void note_searched(struct zero_loss *zero_loss, const struct search *search,
		const struct result *result, bool passed)
{
	if (search->clean == 0) {
		zero_loss->requests = 0;
		zero_loss->lost = 0;
	}
	zero_loss->requests += result_sent(result);
	zero_loss->lost += result_sent(result) - result->outcomes[OUTCOME_GOOD];
	if (!passed)
		zero_loss->own_limit = result->run.unsent || result->run.losses.missed
				|| result->run.losses.errors;
}

static int search_rate(struct campaign *campaign)
{
	const struct options *options = campaign->options;
	const struct search_options search_options = {
		.min_rate = options->min_rate,
		.max_rate = options->max_rate,
		.leap = SEARCH_LEAP,
		.resolution = options->resolution,
		.trials = (unsigned)options->trials,
	};
	struct zero_loss current = { 0 };
	struct search search;

	search_init(&search, &search_options);
	while (!search.over) {
		double passed_before = search.passed;
		const struct result *result = run_trial(
				campaign, PURPOSE_SEARCH, search.rate, options->duration_s);

		if (!result)
			return -ENOMEM;
		if (is_stopped(campaign))
			break;
		bool passed = has_passed(campaign, result);

		note_searched(&current, &search, result, passed);
		search_tell(&search, passed);
		if (search.passed > passed_before) {
			campaign->zero_loss.requests = current.requests;
			campaign->zero_loss.lost = current.lost;
		}
	}
	campaign->zero_loss.rate_hz = search.passed;
	campaign->zero_loss.failed_hz = search.failed;
	campaign->zero_loss.trials = search_options.trials;
	campaign->zero_loss.own_limit = current.own_limit;
	return 0;
}

static int run_search(struct campaign *campaign)
{
	int error = search_rate(campaign);

	for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		if (error || campaign->zero_loss.rate_hz == 0 || is_stopped(campaign))
			break;
		struct result *result = run_trial(campaign, PURPOSE_SHARE,
				campaign->zero_loss.rate_hz * shares[i],
				campaign->options->duration_s);

		if (result)
			result->share = shares[i];
		else
			error = -ENOMEM;
	}
	return error;
}

static int run_rates(struct campaign *campaign)
{
	const struct options *options = campaign->options;
	double rate = options->min_rate;

	for (unsigned i = 0; i < options->rate_count && !is_stopped(campaign); i++) {
		if (!run_trial(campaign, PURPOSE_RATE, options->rates[i], options->duration_s))
			return -ENOMEM;
	}
	// A hair of room, or rounding takes the last.
	for (; rate > 0 && rate <= options->max_rate * 1.0001 && !is_stopped(campaign);
			rate *= options->step) {
		if (!run_trial(campaign, PURPOSE_RATE, rate, options->duration_s))
			return -ENOMEM;
	}
	return 0;
}

// Each client once, if the time is enough for that at a rate that most servers stand.
static double warm_up_rate(const struct campaign *campaign)
{
	double each = campaign->generator->clients->count / campaign->options->warm_up_s;

	return fmin(fmax(each, 1), WARM_UP_MAX_RATE);
}

int campaign_run(struct campaign *campaign)
{
	const struct options *options = campaign->options;

	if (options->warm_up_s > 0
			&& !run_trial(campaign, PURPOSE_WARM_UP, warm_up_rate(campaign),
					options->warm_up_s))
		return -ENOMEM;
	if (is_stopped(campaign))
		return 0;
	return options->search ? run_search(campaign) : run_rates(campaign);
}
