// SPDX-License-Identifier: BSD-3-Clause
// What a plain request costs a worker between rx_burst and tx_burst: the median number of TSC
// ticks of each pass over a burst of 32, and of all of them as the worker runs them. Not timed:
// the port, and what put the frames into the cache (here their restoring, a whole pool ago).
#include "base/bytes.h"
#include "base/random.h"
#include "frame/frame.h"
#include "server/acl.h"
#include "server/responder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#define BURST         32
#define SLOT_SIZE     2304 // an mbuf with its headroom, as DPDK's pools have them
#define FRAME_SIZE    90
#define PAYLOAD_AT    42
#define BURSTS_TIMED  40'000
#define PREFIXES_MANY 10'000
#define NOW_NS        INT64_C(1772323200'000000000)

enum pass {
	PASS_CLASSIFY,
	PASS_ANSWER,
	PASS_TURN,
	PASS_STAMP,
	PASS_SEAL,
	PASS_WHOLE,
	PASS_COUNT,
};

struct scenario {
	unsigned frames;
	unsigned prefixes;
	bool checksum_given; // by the port
};

struct bench {
	struct host host;
	struct policy policy;
	struct serving serving;
	struct responder responder;
	uint64_t random;
	utc_t now;
	uint8_t *pristine, *slots; // scenario.frames of each
	struct acl_rule *rules;
	struct frame frames[BURST]; // of the burst being worked on
	uint32_t *ticks[PASS_COUNT];
	unsigned timed;
	uint64_t overhead; // of reading the counter twice
};

static void fail(const char *what)
{
	fprintf(stderr, "bench_answer: %s\n", what);
	exit(EXIT_FAILURE);
}

static void *allocate(size_t size)
{
	void *memory = aligned_alloc(64, (size + 63) / 64 * 64);

	if (!memory)
		fail("out of memory");
	memset(memory, 0, size);
	return memory;
}

static uint64_t read_ticks(void)
{
	_mm_lfence();
	uint64_t ticks = __rdtsc();

	_mm_lfence();
	return ticks;
}

static uint32_t random_client(struct bench *bench, const struct scenario *scenario)
{
	uint64_t bits = random_next(&bench->random);
	const struct subnet *subnet = &bench->rules[bits % scenario->prefixes].subnet;
	uint32_t host_bits = UINT32_MAX >> subnet->prefix_bits;

	// Neither our own nor the network's last address.
	return load_be32(subnet->address.bytes) | ((uint32_t)(bits >> 32) & host_bits & ~2u);
}

