// SPDX-License-Identifier: BSD-3-Clause
// How often a server is asked: bursts, the interval between minpoll and maxpoll, and what the server
// itself asks for (RFC 5905 section 7.4). Pure; the control thread's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define POLL_MIN -7
#define POLL_MAX 24

struct poll_options {
	int minimum, maximum; // log2 s
	bool iburst, burst;
	unsigned target; // polltarget: measurements at one interval before a longer one
};

struct poll_state {
	struct poll_options options; // the limits rise when the server says that it is too much
	int current;                 // log2 s
	double useful_s;             // the longest interval that costs no accuracy, 0: not known
	unsigned steady;             // measurements for which a longer one would have done
	unsigned silent;             // polls without any answer, in a row
	unsigned burst_requests;     // still to be sent at the short interval ...
	unsigned burst_measurements; // ... unless there are so many more before, and they suffice
	bool wants_more;             // the next interval is long for what is known of the frequency
	int64_t delay_ns;            // of the last measurement, negative: not known
	bool denied;
};

void poll_init(struct poll_state *poll, const struct poll_options *options);
// Asking begins, or begins anew.
void poll_start(struct poll_state *poll);
void poll_on_request(struct poll_state *poll);
// The last request had no answer at all.
void poll_on_silence(struct poll_state *poll);
// The server answered. `recovered`: after a time in which it gave no good answer.
void poll_on_answer(struct poll_state *poll, bool recovered);
// The answer gave a sample.
void poll_on_measurement(struct poll_state *poll, int64_t delay_ns);
void poll_on_rate(struct poll_state *poll, int8_t asked);
void poll_on_deny(struct poll_state *poll);

bool poll_in_burst(const struct poll_state *poll);
// As it is told to the server and to the operator.
int poll_effective(const struct poll_state *poll);
// From the request last sent to the next.
int64_t poll_interval_ns(const struct poll_state *poll);
