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
	struct local_clock *clock;
	struct latch *page;       // what the workers read
	double clock_precision_s; // 0: measure
};

// Measures the counter (20 ms) and starts the thread; nothing is published before the first
// publisher_say(). Returns 0 or -errno.
int publisher_open(struct publisher **publisher, const struct publisher_options *options);
void publisher_close(struct publisher *publisher); // NULL is fine
// What to claim from now on, and that the control thread lives. Control thread only.
void publisher_say(struct publisher *publisher, const struct reference *reference);

// What is to be done to the clock, at once: first the step, then the frequency.
struct publisher_change {
	int64_t step_ns;  // in: 0 for none; out: what was done, 0 if it failed
	double frequency; // in: wished for; out: what the clock runs at
	utc_t before;     // out: what the clock showed when it was done, the step not included
};

// Does it, and publishes it in the same breath. While a step is made and until the next publisher_say() the
// page says that it is not synchronised: what was said before is not true of the clock after it. Control
// thread only. Returns 0 or -errno of the clock.
int publisher_change(struct publisher *publisher, struct publisher_change *change);

// What the publisher measured, for the log.
struct publisher_report {
	double counter_hz;
	int8_t precision;     // log2 seconds
	int64_t map_error_ns; // now
	uint64_t steps;       // of the clock, since start
};

void publisher_describe(const struct publisher *publisher, struct publisher_report *report);
