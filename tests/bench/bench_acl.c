// SPDX-License-Identifier: BSD-3-Clause
// What the access table costs: the median number of TSC ticks per lookup, of one at a time and of
// a burst prefetched and looked up together, the time to build the table and the memory it takes.
// Prefixes have the lengths that the Internet's routes have; of the clients one half is within a
// prefix. Between two bursts nothing else happens (hot), as many lines of another 64 MB are
// touched as a request takes that finds its client there (busy), or all of them (cold).
#include "base/bytes.h"
#include "base/random.h"
#include "server/acl.h"
#include "ticks.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLIENTS      (1 << 20)
#define BURSTS_TIMED 20'000
#define BURSTS_COLD  300
#define WARM_UP      4 // one burst in so many is for warming up
#define OTHER_BYTES  (64 << 20)
#define LINE         64
#define LINES_BUSY   (2 * ACL_BURST)

enum between {
	HOT,
	BUSY,
	COLD,
	BETWEEN_COUNT,
};

struct bench {
	uint64_t random;
	uint8_t family;
	size_t rule_count;
	struct acl_rule *rules;
	struct address *clients;
	struct acl *acl;
	double build_ms;
	uint8_t *other;
	uint64_t sum; // of what was read, so that it is read
	uint64_t overhead;
};

struct share {
	uint8_t bits;
	uint16_t thousandths;
};

// About the shares in the global routing tables, with some prefixes longer than are routed.
static const struct share shares4[] = { { 8, 1 }, { 12, 2 }, { 14, 3 }, { 16, 14 }, { 18, 14 },
	{ 19, 24 }, { 20, 44 }, { 21, 50 }, { 22, 110 }, { 23, 98 }, { 24, 590 }, { 26, 15 },
	{ 28, 15 }, { 32, 20 } };
static const struct share shares6[] = { { 20, 1 }, { 28, 10 }, { 29, 45 }, { 32, 130 }, { 36, 40 },
	{ 40, 110 }, { 44, 90 }, { 46, 30 }, { 48, 494 }, { 56, 20 }, { 64, 30 } };

static uint8_t random_bits(struct bench *bench)
{
	const struct share *share = bench->family == ADDRESS_IPV4 ? shares4 : shares6;
	unsigned at = (unsigned)(random_next(&bench->random) % 1000);

	for (; at >= share->thousandths; share++)
		at -= share->thousandths;
	return share->bits;
}

// IPv4: any unicast address. IPv6: the registries' blocks and in each some thousand networks.
static struct address random_address(struct bench *bench)
{
	static const uint16_t blocks[] = { 0x2001, 0x2001, 0x2001, 0x2400, 0x2401, 0x2402, 0x2403,
		0x2404, 0x2405, 0x2406, 0x2407, 0x240a, 0x240e, 0x2600, 0x2601, 0x2602, 0x2604,
		0x2605, 0x2606, 0x2607, 0x2620, 0x2800, 0x2801, 0x2803, 0x2804, 0x2804, 0x2806,
		0x2a00, 0x2a01, 0x2a02, 0x2a03, 0x2a04, 0x2a05, 0x2a06, 0x2a07, 0x2a09, 0x2a0a,
		0x2a0b, 0x2a0c, 0x2a0d, 0x2a0e, 0x2a10, 0x2c0f };
	struct address address = { .family = bench->family };
	uint64_t bits = random_next(&bench->random);

	if (bench->family == ADDRESS_IPV4) {
		store_be32(address.bytes, (uint32_t)(bits % (UINT32_C(223) << 24)) + (1 << 24));
		return address;
	}
	store_be16(address.bytes, blocks[bits % (sizeof(blocks) / sizeof(blocks[0]))]);
	store_be16(address.bytes + 2, (uint16_t)(bits >> 16 & 0xffe0));
	store_be32(address.bytes + 4, (uint32_t)(bits >> 32));
	store_be64(address.bytes + 8, random_next(&bench->random));
	// Customers' networks crowd at the start of a provider's.
	if (bits & 1 << 10)
		address.bytes[4] &= 3;
	return address;
}

static void make_rules(struct bench *bench)
{
	bench->rules = allocate_lines(bench->rule_count * sizeof(*bench->rules));
	for (size_t i = 0; i < bench->rule_count; i++) {
		struct acl_rule *rule = &bench->rules[i];
		uint8_t bits = bench->rule_count == 1 ? 24 : random_bits(bench);

		*rule = (struct acl_rule){
			.subnet = { random_address(bench), bits },
			.allow = bench->rule_count == 1 || random_next(&bench->random) % 16 != 0,
		};
		subnet_mask(&rule->subnet);
	}
}

