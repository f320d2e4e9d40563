// SPDX-License-Identifier: BSD-3-Clause
#include "sync/delay_filter.h"

#include "base/utc.h"
#include "sync/client_packet.h"

#include <math.h>
#include <stdbool.h>

#define MAXIMUM_S 16 // MAXDISP of RFC 5905: worth nothing in any case
// A deviation or quantile of fewer says little.
#define COUNT_MIN 16
// So many refused one after the other are no queue but another path: what was known is void.
#define REFUSED_MAX 8

static double deviation_ns(const struct delay_filter *filter)
{
	double sum = 0, squares = 0;

	for (unsigned i = 0; i < filter->count; i++)
		sum += (double)filter->history_ns[i];
	for (unsigned i = 0; i < filter->count; i++) {
		double rest = (double)filter->history_ns[i] - sum / filter->count;

		squares += rest * rest;
	}
	// Of the offset: delays there and back are independent, and half of each goes into it.
	return sqrt(squares / (filter->count - 1)) / 2;
}

static bool is_above_quantile(const struct delay_filter *filter, int64_t delay_ns)
{
	unsigned shorter = 0;

	for (unsigned i = 0; i < filter->count; i++)
		shorter += filter->history_ns[i] < delay_ns;
	return shorter >= filter->limits.quantile * (filter->count + 1);
}

static unsigned find_failures(const struct delay_filter *filter, int64_t delay_ns, int64_t doubt_ns)
{
	const struct delay_limits *limits = &filter->limits;
	double maximum_s = limits->maximum_s > 0 ? limits->maximum_s : MAXIMUM_S;
	double sure_ns = (double)delay_ns - (double)doubt_ns;
	double shortest_ns = (double)delay_filter_minimum_ns(filter);

	// Shorter than nothing: the stamps are not of the same packets, or one of the clocks was set.
	if (sure_ns > maximum_s * NS_PER_S || delay_ns < -doubt_ns)
		return CLIENT_TEST_DELAY;
	if (shortest_ns < 0)
		return 0;
	if (limits->ratio > 0 && sure_ns > limits->ratio * shortest_ns)
		return CLIENT_TEST_DELAY_RATIO;
	if (filter->count < COUNT_MIN)
		return 0;
	if (limits->quantile > 0)
		return is_above_quantile(filter, delay_ns) ? CLIENT_TEST_DELAY_DEVIATION : 0;
	if (limits->deviation_ratio > 0
			&& sure_ns - shortest_ns > limits->deviation_ratio * deviation_ns(filter))
		return CLIENT_TEST_DELAY_DEVIATION;
	return 0;
}

static void remember(struct delay_filter *filter, int64_t delay_ns)
{
	filter->history_ns[filter->next] = delay_ns;
	filter->next = (filter->next + 1) % DELAY_FILTER_HISTORY;
	filter->count += filter->count < DELAY_FILTER_HISTORY;
}

void delay_filter_init(struct delay_filter *filter, const struct delay_limits *limits)
{
	*filter = (struct delay_filter){ .limits = *limits };
}

unsigned delay_filter_judge(struct delay_filter *filter, int64_t delay_ns, int64_t doubt_ns)
{
	unsigned failures = find_failures(filter, delay_ns, doubt_ns);
	int64_t remembered_ns = delay_ns > 0 ? delay_ns : 1;

	if (failures & CLIENT_TEST_DELAY)
		return failures;
	if (filter->limits.quantile > 0) {
		remember(filter, remembered_ns);
		return failures;
	}
	if (failures && ++filter->refused_in_a_row < REFUSED_MAX)
		return failures;
	if (failures) {
		filter->count = 0;
		filter->next = 0;
	}
	filter->refused_in_a_row = 0;
	remember(filter, remembered_ns);
	return 0;
}

int64_t delay_filter_minimum_ns(const struct delay_filter *filter)
{
	int64_t shortest_ns = filter->count > 0 ? filter->history_ns[0] : -1;

	if (filter->limits.minimum_s > 0)
		return llround(filter->limits.minimum_s * NS_PER_S);
	for (unsigned i = 1; i < filter->count; i++)
		if (filter->history_ns[i] < shortest_ns)
			shortest_ns = filter->history_ns[i];
	return shortest_ns;
}
