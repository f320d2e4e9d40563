// SPDX-License-Identifier: BSD-3-Clause
// The thread that writes the time page: every few milliseconds it pairs counter and clock anew and
// adds what the control thread last said of the reference. The page outlives the control thread's
// last word by PAGE_LIFETIME_NS only, so that a dead control thread is soon a silent claim.
#pragma once

#include "base/latch.h"
#include "sync/reference.h"
#include "timing/counter.h"
#include "timing/local_clock.h"

#define PAGE_LIFETIME_NS INT64_C(800'000'000)

struct publisher;

struct publisher_options {
	const struct counter *counter;
	const struct local_clock *clock;
	struct latch *page;       // what the workers read
	double clock_precision_s; // 0: measure
};

// Measures the counter (20 ms) and starts the thread; nothing is published before the first
// publisher_say(). Returns 0 or -errno.
int publisher_open(struct publisher **publisher, const struct publisher_options *options);
void publisher_close(struct publisher *publisher); // NULL is fine
// What to claim from now on, and that the control thread lives. Control thread only.
void publisher_say(struct publisher *publisher, const struct reference *reference);

// What the publisher measured, for the log.
struct publisher_report {
	double counter_hz;
	int8_t precision;     // log2 seconds
	int64_t map_error_ns; // now
	uint64_t steps;       // of the clock, since start
};

void publisher_describe(const struct publisher *publisher, struct publisher_report *report);
