// SPDX-License-Identifier: BSD-3-Clause
// What the client table costs a worker: the median number of TSC ticks of each pass over a burst of
// 32, and of the three together; each request is of any client, with the same chance for all.
// Also how many of them the table still knows. Not timed: the rest of the answer.
#include "base/random.h"
#include "server/client_table.h"
#include "ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BURST        32
#define BURSTS_TIMED 30'000
#define BURSTS_SKIP  2'000
#define POLL_NS      (64 * NS_PER_S)
#define START_NS     INT64_C(1772323200'000000000)
#define HUGE_PAGE    (UINT64_C(2) << 20)
#define MEGABYTES    (UINT64_C(1) << 20)

enum pass {
	PASS_EXPECT,
	PASS_ADMIT,
	PASS_REMEMBER,
	PASS_COUNT,
};

enum mode {
	MODE_BASIC,
	MODE_INTERLEAVED,
	MODE_UNKNOWN,   // asks for stamps that there never were
	MODE_BY_PREFIX, // interleaved; the limit's prefixes keep stamps apart from their clients
	MODE_COUNT,
};

static const char *const mode_names[MODE_COUNT] = { "basic", "interleaved", "unknown",
	"by prefix" };

struct scenario {
	uint32_t clients;
	unsigned megabytes;
	enum mode mode;
	bool ipv6;
};

struct bench {
	const struct scenario *scenario;
	struct client_table *table;
	void *memory;
	uint64_t random;
	struct rate_limit limit;
	ntp64_t *origins; // by client: the receive timestamp of the last answer
	utc_t now;
	uint32_t seen;           // each comes once before they come at random
	uint32_t numbers[BURST]; // the burst's clients
	struct address addresses[BURST];
	struct client burst[BURST];
	ntp64_t asked[BURST];
	uint64_t known, answered, interleaved;
	uint32_t *ticks[PASS_COUNT + 1]; // and the whole
	unsigned timed;
	uint64_t overhead; // of reading the counter twice
};

// Every number gives another address.
static void *allocate(size_t size)
{
	size_t whole = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	void *memory = aligned_alloc(HUGE_PAGE, whole);

	if (!memory)
		fail("out of memory");
	madvise(memory, whole, MADV_HUGEPAGE);
	memset(memory, 0, size);
	return memory;
}

static struct address address_of(uint32_t number, bool ipv6)
{
	uint32_t mixed = number;
	struct address address = { ipv6 ? ADDRESS_IPV6 : ADDRESS_IPV4, { 0 } };

	mixed = (mixed ^ (mixed >> 16)) * UINT32_C(0x85ebca6b);
	mixed = (mixed ^ (mixed >> 13)) * UINT32_C(0xc2b2ae35);
	store_be32(address.bytes, mixed ^ (mixed >> 16));
	if (ipv6)
		store_be32(address.bytes + 12, number);
	return address;
}

// The client's burst in the cache, as frames would be.
static void prepare_burst(struct bench *bench)
{
	const struct scenario *scenario = bench->scenario;

	bench->now = utc_add(bench->now, POLL_NS * BURST / scenario->clients);
	for (unsigned i = 0; i < BURST; i++) {
		uint32_t number = bench->seen < scenario->clients
				? bench->seen++
				: (uint32_t)random_next(&bench->random) % scenario->clients;

		bench->numbers[i] = number;
		bench->addresses[i] = address_of(number, scenario->ipv6);
		bench->asked[i] = bench->origins[number];
		if (scenario->mode == MODE_BASIC)
			bench->asked[i] = 0;
		else if (scenario->mode == MODE_UNKNOWN)
			bench->asked[i] = random_next(&bench->random) | 1;
	}
}

static void run_expect(struct bench *bench)
{
	client_table_begin(bench->table, &bench->limit, utc_to_ntp64(bench->now), 1);
	for (unsigned i = 0; i < BURST; i++)
		client_table_expect(bench->table, &bench->addresses[i], bench->asked[i],
				&bench->burst[i]);
}

static void run_admit(struct bench *bench)
{
	ntp64_t receive = utc_to_ntp64(bench->now) | 1;
	uint64_t answered = 0, interleaved = 0;

	for (unsigned i = 0; i < BURST; i++) {
		ntp64_t departed = 0;

		answered += client_table_admit(bench->table, &bench->burst[i], &departed)
				== RATE_ANSWER;
		interleaved += departed != 0;
		client_table_issue(bench->table, &bench->burst[i], receive + 2 * i);
	}
	bench->answered += answered;
	bench->interleaved += interleaved;
}

static void run_remember(struct bench *bench)
{
	ntp64_t receive = utc_to_ntp64(bench->now) | 1;

	for (unsigned i = 0; i < BURST; i++) {
		client_table_remember(bench->table, &bench->burst[i], receive + 40'001 + 4 * i);
		bench->asked[i] = receive + 2 * i;
	}
}

static void end_burst(struct bench *bench)
{
	for (unsigned i = 0; i < BURST; i++)
		bench->origins[bench->numbers[i]] = bench->asked[i];
}

static void run_bursts(struct bench *bench, uint32_t bursts)
{
	bench->answered = bench->interleaved = 0;
	for (uint32_t i = 0; i < bursts; i++) {
		prepare_burst(bench);
		run_expect(bench);
		run_admit(bench);
		run_remember(bench);
		end_burst(bench);
	}
}

static void time_bursts(struct bench *bench, bool whole)
{
	static void (*const passes[PASS_COUNT])(
			struct bench *) = { run_expect, run_admit, run_remember };

	for (unsigned i = 0; i < BURSTS_TIMED + BURSTS_SKIP; i++) {
		unsigned at = i < BURSTS_SKIP ? 0 : i - BURSTS_SKIP;

		prepare_burst(bench);
		for (unsigned pass = 0; pass < PASS_COUNT && !whole; pass++) {
			uint64_t start = read_ticks();

			passes[pass](bench);
			bench->ticks[pass][at] = (uint32_t)(read_ticks() - start - bench->overhead);
		}
		if (whole) {
			uint64_t start = read_ticks();

			run_expect(bench);
			run_admit(bench);
			run_remember(bench);
			bench->ticks[PASS_COUNT][at] =
					(uint32_t)(read_ticks() - start - bench->overhead);
		}
		end_burst(bench);
	}
}

static void count_known(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->scenario->clients; i++) {
		struct address address = address_of(i, bench->scenario->ipv6);
		struct client client;

		client_table_expect(bench->table, &address, 0, &client);
		bench->known += client_line_find(client.line, client.who) != NULL;
	}
}

