// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/result.h"

#include <string.h>

const char *purpose_name(enum purpose purpose)
{
	static const char *const names[] = {
		[PURPOSE_WARM_UP] = "warm_up",
		[PURPOSE_RATE] = "rate",
		[PURPOSE_SEARCH] = "search",
		[PURPOSE_SHARE] = "share",
	};

	return names[purpose];
}

static struct quantiles quantiles_of(const struct histogram *histogram, double ticks_per_s)
{
	double us = 1e6 / ticks_per_s;

	if (histogram->total == 0)
		return (struct quantiles){ 0 };
	return (struct quantiles){
		.min_us = (double)histogram->min * us,
		.p50_us = (double)histogram_quantile(histogram, 0.5) * us,
		.p99_us = (double)histogram_quantile(histogram, 0.99) * us,
		.p999_us = (double)histogram_quantile(histogram, 0.999) * us,
		.max_us = (double)histogram->max * us,
	};
}

void result_fill(struct result *result, const struct tally *tally, double ticks_per_s)
{
	memcpy(result->sent, tally->sent, sizeof(result->sent));
	memcpy(result->outcomes, tally->outcomes, sizeof(result->outcomes));
	memcpy(result->good, tally->good, sizeof(result->good));
	memcpy(result->offset, tally->offset, sizeof(result->offset));
	memcpy(result->residence, tally->residence, sizeof(result->residence));
	result->fell_back = tally->fell_back;
	result->unfinished = tally->unfinished;
	result->receive_shared = tally->receive_shared;
	result->latency = quantiles_of(&tally->latency, ticks_per_s);
	result->lag = quantiles_of(&tally->lag, ticks_per_s);
}

uint64_t result_sent(const struct result *result)
{
	return result->sent[MODE_BASIC] + result->sent[MODE_INTERLEAVED];
}

uint64_t result_failures(const struct result *result)
{
	uint64_t sum = 0;

	for (enum outcome i = 0; i < OUTCOME_COUNT; i++)
		sum += outcome_is_failure(i) ? result->outcomes[i] : 0;
	return sum;
}

double result_loss(const struct result *result)
{
	uint64_t sent = result_sent(result);

	return sent ? (double)(sent - result->outcomes[OUTCOME_GOOD]) / (double)sent : 0;
}
