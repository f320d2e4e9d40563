// SPDX-License-Identifier: BSD-3-Clause
// What a list of access rules comes to: the addresses at which the verdict turns, in order, for
// one family. Nobody is allowed up to the first edge, everybody from there to the second, and so
// on. Two lists of rules that mean the same have the same edges.
#pragma once

#include "server/acl.h"

// IPv4 addresses are in the uppermost 32 bits.
typedef unsigned __int128 acl_key;

struct acl_span;

struct acl_scratch {
	acl_key *edges;         // twice as many as rules
	struct acl_span *spans; // as many as rules
};

// How many of the rules concern the family.
size_t acl_edges_rules(const struct acl_rule *rules, size_t count, uint8_t family);
// Bytes of 16-byte aligned memory for the scratch of so many rules.
size_t acl_scratch_size(size_t count);
void acl_scratch_init(struct acl_scratch *scratch, void *memory, size_t count);
// Fills scratch->edges and returns how many there are.
uint32_t acl_edges_find(const struct acl_scratch *scratch, const struct acl_rule *rules,
		size_t count, uint8_t family);
