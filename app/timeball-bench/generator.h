// SPDX-License-Identifier: BSD-3-Clause
// The loop of one core that sends requests when they are meant to leave, and has each frame that
// arrives judged.
#pragma once

#include "timeball-bench/checker.h"
#include "timeball-bench/clients.h"
#include "timeball-bench/link.h"
#include "timeball-bench/neighbors.h"
#include "timeball-bench/pace.h"
#include "timeball-bench/pending.h"
#include "timeball-bench/progress.h"
#include "timeball-bench/request.h"
#include "timeball-bench/tally.h"
#include "timeball-bench/timebase.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define GENERATOR_BURST 32

struct generator_options {
	double interleaved; // share of the clients that ask so
	double ipv6;        // share of the requests
	double timeout_s;
	bool exponential;
	uint64_t seed;
};

struct generator {
	struct link *link;
	struct timebase *timebase;
	const struct clients *clients;
	const struct neighbors *neighbors;
	struct pending pending;
	struct checker checker;
	struct request_template templates[FAMILIES];
	struct generator_options options;
	struct progress *progress;
	const atomic_bool *stop;

	struct client_walk walks[FAMILIES];
	double ipv6_due; // error diffusion of the families
	uint32_t interleaved_limit;
	uint64_t trials;
	struct pace pace;
	struct rte_mbuf *mbufs[GENERATOR_BURST]; // ready to leave, oldest first
	struct slot *slots[GENERATOR_BURST];     // theirs
	unsigned ready;
};

struct run {
	double rate_hz;
	double duration_s;
};

// What a trial came to besides its tally.
struct run_result {
	double seconds;  // from the start until the last had left
	uint64_t unsent; // meant to leave, but we were not able to
	struct link_losses losses;
};

// Finds where `target` is. Returns 0 or -EHOSTUNREACH after some seconds of asking in vain.
int generator_resolve(
		struct generator *generator, const struct address *target, uint8_t mac[MAC_SIZE]);
// Runs one trial; `tally` is of this one only.
void generator_run(struct generator *generator, const struct run *run, struct tally *tally,
		struct run_result *result);
