// SPDX-License-Identifier: BSD-3-Clause
// The access table: a trie a family, sixty-four entries a node, two nodes a cache line. A node
// starts at the first bit in which the edges below it differ and compares what it leaves out, so
// that no node has a single child alone. The uppermost are found by their number.
#include "server/acl.h"

#include "base/bytes.h"
#include "server/acl_edges.h"

#include <assert.h>

#define NODE_BITS 6
#define HALF_BITS 64 // nodes lie within one half of an IPv6 address
#define KEY_BITS  128
#define ALIGNMENT 64
#define ENTRIES   64 // of a node
#define ROOT_BITS 13 // at most; with more, the uppermost nodes leave the cache

struct acl_node {
	uint64_t path;     // the address bits that lead here, as many as `at` in its half
	uint64_t allowed;  // a bit for each of 64 entries
	uint64_t children; // the entries with a node of their own, one behind the other
	uint32_t first_child;
	uint8_t half;    // where in the address it looks, in bytes: 0 or 8
	uint8_t at;      // the bit there at which the entries' six bits start
	uint8_t outside; // whether addresses before (bit 0) and behind (bit 1) the path are allowed
};

struct acl_root {
	uint32_t node;
	uint8_t shift; // how many address bits are right of those that choose the node and its entry
	bool invert;   // with one range: whether it is inside that nobody is allowed
	uint64_t first, length; // the range, of the address's first half; less one
};

struct acl {
	_Alignas(64) struct acl_root roots[2];
	bool one_range; // in each family, or none
	uint32_t node_count, node_limit;
	_Alignas(64) struct acl_node nodes[];
};

static_assert(sizeof(struct acl_node) == 32);

// A node that is not built yet: the edges inside it, and the number of bits that lead to it. Kept
// in the node's own place.
struct task {
	uint32_t from, to;
	unsigned depth;
};

struct builder {
	struct acl *acl;
	const acl_key *edges;
};

static unsigned root_of(uint8_t family)
{
	return family == ADDRESS_IPV6;
}

// How many address bits choose the uppermost node. These nodes, most of them empty when there are
// few rules, must not need more memory than the rest.
static unsigned root_bits(size_t rules)
{
	unsigned bits = 0;

	while (bits < ROOT_BITS && rules >> bits > 4)
		bits++;
	return bits;
}

// At most: the uppermost, then for each edge the one whose entries it is between, one less where
// edges part, and one more for each where the two halves of an IPv6 address meet.
static size_t count_nodes(size_t rules, uint8_t family)
{
	return ((size_t)1 << root_bits(rules)) + 2 * rules * (family == ADDRESS_IPV6 ? 3 : 2);
}

static void plan_node(struct acl_node *node, struct task task)
{
	*node = (struct acl_node){
		.path = task.from, .allowed = task.to, .at = (uint8_t)task.depth
	};
}

static struct task planned(const struct acl_node *node)
{
	return (struct task){ (uint32_t)node->path, (uint32_t)node->allowed, node->at };
}

// The longest prefix outside which there are no edges, if a node can start behind it.
static unsigned choose_at(const struct builder *builder, struct task task)
{
	acl_key first = builder->edges[task.from], last = builder->edges[task.to - 1] - 1;
	uint64_t upper = (uint64_t)((first ^ last) >> HALF_BITS), lower = (uint64_t)(first ^ last);
	unsigned half_at = task.depth < HALF_BITS ? HALF_BITS - NODE_BITS : KEY_BITS - NODE_BITS;
	unsigned at = half_at;

	if (upper)
		at = (unsigned)__builtin_clzll(upper);
	else if (lower)
		at = HALF_BITS + (unsigned)__builtin_clzll(lower);
	return at < half_at ? at : half_at;
}

static acl_key bits_from(unsigned at)
{
	return at < KEY_BITS ? ~(acl_key)0 >> at : 0;
}

// The first edge behind `key`, of those from `edge` on.
static uint32_t edge_behind(const struct builder *builder, uint32_t edge, uint32_t end, acl_key key)
{
	while (edge < end && builder->edges[edge] <= key)
		edge++;
	return edge;
}

