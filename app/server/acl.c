// SPDX-License-Identifier: BSD-3-Clause
// The access table: a trie a family, sixteen entries (one cache line) a table. A prefix whose
// length is not a multiple of four sets every entry it covers at the next level, so that of two
// rules at the same level the later line wins whichever is longer, as in chrony.
//
// Rules are put in from the last to the first: whoever comes first has the last word on an entry,
// and what a rule with `all` forgets is never put in at all.
#include "server/acl.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define LEVEL_BITS 4
#define FANOUT     (1 << LEVEL_BITS)
#define LEVELS     (128 / LEVEL_BITS)

// An entry: a word on the addresses below it, and 1 + the index of a table that says more.
#define ENTRY_ALLOW  (UINT32_C(1) << 31)
#define ENTRY_DENY   (UINT32_C(1) << 30)
#define ENTRY_SEALED (UINT32_C(1) << 29) // an `all` rule: earlier rules do not reach below
#define ENTRY_WORD   (ENTRY_ALLOW | ENTRY_DENY)
#define ENTRY_CHILD  (ENTRY_SEALED - 1)

struct acl {
	_Alignas(64) uint32_t roots[2]; // entries for 0.0.0.0/0 and ::/0
	uint32_t table_count;
	uint32_t table_limit;
	_Alignas(64) uint32_t tables[][FANOUT];
};

static unsigned root_of(uint8_t family)
{
	return family == ADDRESS_IPV6;
}

static uint8_t nibble(const struct address *address, unsigned level)
{
	uint8_t byte = address->bytes[level / 2];

	return level % 2 == 0 ? byte >> LEVEL_BITS : byte & (FANOUT - 1);
}

static bool concerns(const struct acl_rule *rule, uint8_t family)
{
	return rule->subnet.address.family == ADDRESS_NONE || rule->subnet.address.family == family;
}

// How many tables the rules of one family need at most: at each level no more than there are
// rules that go deeper, and no more than there are paths to it.
static size_t count_tables(const struct acl_rule *rules, size_t count, uint8_t family)
{
	size_t wanted[LEVELS] = { 0 };
	size_t tables = 0, paths = 1;

	for (size_t i = 0; i < count; i++) {
		unsigned bits = rules[i].subnet.prefix_bits;

		if (!concerns(&rules[i], family))
			continue;
		assert(bits <= address_bits(rules[i].subnet.address.family));
		for (unsigned level = 0; level * LEVEL_BITS < bits; level++)
			wanted[level]++;
	}
	for (unsigned level = 0; level < LEVELS; level++) {
		tables += wanted[level] < paths ? wanted[level] : paths;
		if (paths <= SIZE_MAX / FANOUT)
			paths *= FANOUT;
	}
	return tables;
}

static size_t count_all_tables(const struct acl_rule *rules, size_t count)
{
	return count_tables(rules, count, ADDRESS_IPV4) + count_tables(rules, count, ADDRESS_IPV6);
}

static uint32_t *open_child(struct acl *acl, uint32_t *entry)
{
	if (!(*entry & ENTRY_CHILD)) {
		assert(acl->table_count < acl->table_limit);
		memset(acl->tables[acl->table_count], 0, sizeof(acl->tables[0]));
		*entry |= ++acl->table_count;
	}
	return acl->tables[(*entry & ENTRY_CHILD) - 1];
}

static void set_entry(uint32_t *entry, const struct acl_rule *rule)
{
	if (!(*entry & ENTRY_WORD))
		*entry |= rule->allow ? ENTRY_ALLOW : ENTRY_DENY;
	if (rule->all)
		*entry |= ENTRY_SEALED;
}

static void set_rule(struct acl *acl, const struct acl_rule *rule, uint8_t family)
{
	uint32_t *entries = &acl->roots[root_of(family)];
	unsigned slot = 0, span = 1;
	unsigned bits_left = rule->subnet.prefix_bits;

	for (unsigned level = 0; bits_left > 0; level++) {
		unsigned bits = bits_left < LEVEL_BITS ? bits_left : LEVEL_BITS;

		if (entries[slot] & ENTRY_SEALED)
			return;
		entries = open_child(acl, &entries[slot]);
		span = FANOUT >> bits;
		slot = nibble(&rule->subnet.address, level) & ~(span - 1);
		bits_left -= bits;
	}
	for (unsigned i = 0; i < span; i++)
		set_entry(&entries[slot + i], rule);
}

size_t acl_size(const struct acl_rule *rules, size_t count)
{
	return sizeof(struct acl) + count_all_tables(rules, count) * FANOUT * sizeof(uint32_t);
}

struct acl *acl_build(void *memory, const struct acl_rule *rules, size_t count)
{
	struct acl *acl = memory;
	size_t limit = count_all_tables(rules, count);

	assert(limit <= ENTRY_CHILD);
	*acl = (struct acl){ .table_limit = (uint32_t)limit };
	for (size_t i = count; i-- > 0;) {
		if (concerns(&rules[i], ADDRESS_IPV4))
			set_rule(acl, &rules[i], ADDRESS_IPV4);
		if (concerns(&rules[i], ADDRESS_IPV6))
			set_rule(acl, &rules[i], ADDRESS_IPV6);
	}
	return acl;
}

bool acl_allows(const struct acl *acl, const struct address *address)
{
	uint32_t entry = acl->roots[root_of(address->family)];
	uint32_t word = entry;

	for (unsigned level = 0; entry & ENTRY_CHILD; level++) {
		entry = acl->tables[(entry & ENTRY_CHILD) - 1][nibble(address, level)];
		if (entry & ENTRY_WORD)
			word = entry;
	}
	return word & ENTRY_ALLOW;
}