static void open_bench(struct bench *bench, const struct scenario *scenario)
{
	bool by_prefix = scenario->mode == MODE_BY_PREFIX;
	const struct rate_limit_options options = { 3, 8, 2, 0, by_prefix ? 28 : 32,
		by_prefix ? 64 : 128 };
	const uint64_t seed[2] = { 1, 2 };
	size_t size = client_table_size(scenario->megabytes * MEGABYTES);

	*bench = (struct bench){
		.scenario = scenario, .random = 1, .now = { START_NS }, .overhead = UINT64_MAX
	};
	rate_limit_init(&bench->limit, &options);
	bench->memory = allocate(size);
	bench->table = client_table_init(bench->memory, size, seed);
	bench->origins = allocate(scenario->clients * sizeof(bench->origins[0]));
	for (uint32_t i = 0; i < scenario->clients; i++)
		bench->origins[i] = 1;
	for (unsigned pass = 0; pass <= PASS_COUNT; pass++)
		bench->ticks[pass] = allocate(BURSTS_TIMED * sizeof(uint32_t));
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t start = read_ticks(), ticks = read_ticks() - start;

		bench->overhead = ticks < bench->overhead ? ticks : bench->overhead;
	}
}

static void close_bench(struct bench *bench)
{
	for (unsigned pass = 0; pass <= PASS_COUNT; pass++)
		free(bench->ticks[pass]);
	free(bench->origins);
	free(bench->memory);
}

static void print_row(struct bench *bench, bool json)
{
	const struct scenario *scenario = bench->scenario;
	double whole = median_ticks(bench->ticks[PASS_COUNT], BURSTS_TIMED) / BURST;
	double expect = median_ticks(bench->ticks[PASS_EXPECT], BURSTS_TIMED) / BURST;
	double admit = median_ticks(bench->ticks[PASS_ADMIT], BURSTS_TIMED) / BURST;
	double remember = median_ticks(bench->ticks[PASS_REMEMBER], BURSTS_TIMED) / BURST;
	double percent = 100.0 / scenario->clients;

	printf(json ? "{\"clients\":%u,\"megabytes\":%u,\"family\":%d,\"mode\":\"%s\","
		      "\"known_percent\":%.2f,\"interleaved_percent\":%.2f,\"expect\":%.1f,"
		      "\"admit\":%.1f,\"remember\":%.1f,\"whole\":%.1f}"
		    : "%9u %5u IPv%d %-11s %7.2f %7.2f %8.1f %8.1f %8.1f %8.1f\n",
			scenario->clients, scenario->megabytes, scenario->ipv6 ? 6 : 4,
			mode_names[scenario->mode], (double)bench->known * percent,
			(double)bench->interleaved * percent, expect, admit, remember, whole);
	fflush(stdout);
}

static void run_scenario(const struct scenario *scenario, bool json)
{
	struct bench bench;
	uint64_t interleaved;

	open_bench(&bench, scenario);
	for (unsigned round = 0; round < 3; round++)
		run_bursts(&bench, scenario->clients / BURST);
	interleaved = bench.interleaved;
	if (bench.answered < scenario->clients / 1000 * 999)
		fail("requests were over the limit");
	count_known(&bench);
	time_bursts(&bench, false);
	time_bursts(&bench, true);
	bench.interleaved = interleaved;
	print_row(&bench, json);
	close_bench(&bench);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = {
		{ 1u << 12, 1, MODE_INTERLEAVED, false },
		{ 1u << 20, 64, MODE_BASIC, false },
		{ 1u << 20, 64, MODE_INTERLEAVED, false },
		{ 1u << 20, 64, MODE_INTERLEAVED, true },
		{ 1u << 20, 64, MODE_UNKNOWN, false },
		{ 1u << 20, 64, MODE_BY_PREFIX, false },
		{ 1u << 24, 512, MODE_BASIC, false },
		{ 1u << 24, 512, MODE_INTERLEAVED, false },
		{ 1u << 24, 1024, MODE_BASIC, false },
		{ 1u << 24, 1024, MODE_INTERLEAVED, false },
	};
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

	if (argc > 2 || (argc == 2 && !json))
		fail("usage: bench_clients [--json]");
	if (json)
		printf("{\"bench\":\"clients\",\"unit\":\"TSC ticks per request\",\"rows\":[");
	else
		printf("median TSC ticks per request, bursts of %d\n"
		       "  clients    MB      mode        known%%  inter%%   expect    admit remember    whole\n",
				BURST);
	for (unsigned i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		if (json && i > 0)
			printf(",");
		run_scenario(&scenarios[i], json);
	}
	if (json)
		printf("]}\n");
	return EXIT_SUCCESS;
}