static void build_node(
		const struct builder *builder, struct acl_node *node, struct task task, unsigned at)
{
	struct acl *acl = builder->acl;
	uint32_t edge = task.from;
	acl_key key = builder->edges[task.from] & ~bits_from(at);

	*node = (struct acl_node){
		.path = (uint64_t)(at < HALF_BITS ? key >> HALF_BITS : key),
		.first_child = acl->node_count,
		.half = (uint8_t)(at / HALF_BITS * 8),
		.at = at % HALF_BITS,
		.outside = (uint8_t)(task.from % 2 | task.to % 2 << 1),
	};
	for (unsigned entry = 0; entry < ENTRIES; entry++) {
		acl_key last = key | bits_from(at + NODE_BITS);

		uint32_t inside = edge_behind(builder, edge, task.to, key);

		edge = edge_behind(builder, inside, task.to, last);
		node->allowed |= (uint64_t)(inside % 2) << entry;
		if (edge > inside) {
			assert(acl->node_count < acl->node_limit);
			node->children |= UINT64_C(1) << entry;
			plan_node(&acl->nodes[acl->node_count++],
					(struct task){ inside, edge, at + NODE_BITS });
		}
		key = last + 1;
	}
}

static void plan_uppermost(struct builder *builder, uint32_t edge_count, unsigned bits)
{
	struct acl *acl = builder->acl;
	uint32_t edge = 0;
	acl_key first = 0;

	for (uint32_t i = 0; i < UINT32_C(1) << bits; i++) {
		acl_key last = first | bits_from(bits);
		uint32_t inside = edge_behind(builder, edge, edge_count, first);

		edge = edge_behind(builder, inside, edge_count, last);
		plan_node(&acl->nodes[acl->node_count++], (struct task){ inside, edge, bits });
		first = last + 1;
	}
}

static void build_family(
		struct builder *builder, uint32_t edge_count, unsigned bits, uint8_t family)
{
	struct acl *acl = builder->acl;
	struct acl_root *root = &acl->roots[root_of(family)];
	uint32_t uppermost = acl->node_count;

	root->node = uppermost;
	root->shift = (uint8_t)(HALF_BITS - NODE_BITS - bits);
	plan_uppermost(builder, edge_count, bits);
	// Level by level, each node plans its children behind all others.
	for (uint32_t i = uppermost; i < acl->node_count; i++) {
		struct acl_node *node = &acl->nodes[i];
		struct task task = planned(node);

		if (task.from == task.to)
			*node = (struct acl_node){ .allowed = task.from % 2 ? UINT64_MAX : 0 };
		else if (i - uppermost < UINT32_C(1) << bits)
			build_node(builder, node, task, bits);
		else
			build_node(builder, node, task, choose_at(builder, task));
	}
}

// Most lists of rules come to one range in each family, or none, and need no table. Returns
// whether these edges do.
static bool set_range(struct acl_root *root, const acl_key *edges, uint32_t count)
{
	bool allowed = count > 0 && edges[0] == 0;
	const uint32_t turns = count - allowed;

	edges += allowed;
	root->first = 0;
	root->length = UINT64_MAX;
	root->invert = turns == 0 ? !allowed : allowed;
	for (uint32_t i = 0; i < turns; i++) {
		uint64_t half = (uint64_t)(edges[i] >> HALF_BITS);

		if (i == 2 || (uint64_t)edges[i] != 0)
			return false;
		if (i == 0)
			root->first = half;
		root->length = (i == 0 ? 0 : half) - root->first - 1;
	}
	return true;
}

static size_t count_all_nodes(const struct acl_rule *rules, size_t count)
{
	return count_nodes(acl_edges_rules(rules, count, ADDRESS_IPV4), ADDRESS_IPV4)
			+ count_nodes(acl_edges_rules(rules, count, ADDRESS_IPV6), ADDRESS_IPV6);
}

