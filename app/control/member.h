// SPDX-License-Identifier: BSD-3-Clause
// One address that is asked for the time: performs on sockets and timers what its association says,
// and hands it what comes. The control thread's.
#pragma once

#include "control/adjuster.h"
#include "control/loop.h"
#include "control/upstream.h"

struct member;

// What all members share; the owner's, and outlives them.
struct member_world {
	const struct local_clock *clock;
	struct discipline *discipline;
	struct loop *loop;
	struct adjuster *adjuster;
	struct upstream_options upstream;
	// The member is of no use: another address, please. Not to be closed meanwhile.
	void (*on_replace)(void *context, unsigned source);
	// The member is there and has not asked yet.
	void (*on_open)(void *context, const struct member *member);
	// An answer was looked at, and the clock steered by it.
	void (*on_answer)(void *context, const struct member *member,
			enum association_verdict verdict);
	void *context;
};

struct member {
	const struct member_world *world;
	int source; // the discipline's number, negative: this member is free
	struct source_options options;
	struct upstream_server server;
	struct upstream upstream;
	struct loop_file file;
	struct timer timer;
	int64_t wake_free_ns;
	struct association_stamp sent; // when the daemon sent the last request
	bool answered;                 // that request was
	int error;                     // why it cannot be reached, said once; 0: it can
	unsigned unreachable;          // how often that was heard
	int said_state;                // enum source_state as the log says, -1: nothing yet
	unsigned said_lately;          // how often, since said_ns
	int64_t said_ns;
	char text[ADDRESS_TEXT_SIZE];
};

// Secret random bits.
uint64_t member_random(void);
// `member` is zero but for `world`. Begins to ask. Returns 0 or -errno.
int member_open(struct member *member, const struct upstream_server *server,
		const struct source_options *options);
void member_close(struct member *member); // a free one is fine
// Asks anew: after a jump of the clock.
void member_restart(struct member *member);
// What the kernel's clock showed, as the clock that is steered would have.
utc_t member_clock_stamp(const struct local_clock *clock, utc_t real);