static void make_frame(struct bench *bench, uint8_t *slot, uint32_t client)
{
	static const uint8_t headers[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 76,
		0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2 };
	uint8_t *udp = slot + 34;
	uint32_t sum = 0;

	memcpy(slot, headers, sizeof(headers));
	store_be32(slot + 26, client);
	for (unsigned i = 14; i < 34; i += 2)
		sum += load_be16(slot + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(slot + 24, (uint16_t) ~(sum + (sum >> 16)));
	store_be16(udp, 123);
	store_be16(udp + 2, 123);
	store_be16(udp + 4, FRAME_SIZE - 34);
	slot[PAYLOAD_AT] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	slot[PAYLOAD_AT + NTP_POLL] = 6;
	store_be64(slot + PAYLOAD_AT + NTP_TRANSMIT, random_next(&bench->random));
	sum = 17 + FRAME_SIZE - 34;
	for (unsigned i = 26; i < FRAME_SIZE; i += 2)
		sum += load_be16(slot + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store_be16(udp + 6, (uint16_t) ~(sum + (sum >> 16)));
}

static void make_policy(struct bench *bench, const struct scenario *scenario)
{
	bench->rules = allocate(scenario->prefixes * sizeof(*bench->rules));
	for (unsigned i = 0; i < scenario->prefixes; i++) {
		uint64_t bits = random_next(&bench->random);
		struct subnet *subnet = &bench->rules[i].subnet;

		subnet->address.family = ADDRESS_IPV4;
		// 16.0.0.0 to 79.255.255.255, which are nobody's loopback or multicast.
		store_be32(subnet->address.bytes, (uint32_t)(bits % (1u << 30)) + (16u << 24));
		subnet->prefix_bits =
				(uint8_t)(scenario->prefixes == 1 ? 8 : 16 + (bits >> 32) % 13);
		subnet_mask(subnet);
		bench->rules[i].allow = true;
	}
	bench->policy.access = acl_build(allocate(acl_size(bench->rules, scenario->prefixes)),
			bench->rules, scenario->prefixes);
}

static void open_bench(struct bench *bench, const struct scenario *scenario)
{
	*bench = (struct bench){ .random = 1, .now = { NOW_NS }, .overhead = UINT64_MAX };
	bench->host = (struct host){ .mac = { 2, 0, 0, 0, 0, 1 },
		.addresses = { { { ADDRESS_IPV4, { 192, 0, 2, 2 } }, 24 } },
		.address_count = 1,
		.ntp_port = 123 };
	serving_set_unsynchronised(&bench->serving, -25);
	responder_init(&bench->responder, 1);
	make_policy(bench, scenario);
	bench->pristine = allocate((size_t)scenario->frames * SLOT_SIZE);
	bench->slots = allocate((size_t)scenario->frames * SLOT_SIZE);
	for (unsigned i = 0; i < scenario->frames; i++)
		make_frame(bench, bench->pristine + (size_t)i * SLOT_SIZE,
				random_client(bench, scenario));
	for (unsigned pass = 0; pass < PASS_COUNT; pass++)
		bench->ticks[pass] = allocate(BURSTS_TIMED * sizeof(uint32_t));
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t start = read_ticks(), ticks = read_ticks() - start;

		bench->overhead = ticks < bench->overhead ? ticks : bench->overhead;
	}
}

static void close_bench(struct bench *bench)
{
	for (unsigned pass = 0; pass < PASS_COUNT; pass++)
		free(bench->ticks[pass]);
	free(bench->slots);
	free(bench->pristine);
	free((void *)bench->policy.access);
	free(bench->rules);
}

static void restore(struct bench *bench, const struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->frames; i++)
		memcpy(bench->slots + i * SLOT_SIZE, bench->pristine + i * SLOT_SIZE, FRAME_SIZE);
}

static void classify(
		struct bench *bench, const struct scenario *scenario, unsigned i, uint8_t *slot)
{
	bench->frames[i] = (struct frame){
		.start = slot,
		.length = FRAME_SIZE,
		.room = SLOT_SIZE,
		.checksum_known_good = scenario->checksum_given,
		.ip_checksum_known_good = scenario->checksum_given,
	};
	if (frame_classify(&bench->host, &bench->frames[i]) != VERDICT_PENDING)
		fail("a frame was refused");
}

static void answer(struct bench *bench, unsigned i)
{
	const struct frame *frame = &bench->frames[i];
	uint8_t *payload = frame->start + frame->payload_offset;
	struct request request = { payload, frame->payload_length, frame->source_port,
		&frame->source, utc_add(bench->now, (int64_t)i * 100) };

	if (responder_answer(&bench->responder, &bench->policy, &bench->serving, &request, payload)
			!= VERDICT_ANSWERED)
		fail("a request was not answered");
}

