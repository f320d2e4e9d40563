// SPDX-License-Identifier: BSD-3-Clause
// The `server` and `pool` lines: which addresses are asked, found by name where need be, replaced when
// they are of no use, and asked for anew from time to time. The control thread's.
#pragma once

#include "control/member.h"
#include "control/resolver.h"

// One line; the names are the owner's, and outlive the sources.
struct source_spec {
	const char *name; // or address
	uint16_t port;
	bool is_pool;
	unsigned max_members;          // of a pool
	enum address_family family;    // of its addresses, NONE: either
	struct source_options options; // refid apart, which is the address's
};

struct sources_options {
	const struct source_spec *specs;
	unsigned spec_count;
	struct upstream_options upstream;
	double refresh_s; // until a name is looked up again; 0: never
	// As those of struct member_world; or NULL.
	void (*on_open)(void *context, const struct member *member);
	void (*on_answer)(void *context, const struct member *member,
			enum association_verdict verdict);
	void *context;
};

struct sources;

// Begins to ask. Returns 0 or -errno.
int sources_open(struct sources **sources, const struct sources_options *options,
		struct adjuster *adjuster);
void sources_close(struct sources *sources); // NULL is fine
// All are asked anew: the clock jumped.
void sources_restart(struct sources *sources);
// Whether a name is still to be looked up for the first time.
bool sources_unresolved(const struct sources *sources);

// What is asked now: `index` from 0, NULL after the last.
struct member *sources_member(struct sources *sources, unsigned index);