size_t acl_size(const struct acl_rule *rules, size_t count)
{
	size_t size = sizeof(struct acl) + count_all_nodes(rules, count) * sizeof(struct acl_node)
			+ acl_scratch_size(count);

	return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

struct acl *acl_build(void *memory, const struct acl_rule *rules, size_t count)
{
	static const uint8_t families[] = { ADDRESS_IPV4, ADDRESS_IPV6 };
	struct acl *acl = memory;
	struct acl_scratch scratch;
	size_t limit = count_all_nodes(rules, count);

	assert(limit <= UINT32_MAX);
	*acl = (struct acl){ .one_range = true, .node_limit = (uint32_t)limit };
	acl_scratch_init(&scratch, acl->nodes + limit, count);
	for (unsigned i = 0; i < 2; i++) {
		struct builder builder = { .acl = acl, .edges = scratch.edges };
		unsigned bits = root_bits(acl_edges_rules(rules, count, families[i]));
		uint32_t edges = acl_edges_find(&scratch, rules, count, families[i]);

		acl->one_range &= set_range(&acl->roots[i], scratch.edges, edges);
		build_family(&builder, edges, bits, families[i]);
	}
	return acl;
}

size_t acl_bytes_used(const struct acl *acl)
{
	return sizeof(*acl) + acl->node_count * sizeof(acl->nodes[0]);
}

// Where a lookup is in the table.
struct place {
	const struct acl_node *node;
	unsigned entry;
	unsigned allowed, deeper; // what is said there, and whether more is: 0 or 1
};

static inline struct place root_place(const struct acl *acl, const struct address *address)
{
	const struct acl_root *root = &acl->roots[root_of(address->family)];
	uint64_t number = load_be64(address->bytes) >> root->shift;
	const struct acl_node *node = &acl->nodes[root->node + number / ENTRIES];
	unsigned entry = number % ENTRIES;

	return (struct place){ node, entry, node->allowed >> entry & 1,
		node->children >> entry & 1 };
}

// Without a branch: which way it went would be anybody's guess.
static inline struct place place_in(const struct acl_node *node, const struct address *address)
{
	uint64_t half = load_be64(address->bytes + node->half);
	unsigned inside = (half ^ node->path) <= UINT64_MAX >> node->at;
	unsigned behind = half > node->path;
	unsigned entry = (unsigned)(half << node->at >> (HALF_BITS - NODE_BITS));
	unsigned outside = (unsigned)node->outside >> (behind | inside << 1);

	return (struct place){
		.node = node,
		.entry = entry,
		.allowed = (unsigned)((inside & node->allowed >> entry) | outside) & 1,
		.deeper = (unsigned)(inside & node->children >> entry),
	};
}

static inline const struct acl_node *child_of(
		const struct acl *acl, const struct acl_node *node, unsigned entry)
{
	uint64_t before = node->children & ((UINT64_C(1) << entry) - 1);

	return &acl->nodes[node->first_child + (unsigned)__builtin_popcountll(before)];
}

static inline bool allows_by_range(const struct acl *acl, const struct address *address)
{
	const struct acl_root *root = acl->roots + root_of(address->family);

	return (load_be64(address->bytes) - root->first <= root->length) ^ root->invert;
}

bool acl_allows(const struct acl *acl, const struct address *address)
{
	if (acl->one_range)
		return allows_by_range(acl, address);

	struct place place = root_place(acl, address);

	while (place.deeper)
		place = place_in(child_of(acl, place.node, place.entry), address);
	return place.allowed;
}

static inline void search_on(struct acl_search *search, struct place place, uint8_t lane)
{
	search->nodes[search->left] = place.node;
	search->entries[search->left] = (uint8_t)place.entry;
	search->lanes[search->left] = lane;
	search->left += place.deeper;
}

static inline void descend(const struct acl *acl, struct acl_search *search)
{
	for (unsigned i = 0; i < search->left; i++) {
		search->nodes[i] = child_of(acl, search->nodes[i], search->entries[i]);
		__builtin_prefetch(search->nodes[i]);
	}
}

void acl_begin(const struct acl *acl, const struct address addresses[], unsigned count,
		bool allowed[], struct acl_search *search)
{
	assert(count <= ACL_BURST);
	search->left = 0;
	if (acl->one_range) {
		for (unsigned i = 0; i < count; i++)
			allowed[i] = allows_by_range(acl, &addresses[i]);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		struct place place = root_place(acl, &addresses[i]);

		allowed[i] = place.allowed;
		search_on(search, place, (uint8_t)i);
	}
	descend(acl, search);
}

void acl_finish(const struct acl *acl, const struct address addresses[], bool allowed[],
		struct acl_search *search)
{
	while (search->left > 0) {
		unsigned left = search->left;

		search->left = 0;
		for (unsigned i = 0; i < left; i++) {
			uint8_t lane = search->lanes[i];
			struct place place = place_in(search->nodes[i], &addresses[lane]);

			allowed[lane] = place.allowed;
			search_on(search, place, lane);
		}
		descend(acl, search);
	}
}

void acl_look_up(const struct acl *acl, const struct address addresses[], unsigned count,
		bool allowed[])
{
	struct acl_search search;

	acl_begin(acl, addresses, count, allowed, &search);
	acl_finish(acl, addresses, allowed, &search);
}
