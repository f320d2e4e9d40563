// SPDX-License-Identifier: BSD-3-Clause
// A worker: one core that polls its queues and answers what it finds, for ever. No lock, no
// allocation, no system call but to rest (pollmode adaptive); all it shares is the time page, the policy, and counters it alone writes.
#pragma once

#include "base/latch.h"
#include "base/published.h"
#include "dataplane/port.h"
#include "server/responder.h"
#include "timing/counter.h"
#include "timing/timestamper.h"

#include <stdatomic.h>
#include <stdbool.h>

#define WORKER_QUEUES 32

struct worker {
	const struct counter *counter;
	const struct timestamper_driver *timestamper;
	const struct latch *page;     // publisher writes
	struct published *policy;     // control swaps
	struct published_reader seen; // this worker writes, control reads
	struct responder responder;
	struct queue *queues[WORKER_QUEUES];
	unsigned queue_count;
	uint64_t ns_per_tick;      // about right, for rate caps; the page's is exact but moves
	bool rests;                // pollmode adaptive
	uint64_t last_frame_ticks; // the worker's, if it rests
	unsigned lcore;            // set by worker_start()
	_Atomic bool stop;         // control writes
};

// One round over the worker's queues, a burst of each: what worker_start() has done for ever. Returns
// how many frames there were.
unsigned worker_poll(struct worker *worker);
// Starts the worker on EAL's lcore. It is not to be touched until worker_stop() has returned.
// Returns 0 or -errno.
int worker_start(struct worker *worker, unsigned lcore);
// Asks the worker to stop and waits for it; the burst in hand is finished.
void worker_stop(struct worker *worker);
