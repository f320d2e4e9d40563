// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/tally.h"

#include <string.h>

void tally_init(struct tally *tally)
{
	memset(tally, 0, sizeof(*tally));
	histogram_init(&tally->latency);
	histogram_init(&tally->lag);
}

uint64_t tally_sent(const struct tally *tally)
{
	return tally->sent[MODE_BASIC] + tally->sent[MODE_INTERLEAVED];
}

uint64_t tally_ended(const struct tally *tally)
{
	uint64_t sum = 0;

	for (enum outcome i = 0; outcome_ends_request(i); i++)
		sum += tally->outcomes[i];
	return sum;
}

uint64_t tally_failures(const struct tally *tally)
{
	uint64_t sum = 0;

	for (enum outcome i = 0; i < OUTCOME_COUNT; i++)
		sum += outcome_is_failure(i) ? tally->outcomes[i] : 0;
	return sum;
}
