// SPDX-License-Identifier: BSD-3-Clause
// Walks the rules in the order of their first addresses, the shorter prefix first. The rules that
// cover the place where the walk is are nested in each other: a stack, whose top says the verdict
// there. Levels are those of chrony's tables, four address bits each.
#include "server/acl_edges.h"

#include "base/bytes.h"

#include <assert.h>

#define LEVEL_BITS 4
#define KEY_BITS   128
#define KEY_LAST   (~(acl_key)0)

// The addresses of one rule.
struct acl_span {
	acl_key first;
	uint32_t order; // of the rule in the list, from 1
	uint8_t bits;
};

// What all rules from the outermost down to one of them say together. An order of 0: none.
struct layer {
	acl_key first, last;
	uint32_t word; // the order of the rule that decides
	uint8_t word_level;
	uint8_t level;
	bool allowed;
	uint32_t forgets;      // the last of the `all` rules above `level`: silences earlier ones
	uint32_t forgets_here; // the same with those at `level`, for what is below
};

struct walk {
	struct layer layers[KEY_BITS + 2];
	unsigned depth; // of the innermost layer
	acl_key *edges;
	uint32_t edge_count;
};

static bool concerns(const struct acl_rule *rule, uint8_t family)
{
	return rule->subnet.address.family == ADDRESS_NONE || rule->subnet.address.family == family;
}

static acl_key beyond(unsigned bits)
{
	return bits < KEY_BITS ? KEY_LAST >> bits : 0;
}

static struct acl_span span_of(const struct subnet *subnet, uint32_t order)
{
	const uint8_t *bytes = subnet->address.bytes;
	acl_key key = (acl_key)load_be64(bytes) << 64 | load_be64(bytes + 8);

	assert(subnet->prefix_bits <= address_bits(subnet->address.family));
	return (struct acl_span){ key & ~beyond(subnet->prefix_bits), order, subnet->prefix_bits };
}

static bool is_before(const struct acl_span *a, const struct acl_span *b)
{
	if (a->first != b->first)
		return a->first < b->first;
	if (a->bits != b->bits)
		return a->bits < b->bits;
	return a->order < b->order;
}

static void sift_down(struct acl_span *spans, size_t count, size_t at)
{
	struct acl_span moved = spans[at];

	for (size_t child; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count && is_before(&spans[child], &spans[child + 1]))
			child++;
		if (!is_before(&moved, &spans[child]))
			break;
		spans[at] = spans[child];
	}
	spans[at] = moved;
}

// Heapsort: qsort() would allocate.
static void sort_spans(struct acl_span *spans, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift_down(spans, count, i);
	for (size_t left = count; left-- > 1;) {
		struct acl_span last = spans[left];

		spans[left] = spans[0];
		spans[0] = last;
		sift_down(spans, left, 0);
	}
}

// From `key` on the verdict is that of the innermost layer. Said twice of one key, the last counts.
static void turn_at(struct walk *walk, acl_key key)
{
	bool allowed = walk->edge_count % 2;

	if (walk->layers[walk->depth].allowed == allowed)
		return;
	if (walk->edge_count > 0 && walk->edges[walk->edge_count - 1] == key)
		walk->edge_count--;
	else
		walk->edges[walk->edge_count++] = key;
}

static void leave_layer(struct walk *walk)
{
	acl_key last = walk->layers[walk->depth--].last;

	if (last != KEY_LAST)
		turn_at(walk, last + 1);
}

static void apply(struct layer *layer, const struct acl_rule *rule, const struct acl_span *span)
{
	uint8_t level = (uint8_t)((span->bits + LEVEL_BITS - 1) / LEVEL_BITS);

	if (level > layer->level) {
		layer->forgets = layer->forgets_here;
		layer->level = level;
	}
	if (rule->all && span->order > layer->forgets_here)
		layer->forgets_here = span->order;
	if (span->order < layer->forgets)
		return;
	if (level > layer->word_level || span->order > layer->word) {
		layer->word = span->order;
		layer->word_level = level;
		layer->allowed = rule->allow;
	}
}

static void enter_span(struct walk *walk, const struct acl_rule *rule, const struct acl_span *span)
{
	struct layer *layer = &walk->layers[walk->depth];
	acl_key last = span->first | beyond(span->bits);

	while (layer->last < span->first) {
		leave_layer(walk);
		layer--;
	}
	// The same addresses once more need no layer of their own: there are at most 129.
	if (layer->first != span->first || layer->last != last) {
		layer[1] = layer[0];
		layer++;
		layer->first = span->first;
		layer->last = last;
		walk->depth++;
	}
	apply(layer, rule, span);
	turn_at(walk, span->first);
}

size_t acl_edges_rules(const struct acl_rule *rules, size_t count, uint8_t family)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += concerns(&rules[i], family);
	return found;
}

size_t acl_scratch_size(size_t count)
{
	return count * (2 * sizeof(acl_key) + sizeof(struct acl_span));
}

void acl_scratch_init(struct acl_scratch *scratch, void *memory, size_t count)
{
	scratch->edges = memory;
	scratch->spans = (struct acl_span *)(scratch->edges + 2 * count);
}

uint32_t acl_edges_find(const struct acl_scratch *scratch, const struct acl_rule *rules,
		size_t count, uint8_t family)
{
	struct walk walk = { .layers = { { .last = KEY_LAST } }, .edges = scratch->edges };
	struct acl_span *spans = scratch->spans;
	size_t span_count = 0;

	for (size_t i = 0; i < count; i++) {
		if (concerns(&rules[i], family))
			spans[span_count++] = span_of(&rules[i].subnet, (uint32_t)i + 1);
	}
	sort_spans(spans, span_count);
	for (size_t i = 0; i < span_count; i++)
		enter_span(&walk, &rules[spans[i].order - 1], &spans[i]);
	while (walk.depth > 0)
		leave_layer(&walk);
	return walk.edge_count;
}
