// SPDX-License-Identifier: BSD-3-Clause
// A simulated network between a client and its server: how long a packet takes, or that it is lost.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum jitter {
	JITTER_EXPONENTIAL,
	JITTER_NORMAL,
	JITTER_TWO_STAGE, // two queues in a row, each exponential
};

struct link_options {
	double base_s; // least delay each way
	enum jitter jitter;
	double jitter_s;                      // deviation, each way
	double jitter_back_s;                 // 0: as on the way out
	double asymmetry_s;                   // the way out takes so much longer than the way back
	double spike_probability, spike_s;    // now and then a packet waits, exponentially
	double loss;                          // of a packet, each way
	double period_s, up_s;                // of every period it is up at first; 0: always
	double cut_from_s, cut_until_s;       // once
	double detour_from_s, detour_until_s; // once the way out takes `detour_s` longer
	double detour_s;
};

// Returns whether a packet gets through that enters at `true_ns`; then `delay_ns` is set.
bool link_carry(const struct link_options *link, int64_t true_ns, bool back, uint64_t *random,
		double *delay_ns);
// Deviation of the offset that a pair of packets measures.
double link_offset_deviation(const struct link_options *link);