static void make_clients(struct bench *bench)
{
	bench->clients = allocate_lines(CLIENTS * sizeof(*bench->clients));
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct address client = random_address(bench);
		const struct subnet *subnet =
				&bench->rules[random_next(&bench->random) % bench->rule_count]
						 .subnet;

		for (unsigned bit = 0; i % 2 == 0 && bit < subnet->prefix_bits; bit++) {
			uint8_t mask = (uint8_t)(0x80 >> bit % 8);

			client.bytes[bit / 8] = (client.bytes[bit / 8] & ~mask)
					| (subnet->address.bytes[bit / 8] & mask);
		}
		bench->clients[i] = client;
	}
	for (unsigned i = CLIENTS; i-- > 1;) {
		size_t j = random_next(&bench->random) % (i + 1);
		struct address moved = bench->clients[i];

		bench->clients[i] = bench->clients[j];
		bench->clients[j] = moved;
	}
}

static void open_bench(struct bench *bench, uint8_t family, size_t rule_count, uint8_t *other)
{
	*bench = (struct bench){ .random = 1,
		.family = family,
		.rule_count = rule_count,
		.other = other,
		.overhead = UINT64_MAX };
	make_rules(bench);
	make_clients(bench);

	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	bench->acl = acl_build(allocate_lines(acl_size(bench->rules, rule_count)), bench->rules,
			rule_count);
	clock_gettime(CLOCK_MONOTONIC, &to);
	bench->build_ms = (double)(to.tv_sec - from.tv_sec) * 1e3
			+ (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t start = read_ticks(), ticks = read_ticks() - start;

		bench->overhead = ticks < bench->overhead ? ticks : bench->overhead;
	}
}

static void close_bench(struct bench *bench)
{
	free(bench->acl);
	free(bench->clients);
	free(bench->rules);
}

static void do_between(struct bench *bench, enum between between)
{
	if (between == COLD) {
		for (size_t i = 0; i < OTHER_BYTES; i += LINE)
			bench->sum += bench->other[i]++;
	}
	for (unsigned i = 0; between == BUSY && i < LINES_BUSY; i++)
		bench->sum += bench->other[random_next(&bench->random) % OTHER_BYTES]++;
}

static uint32_t time_burst(struct bench *bench, const struct address *clients, bool together)
{
	bool allowed[ACL_BURST];

	// The worker has just read the frames.
	for (unsigned i = 0; i < ACL_BURST; i++)
		bench->sum += clients[i].bytes[0];

	uint64_t start = read_ticks();

	if (together)
		acl_look_up(bench->acl, clients, ACL_BURST, allowed);
	for (unsigned i = 0; i < ACL_BURST && !together; i++)
		allowed[i] = acl_allows(bench->acl, &clients[i]);

	uint64_t ticks = read_ticks() - start - bench->overhead;

	for (unsigned i = 0; i < ACL_BURST; i++)
		bench->sum += allowed[i];
	return (uint32_t)ticks;
}

static double run(struct bench *bench, enum between between, bool together)
{
	static uint32_t ticks[BURSTS_TIMED];
	unsigned timed = between == COLD ? BURSTS_COLD : BURSTS_TIMED;
	unsigned warm_up = timed / WARM_UP;

	for (unsigned i = 0; i < warm_up + timed; i++) {
		const struct address *clients = &bench->clients[(size_t)i * ACL_BURST % CLIENTS];

		do_between(bench, between);
		ticks[i < warm_up ? 0 : i - warm_up] = time_burst(bench, clients, together);
	}
	return median_ticks(ticks, timed) / ACL_BURST;
}

int main(void)
{
	static const size_t counts[] = { 1, 100, 10'000, 100'000 };
	uint8_t *other = allocate_lines(OTHER_BYTES);

	memset(other, 0, OTHER_BYTES);
	printf("median TSC ticks per lookup, one at a time and in bursts of %d\n"
	       "family prefixes  KiB used reserved build ms"
	       "  hot one  burst busy one  burst cold one  burst\n",
			ACL_BURST);
	for (unsigned i = 0; i < 8; i++) {
		struct bench bench;

		open_bench(&bench, i < 4 ? ADDRESS_IPV4 : ADDRESS_IPV6, counts[i % 4], other);
		printf("%6u %8zu %9zu %8zu %8.1f ", bench.family, bench.rule_count,
				acl_bytes_used(bench.acl) / 1024,
				acl_size(bench.rules, bench.rule_count) / 1024, bench.build_ms);
		for (enum between between = HOT; between < BETWEEN_COUNT; between++)
			printf("  %7.1f %6.1f", run(&bench, between, false),
					run(&bench, between, true));
		printf("\n");
		fflush(stdout);
		if (bench.sum == 1)
			printf("unlikely\n");
		close_bench(&bench);
	}
	free(other);
	return EXIT_SUCCESS;
}
