// SPDX-License-Identifier: BSD-3-Clause
// What is found of a simulated host against true time.
#pragma once

#include "ntp/packet.h"

#include <stdbool.h>
#include <stdint.h>

#define MEASURE_LOCKS 4

extern const double measure_lock_limits_s[MEASURE_LOCKS]; // 1 ms, 100 us, 10 us, 1 us

// One look at a host: its clock, and the answer it would give.
struct look {
	double true_s; // since plan.from_s
	double clock_error_ns;
	double clock_frequency; // its rate's error, slew included
	double ideal_error_ns;  // of a clock that wander alone moves
	enum ntp_leap leap;
	double answer_error_ns; // of the transmit timestamp
	double claim_ns;        // root delay / 2 + root dispersion
};

struct measure {
	uint64_t looks; // after settling
	double sum_ns, squares_ns2, max_ns, frequency_squares, ideal_squares_ns2;
	double claim_sum_ns;
	uint64_t synchronised;

	uint64_t all;     // from the start
	uint64_t answers; // with LI other than 3
	uint64_t lies;    // wrong by more than claimed
	double first_lie_s, first_lie_ns, first_lie_claim_ns;
	double worst_lie_ns, last_lie_s;
	double lying_s, lying_since_s; // longest time between two honest looks
	bool lies_now;
	double within_s[MEASURE_LOCKS]; // first, negative: never
	double locked_s[MEASURE_LOCKS]; // for good, as far as was looked; negative: not at the end
	double max_claim_ns;            // of answers
	double first_answer_s;
	struct look last;
};

void measure_init(struct measure *measure);
void measure_add(struct measure *measure, const struct look *look, bool settled);
double measure_rms_ns(const struct measure *measure);
double measure_ideal_rms_ns(const struct measure *measure);
