// SPDX-License-Identifier: BSD-3-Clause
// Whether a measurement's round trip is short enough to believe it, by what was seen before: the
// maxdelay* options of chrony.conf(5). Pure; the control thread's.
#pragma once

#include <stdint.h>

#define DELAY_FILTER_HISTORY 128

struct delay_limits {
	double maximum_s;       // maxdelay, 0: 16 s
	double ratio;           // maxdelayratio, of the shortest; 0 here and below: no such test
	double deviation_ratio; // maxdelaydevratio, of the excess to the deviation of a measurement
	double quantile;        // maxdelayquant; replaces the test above
	double minimum_s;       // mindelay, 0: the shortest that was seen
};

struct delay_filter {
	struct delay_limits limits;
	int64_t history_ns[DELAY_FILTER_HISTORY]; // a ring of what passed; all with `quantile`
	unsigned count, next;
	unsigned refused_in_a_row;
};

void delay_filter_init(struct delay_filter *filter, const struct delay_limits *limits);
// Judges a round trip and remembers it. Returns the tests it fails, of CLIENT_TEST_DELAY*. What the
// `doubt_ns` may explain is not held against it.
unsigned delay_filter_judge(struct delay_filter *filter, int64_t delay_ns, int64_t doubt_ns);
// What counts as the shortest round trip, negative while none is known.
int64_t delay_filter_minimum_ns(const struct delay_filter *filter);
