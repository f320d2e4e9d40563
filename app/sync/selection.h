// SPDX-License-Identifier: BSD-3-Clause
// Whom to believe: sources whose bounds (sync/bound.h) have a point in common with a majority's are
// honest as far as can be told (RFC 5905 section 11.2.1), the nearest of them is followed, and those
// about as good are averaged with it. Directives keep chrony's meaning. Pure; the control thread's.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// As in chrony.conf(5).
struct selection_options {
	double max_distance_s;
	double max_jitter_s;
	double reselect_distance_s;
	double stratum_weight_s;
	double combine_limit;
	unsigned min_sources;
	unsigned max_stratum;
	uint8_t orphan_stratum; // of `local orphan`; 0: no such mode
};

// Of a source, as chrony shows it (`selectdata` letters; `sources`: * + - ? x ~).
enum source_state {
	SOURCE_SELECTED, // *
	SOURCE_COMBINED, // +
	SOURCE_NOT_COMBINED, // D too distant to be averaged with the selected one, P another is preferred
	SOURCE_FALSETICKER,    // x, and T contradicts those with `trust`
	SOURCE_JITTERY,        // ~ maxjitter
	SOURCE_DISTANT,        // d maxdistance
	SOURCE_UNREACHABLE,    // M no samples, S no longer answers
	SOURCE_NOSELECT,       // N
	SOURCE_UNSYNCHRONISED, // s it says so itself, r its stratum is not allowed
	SOURCE_WAITING, // w others have yet to answer, W minsources or require, O orphan, U nothing selected yet
};

struct candidate {
	// Configured.
	bool noselect, prefer, trust, require;
	uint32_t refid; // of the source itself
	// Found.
	bool sampled;
	bool reachable;
	bool synchronised; // as it says
	bool agreed;       // was no falseticker when last looked at: heard while it does not answer
	bool new_sample;   // scores move once a sample
	uint8_t stratum;
	double jitter_ns;
	int64_t low_ns, high_ns;           // its bound now, UTC less free time
	int64_t vote_low_ns, vote_high_ns; // and as believed: what is compared with others'
	int64_t offset_ns;                 // what its estimator says
	double offset_sd_ns;
	// Decided; score is also kept by the caller until the next time.
	double score;
	enum source_state state;
	char letter;
};

struct selection {
	struct selection_options options;
	uint32_t own_refid;      // for orphans
	bool waiting;            // others have yet to answer: nothing is selected for now
	int selected;            // -1: none
	int64_t low_ns, high_ns; // where UTC is as long as a majority is honest; when selected
};

void selection_init(struct selection *selection, const struct selection_options *options);
// Decides anew. Returns selection->selected.
int selection_run(struct selection *selection, struct candidate *candidates, unsigned count);
// Half the width of its bound.
int64_t candidate_distance_ns(const struct candidate *candidate);
// Of those SELECTED and COMBINED, how much each one's offset counts; not normalised.
double candidate_weight(const struct candidate *candidate);
