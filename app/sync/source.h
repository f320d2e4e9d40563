// SPDX-License-Identifier: BSD-3-Clause
// One source as the discipline knows it: who answers, what its samples say (estimator), what they
// prove (bound). Pure; the control thread's.
#pragma once

#include "sync/association.h"
#include "sync/bound.h"
#include "sync/estimator.h"
#include "sync/selection.h"

#define SOURCE_DELAYS  8  // samples of which the least delay is told
#define SOURCE_HISTORY 32 // samples that are kept

struct source_options {
	struct association_options association;
	bool prefer, trust, require, noselect;
	uint32_t refid; // what our clients are told when it is selected: IPv4 address or hash of IPv6
};

struct source_report {
	enum source_state state;
	char letter;   // of chronyc selectdata
	uint8_t reach; // register of the last eight polls, newest in bit 0
	int8_t poll;   // log2 s, now
	uint8_t stratum;
	enum ntp_leap leap;
	struct sample last; // valid when `samples`
	unsigned samples;
	struct estimate estimate; // at the time of asking
	int64_t root_distance_ns;
	int64_t low_ns, high_ns; // UTC less our clock, as far as this source proves it
	double score;
	unsigned conflicts; // answers that contradicted what earlier ones had proved
	unsigned counters[ASSOCIATION_VERDICTS];
};

// What is the same for all sources.
struct source_world {
	struct estimator_options estimator;
	double max_frequency;   // of any clock, fraction
	double max_clock_error; // fraction
	// Of free time against UTC as far as known from elsewhere: drift file or other sources.
	bool frequency_known;
	double frequency, frequency_sd;
	double slowest, fastest; // as far as believed in any case
};

struct source {
	bool used;
	struct source_options options;
	struct association *association;
	struct estimator *estimator;
	struct bound bound;
	struct sample last;
	unsigned samples;                      // since the last reset
	int64_t delays_ns[SOURCE_DELAYS];      // root delays by way of this source, a ring
	struct sample history[SOURCE_HISTORY]; // the last ones, a ring
	bool synchronised;                     // as it said last
	bool heard;                            // it has answered in some way
	bool new_sample;                       // since the last selection
	bool agreed;                           // these three are of selection
	double score;
	enum source_state state;
	char letter;
};

// Returns 0 or -ENOMEM.
int source_open(struct source *source, const struct source_options *options, uint64_t random);
void source_close(struct source *source);
// Everything that was measured is forgotten.
void source_reset(struct source *source, const struct source_world *world, int64_t free_ns);
// What became of an answer says whether it is worth waiting for and believing.
void source_note(struct source *source, enum association_verdict verdict);
void source_add(struct source *source, const struct sample *sample);
// False while nothing is known.
bool source_estimate(const struct source *source, int64_t free_ns, struct estimate *estimate);
// `vote_free_ns` is the moment that sources are compared for, the same for all.
void source_candidate(const struct source *source, int64_t free_ns, int64_t vote_free_ns,
		struct candidate *candidate);
// The round trip from here to what the source is synchronised to, the least of late.
int64_t source_root_delay_ns(const struct source *source);
