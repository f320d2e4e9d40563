// SPDX-License-Identifier: BSD-3-Clause
// A simulated machine that runs timeball: oscillator, kernel clock, the discipline that ships, and the
// pages its workers would answer from. What control/ does with sockets and timers happens here in
// virtual time.
#pragma once

#include "events.h"
#include "kernel_clock.h"
#include "measure.h"
#include "plan.h"
#include "timing/time_page.h"

// One upstream of it.
struct upstream {
	uint64_t poll_generation; // of the timer
	int64_t poll_free_ns;     // when it is due
	uint64_t request;         // numbers what was sent; the server sees the port in it
	unsigned verdicts[ASSOCIATION_VERDICTS];
};

struct host {
	const struct plan *plan;
	const struct host_options *options;
	unsigned number;
	struct events *events;
	uint64_t random;
	struct oscillator oscillator;
	struct kernel_clock clock;
	struct discipline *discipline; // NULL: off
	struct upstream upstream[PLAN_UPSTREAM];
	uint64_t timer_generation;
	int64_t timer_free_ns;
	bool asleep;
	bool gave_up;
	double frequency_before, skew_before; // for the drift file
	double pending_jump_ns;               // done by others, not noticed yet

	// What the publisher last made.
	struct reference word;
	int64_t word_true_ns; // when control said it, negative: never
	struct time_page page;
	int64_t page_true_ns;

	double hold_ahead_ns, hold_frequency; // where wander alone began
	bool held;
	struct measure measure;
	bool trace;
};

void host_init(struct host *host, const struct plan *plan, unsigned number, struct events *events,
		uint64_t seed);
void host_done(struct host *host);

// What may happen to it; true time has come to `true_ns`.
void host_start(struct host *host, int64_t true_ns, bool with_drift);
void host_on_poll(struct host *host, const struct event *event);
void host_on_timer(struct host *host, const struct event *event);
void host_on_reply(struct host *host, const struct event *event);
void host_on_step(struct host *host, int64_t true_ns, double step_s);
void host_on_sleep(struct host *host, int64_t true_ns);
void host_on_wake(struct host *host, int64_t true_ns);
void host_on_notice(struct host *host, int64_t true_ns);
void host_on_restart(struct host *host, int64_t true_ns);
void host_look(struct host *host, int64_t true_ns);

// Answers a request as a worker would, `reply` being the request. Returns when it leaves, or -1: not.
int64_t host_answer(struct host *host, int64_t true_ns, uint8_t *reply);
