// SPDX-License-Identifier: BSD-3-Clause
// Who is allowed: chrony's allow/deny semantics in an immutable table. A rule speaks at a level,
// one for four address bits; the deepest level with a word on the address decides, of two words
// at one level the later; nobody is allowed where no level has one. Lookup is thread-safe, the
// table never changes.
#pragma once

#include "base/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACL_BURST 64

struct acl_rule {
	struct subnet subnet; // family NONE: both families, everything
	bool allow;
	bool all; // forgets what earlier rules said about addresses inside
};

struct acl;
struct acl_node;

// Those of a burst whose verdict is not final yet, always the first of the arrays.
struct acl_search {
	const struct acl_node *nodes[ACL_BURST];
	uint8_t entries[ACL_BURST];
	uint8_t lanes[ACL_BURST]; // whose they are
	unsigned left;
};

// Bytes of 64-byte aligned memory that acl_build() needs for these rules.
size_t acl_size(const struct acl_rule *rules, size_t count);
// Builds the table in the caller's memory, rules in the order written. Returns it (it is `memory`).
struct acl *acl_build(void *memory, const struct acl_rule *rules, size_t count);
// How many bytes of the memory lookups read: what is kept of it may be cut to that.
size_t acl_bytes_used(const struct acl *acl);
// One address at a time, for where there is but one.
bool acl_allows(const struct acl *acl, const struct address *address);
// The same for each of up to ACL_BURST addresses, all of them a step at a time, so that the cache
// fetches what many need at once.
void acl_look_up(const struct acl *acl, const struct address addresses[], unsigned count,
		bool allowed[]);
// The same in two parts, between which there is time for the cache to fetch what the second needs.
void acl_begin(const struct acl *acl, const struct address addresses[], unsigned count,
		bool allowed[], struct acl_search *search);
void acl_finish(const struct acl *acl, const struct address addresses[], bool allowed[],
		struct acl_search *search);
