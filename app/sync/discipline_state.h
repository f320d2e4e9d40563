// SPDX-License-Identifier: BSD-3-Clause
// What the discipline keeps between events; of discipline.c, which changes it, and discipline_claim.c,
// which tells of it.
#pragma once

#include "sync/discipline.h"

// What is followed, or was last. Kept while nothing can be selected: holdover.
struct followed {
	bool known;
	bool fresh; // selected now
	enum ntp_leap leap;
	uint8_t stratum;
	uint32_t refid;
	int64_t root_delay_ns;
	struct bound bound; // where UTC is, by a majority of sources
	struct estimate estimate;
	int64_t estimate_free_ns;
	utc_t updated; // by the clock, when it was last corrected
	int64_t updated_free_ns;
};

struct discipline {
	struct discipline_options options;
	struct timeline timeline;
	struct servo servo;
	struct reference_keeper keeper;
	struct selection selection;
	struct source_world world;
	struct source sources[DISCIPLINE_SOURCES];
	struct candidate candidates[DISCIPLINE_SOURCES];
	unsigned source_count; // slots ever used
	uint32_t own_refids[DISCIPLINE_OWN_REFIDS];
	unsigned own_refid_count;
	uint64_t random;

	struct followed followed;
	bool frequency_proved; // by two answers of one source, or a drift file: claims stand on it
	bool set_up;           // the clock has been given the drift file's frequency
	bool stepping;         // between the command and its deed
	bool held;             // after a step, until
	int64_t hold_until_free_ns;
	int64_t waiting_since_free_ns;
	int64_t servo_wake_free_ns;
	int64_t jumped_ns; // what others did to free time, which uptime knows nothing of

	unsigned updates;
	int64_t update_interval_ns;
	double rms_square;         // of the offsets found, s^2
	double residual_frequency; // found at the last update
};

// Of several sources, some have yet to give their first answer, and their time to do so is not over.
bool discipline_awaits_answers(const struct discipline *discipline, int64_t free_ns);