static void stamp(struct bench *bench, unsigned i)
{
	const struct frame *frame = &bench->frames[i];

	responder_stamp(&bench->responder, frame->start + frame->payload_offset,
			utc_add(bench->now, 20'000));
}

static void run_pass(struct bench *bench, const struct scenario *scenario, enum pass pass,
		uint8_t *slots)
{
	uint64_t start = read_ticks();

	for (unsigned i = 0; i < BURST; i++) {
		if (pass == PASS_CLASSIFY)
			classify(bench, scenario, i, slots + (size_t)i * SLOT_SIZE);
		else if (pass == PASS_ANSWER)
			answer(bench, i);
		else if (pass == PASS_TURN)
			frame_turn(&bench->host, &bench->frames[i], NTP_HEADER_SIZE);
		else if (pass == PASS_STAMP)
			stamp(bench, i);
		else
			frame_seal(&bench->frames[i]);
	}
	bench->ticks[pass][bench->timed] = (uint32_t)(read_ticks() - start - bench->overhead);
}

static void run_passes(struct bench *bench, const struct scenario *scenario, uint8_t *slots)
{
	run_pass(bench, scenario, PASS_CLASSIFY, slots);
	run_pass(bench, scenario, PASS_ANSWER, slots);
	run_pass(bench, scenario, PASS_TURN, slots);
	run_pass(bench, scenario, PASS_STAMP, slots);
	run_pass(bench, scenario, PASS_SEAL, slots);
}

static void run_whole(struct bench *bench, const struct scenario *scenario, uint8_t *slots)
{
	uint64_t start = read_ticks();

	for (unsigned i = 0; i < BURST; i++) {
		classify(bench, scenario, i, slots + (size_t)i * SLOT_SIZE);
		answer(bench, i);
		frame_turn(&bench->host, &bench->frames[i], NTP_HEADER_SIZE);
	}
	for (unsigned i = 0; i < BURST; i++) {
		stamp(bench, i);
		frame_seal(&bench->frames[i]);
	}
	bench->ticks[PASS_WHOLE][bench->timed] = (uint32_t)(read_ticks() - start - bench->overhead);
}

typedef void run_function(struct bench *bench, const struct scenario *scenario, uint8_t *slots);

// Goes round and round the pool; what is timed first warms up with one whole round.
static void run(struct bench *bench, const struct scenario *scenario, run_function *burst)
{
	unsigned bursts = scenario->frames / BURST;

	bench->timed = 0;
	for (unsigned round = 0; bench->timed < BURSTS_TIMED; round++) {
		restore(bench, scenario);
		for (unsigned i = 0; i < bursts && bench->timed < BURSTS_TIMED; i++) {
			bench->now = utc_add(bench->now, 100'000);
			burst(bench, scenario, bench->slots + (size_t)i * BURST * SLOT_SIZE);
			bench->timed += round > 0;
		}
	}
}

static int compare_ticks(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

static double median_per_request(uint32_t *ticks)
{
	qsort(ticks, BURSTS_TIMED, sizeof(*ticks), compare_ticks);
	return (double)ticks[BURSTS_TIMED / 2] / BURST;
}

static void print_row(const struct scenario *scenario, const double medians[PASS_COUNT], bool json)
{
	static const char *const names[PASS_COUNT] = { "classify", "answer", "turn", "stamp",
		"seal", "whole" };
	const char *checksum = scenario->checksum_given ? "given" : "verified";

	if (json)
		printf("{\"frames\":%u,\"prefixes\":%u,\"checksum\":\"%s\"", scenario->frames,
				scenario->prefixes, checksum);
	else
		printf("%6u %8u %-8s", scenario->frames, scenario->prefixes, checksum);
	for (unsigned pass = 0; pass < PASS_COUNT; pass++) {
		if (json)
			printf(",\"%s\":%.1f", names[pass], medians[pass]);
		else
			printf(" %8.1f", medians[pass]);
	}
	printf("%s", json ? "}" : "\n");
}

static void run_scenario(const struct scenario *scenario, bool json)
{
	double medians[PASS_COUNT];
	struct bench bench;

	open_bench(&bench, scenario);
	run(&bench, scenario, run_passes);
	run(&bench, scenario, run_whole);
	for (unsigned pass = 0; pass < PASS_COUNT; pass++)
		medians[pass] = median_per_request(bench.ticks[pass]);
	print_row(scenario, medians, json);
	close_bench(&bench);
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;

	if (argc > 2 || (argc == 2 && !json))
		fail("usage: bench_answer [--json]");
	if (json)
		printf("{\"bench\":\"answer\",\"unit\":\"TSC ticks per request\",\"rows\":[");
	else
		printf("median TSC ticks per request, bursts of %d\n"
		       "frames prefixes checksum classify   answer     turn    stamp     seal    whole\n",
				BURST);
	for (unsigned i = 0; i < 8; i++) {
		const struct scenario scenario = {
			.frames = i & 2 ? 8192 : 512,
			.prefixes = i & 1 ? PREFIXES_MANY : 1,
			.checksum_given = i & 4,
		};

		if (json && i > 0)
			printf(",");
		run_scenario(&scenario, json);
	}
	if (json)
		printf("]}\n");
	return EXIT_SUCCESS;
}
