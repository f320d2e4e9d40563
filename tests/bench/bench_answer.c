// SPDX-License-Identifier: BSD-3-Clause
// What a plain request costs a worker between rx_burst and tx_burst: the median number of TSC
// ticks of each pass over a burst, and of all of them as the worker runs them. Not timed: the port,
// and what put the frames into the cache (here their restoring, a whole pool ago). The short way is
// frame/plain, the long one frame_classify(), frame_turn() and frame_seal().
#include "base/bytes.h"
#include "base/random.h"
#include "frame/frame.h"
#include "server/acl.h"
#include "server/reply.h"
#include "server/responder.h"
#include "ticks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST         64
#define SLOT_SIZE     2304 // an mbuf with its headroom, as DPDK's pools have them
#define FRAME_SIZE    90
#define PAYLOAD_AT    42
#define BURSTS_TIMED  40'000
#define PREFIXES_MANY 10'000
#define NOW_NS        INT64_C(1772323200'000000000)
#define PRECISION     -25
#define TABLE_BYTES   (4 << 20)

enum pass {
	PASS_FIND,     // the short way: headers, checksums, first octet
	PASS_CLASSIFY, // the long one
	PASS_ADMIT,
	PASS_WRITE, // and turn, the short way
	PASS_TURN,
	PASS_STAMP, // and seal, the short way
	PASS_SEAL,
	PASS_SENT, // what is kept of clients
	PASS_WHOLE,
	PASS_COUNT,
};

static const char *const pass_names[PASS_COUNT] = { "find", "classify", "admit", "write", "turn",
	"stamp", "seal", "sent", "whole" };

struct scenario {
	unsigned frames;
	unsigned prefixes;
	bool checksum_given; // by the port
	bool long_way;
	bool clients; // remembered, and limited to more than they ask
};

struct bench {
	struct host host;
	struct policy policy;
	struct serving serving;
	struct responder responder;
	uint64_t random;
	utc_t now;
	uint8_t *pristine, *slots; // scenario.frames of each
	uint8_t *burst;            // those of them being worked on
	struct acl_rule *rules;
	// Of the burst being worked on.
	struct requests requests;
	const struct plain *plain[BURST];
	uint64_t sums[BURST];
	struct frame frames[BURST];
	uint32_t *ticks[PASS_COUNT];
	unsigned timed;
	uint64_t overhead; // of reading the counter twice
};

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
	bench->rules = allocate_lines(scenario->prefixes * sizeof(*bench->rules));
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
	bench->policy.access = acl_build(allocate_lines(acl_size(bench->rules, scenario->prefixes)),
			bench->rules, scenario->prefixes);
}

static struct client_table *make_table(struct bench *bench, const struct scenario *scenario)
{
	static const struct rate_limit_options most = {
		.interval = -12, .burst = 255, .leak = 1, .ipv4_bits = 32, .ipv6_bits = 128
	};
	static const uint64_t seed[2] = { 1, 2 };

	rate_limit_init(&bench->policy.limit, scenario->clients ? &most : NULL);
	if (!scenario->clients)
		return NULL;
	return client_table_init(allocate_lines(TABLE_BYTES), client_table_size(TABLE_BYTES), seed);
}

static void open_bench(struct bench *bench, const struct scenario *scenario)
{
	*bench = (struct bench){ .random = 1, .now = { NOW_NS }, .overhead = UINT64_MAX };
	bench->host = (struct host){ .mac = { 2, 0, 0, 0, 0, 1 },
		.addresses = { { { ADDRESS_IPV4, { 192, 0, 2, 2 } }, 24 } },
		.address_count = 1,
		.ntp_port = 123 };
	host_prepare(&bench->host);
	serving_set_unsynchronised(&bench->serving, PRECISION);
	responder_init(&bench->responder, 1, make_table(bench, scenario));
	make_policy(bench, scenario);
	bench->pristine = allocate_lines((size_t)scenario->frames * SLOT_SIZE);
	bench->slots = allocate_lines((size_t)scenario->frames * SLOT_SIZE);
	for (unsigned i = 0; i < scenario->frames; i++)
		make_frame(bench, bench->pristine + (size_t)i * SLOT_SIZE,
				random_client(bench, scenario));
	for (unsigned pass = 0; pass < PASS_COUNT; pass++)
		bench->ticks[pass] = allocate_lines(BURSTS_TIMED * sizeof(uint32_t));
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
	free(bench->responder.clients);
	free((void *)bench->policy.access);
	free(bench->rules);
}

static void restore(struct bench *bench, const struct scenario *scenario)
{
	for (size_t i = 0; i < scenario->frames; i++)
		memcpy(bench->slots + i * SLOT_SIZE, bench->pristine + i * SLOT_SIZE, FRAME_SIZE);
}

static void classify(struct bench *bench, const struct scenario *scenario, unsigned i)
{
	struct requests *requests = &bench->requests;
	struct frame *frame = &bench->frames[i];

	*frame = (struct frame){
		.start = bench->burst + (size_t)i * SLOT_SIZE,
		.length = FRAME_SIZE,
		.room = SLOT_SIZE,
		.checksum_known_good = scenario->checksum_given,
		.ip_checksum_known_good = scenario->checksum_given,
	};
	if (frame_classify(&bench->host, frame) != VERDICT_PENDING)
		fail("a frame was refused");
	requests->payload[i] = frame->start + frame->payload_offset;
	requests->source[i] = frame->source;
	if (ntp_request_parse(requests->payload[i], frame->payload_length, frame->source_port,
			    &requests->flags[i])
			!= VERDICT_PENDING)
		fail("a request was refused");
}

static void find(struct bench *bench, const struct scenario *scenario, unsigned i)
{
	struct requests *requests = &bench->requests;
	uint8_t *slot = bench->burst + (size_t)i * SLOT_SIZE;
	const struct plain *plain = plain_find(&bench->host.plain, slot, FRAME_SIZE);

	if (!plain || (!scenario->checksum_given && !plain_is_intact(plain, slot)))
		fail("a frame was refused");
	bench->plain[i] = plain;
	requests->payload[i] = slot + plain->udp_at + UDP_SIZE;
	requests->flags[i] = ntp_client_replies[requests->payload[i][NTP_LEAP_VERSION_MODE]];
	if (!requests->flags[i])
		fail("a request was refused");
	plain_source(plain, slot, &requests->source[i]);
}

static void sort(struct bench *bench, const struct scenario *scenario)
{
	bench->requests.count = BURST;
	for (unsigned i = 0; i < BURST; i++) {
		bench->requests.received[i] = bench->now;
		if (scenario->long_way)
			classify(bench, scenario, i);
		else
			find(bench, scenario, i);
	}
}

static void admit(struct bench *bench)
{
	if (responder_admit(&bench->responder, &bench->policy, &bench->serving, &bench->requests)
			!= BURST)
		fail("a request was not admitted");
}

static inline void write_replies(struct bench *bench, bool long_way, bool has_clients)
{
	struct requests *requests = &bench->requests;
	struct reply_maker maker = reply_begin(
			&bench->responder, &bench->policy, &bench->serving, requests->received[0]);

	for (unsigned i = 0, count = requests->count; i < count; i++) {
		uint64_t sum = reply_write(&maker, requests, i, has_clients);

		if (!long_way)
			bench->sums[i] = plain_turn(bench->plain[i], requests->payload[i], sum);
	}
	reply_end(&maker, &bench->responder, &bench->serving);
}

static inline void stamp_replies(struct bench *bench, bool long_way, bool has_clients)
{
	struct requests *requests = &bench->requests;
	struct reply_stamper stamper =
			reply_depart(&bench->responder, utc_add(bench->now, 20'000), PRECISION);

	for (unsigned i = 0, count = requests->count; i < count; i++) {
		uint64_t sum = reply_stamp(&stamper, requests, i, has_clients);

		if (!long_way)
			plain_seal(requests->payload[i], checksum_add_word(sum, bench->sums[i]));
	}
}

static void write_all(struct bench *bench, const struct scenario *scenario)
{
	if (scenario->long_way)
		write_replies(bench, true, false);
	else if (scenario->clients)
		write_replies(bench, false, true);
	else
		write_replies(bench, false, false);
}

static void turn(struct bench *bench)
{
	for (unsigned i = 0; i < BURST; i++)
		frame_turn(&bench->host, &bench->frames[i], NTP_HEADER_SIZE);
}

static void stamp(struct bench *bench, const struct scenario *scenario)
{
	if (scenario->long_way)
		stamp_replies(bench, true, false);
	else if (scenario->clients)
		stamp_replies(bench, false, true);
	else
		stamp_replies(bench, false, false);
}

static void seal(struct bench *bench)
{
	for (unsigned i = 0; i < BURST; i++)
		frame_seal(&bench->frames[i]);
}

static bool has_pass(const struct scenario *scenario, enum pass pass)
{
	switch (pass) {
	case PASS_FIND:
		return !scenario->long_way;
	case PASS_CLASSIFY:
	case PASS_TURN:
	case PASS_SEAL:
		return scenario->long_way;
	case PASS_SENT:
		return scenario->clients;
	default:
		return true;
	}
}

static void do_pass(struct bench *bench, const struct scenario *scenario, enum pass pass)
{
	switch (pass) {
	case PASS_FIND:
	case PASS_CLASSIFY:
		sort(bench, scenario);
		break;
	case PASS_ADMIT:
		admit(bench);
		break;
	case PASS_WRITE:
		write_all(bench, scenario);
		break;
	case PASS_TURN:
		turn(bench);
		break;
	case PASS_STAMP:
		stamp(bench, scenario);
		break;
	case PASS_SEAL:
		seal(bench);
		break;
	default:
		responder_sent(&bench->responder, &bench->requests, BURST,
				utc_add(bench->now, 25'000));
		break;
	}
}

static void note(struct bench *bench, enum pass pass, uint64_t start)
{
	uint64_t ticks = read_ticks() - start;

	// What takes nothing may take less than reading the counter.
	ticks = ticks < bench->overhead ? 0 : ticks - bench->overhead;
	bench->ticks[pass][bench->timed] = (uint32_t)ticks;
}

static void run_passes(struct bench *bench, const struct scenario *scenario)
{
	for (enum pass pass = 0; pass < PASS_WHOLE; pass++) {
		uint64_t start = read_ticks();

		if (!has_pass(scenario, pass))
			continue;
		do_pass(bench, scenario, pass);
		note(bench, pass, start);
	}
}

static void run_whole(struct bench *bench, const struct scenario *scenario)
{
	uint64_t start = read_ticks();

	for (enum pass pass = 0; pass < PASS_WHOLE; pass++) {
		if (has_pass(scenario, pass))
			do_pass(bench, scenario, pass);
	}
	note(bench, PASS_WHOLE, start);
}

typedef void run_function(struct bench *bench, const struct scenario *scenario);

// A bench of something that makes no replies would be a fast one.
static void require_replies(const struct bench *bench)
{
	for (unsigned i = 0; i < BURST; i++) {
		const uint8_t *slot = bench->burst + (size_t)i * SLOT_SIZE;
		uint64_t sum = checksum_pseudo(slot + 26, 8, 17, FRAME_SIZE - 34);

		if (checksum_fold(checksum_add(0, slot + 14, 20)) != 0xffff
				|| checksum_fold(checksum_add(sum, slot + 34, FRAME_SIZE - 34))
						!= 0xffff
				|| slot[PAYLOAD_AT]
						!= ntp_flags(NTP_LEAP_UNSYNCHRONISED, 4,
								NTP_MODE_SERVER))
			fail("a reply is wrong");
	}
}

// Goes round and round the pool; what is timed first warms up with one whole round.
static void run(struct bench *bench, const struct scenario *scenario, run_function *burst)
{
	unsigned bursts = scenario->frames / BURST;

	bench->timed = 0;
	for (unsigned round = 0; bench->timed < BURSTS_TIMED; round++) {
		restore(bench, scenario);
		for (unsigned i = 0; i < bursts && bench->timed < BURSTS_TIMED; i++) {
			bench->now = utc_add(bench->now, 100'000);
			bench->burst = bench->slots + (size_t)i * BURST * SLOT_SIZE;
			burst(bench, scenario);
			bench->timed += round > 0;
		}
	}
	require_replies(bench);
}

static void print_row(const struct scenario *scenario, const double medians[PASS_COUNT], bool json)
{
	const char *checksum = scenario->checksum_given ? "given" : "verified";
	const char *path = scenario->long_way ? "long" : "plain";
	const char *clients = scenario->clients ? "known" : "none";

	if (json)
		printf("{\"frames\":%u,\"prefixes\":%u,\"checksum\":\"%s\",\"path\":\"%s\",\"clients\":\"%s\"",
				scenario->frames, scenario->prefixes, checksum, path, clients);
	else
		printf("%6u %8u %-8s %-5s %-7s", scenario->frames, scenario->prefixes, checksum,
				path, clients);
	for (unsigned pass = 0; pass < PASS_COUNT; pass++) {
		if (json && has_pass(scenario, pass))
			printf(",\"%s\":%.1f", pass_names[pass], medians[pass]);
		else if (has_pass(scenario, pass))
			printf(" %8.1f", medians[pass]);
		else if (!json)
			printf(" %8s", "-");
	}
	printf("%s", json ? "}" : "\n");
}

static void print_head(void)
{
	printf("median TSC ticks per request, bursts of %d\n"
	       "frames prefixes checksum path  clients",
			BURST);
	for (unsigned pass = 0; pass < PASS_COUNT; pass++)
		printf(" %8s", pass_names[pass]);
	printf("\n");
}

static void run_scenario(const struct scenario *scenario, bool json)
{
	double medians[PASS_COUNT];
	struct bench bench;

	open_bench(&bench, scenario);
	run(&bench, scenario, run_passes);
	run(&bench, scenario, run_whole);
	for (unsigned pass = 0; pass < PASS_COUNT; pass++)
		medians[pass] = median_ticks(bench.ticks[pass], BURSTS_TIMED) / BURST;
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
		print_head();
	for (unsigned i = 0; i < 16; i++) {
		const struct scenario scenario = {
			.frames = i & 2 ? 8192 : 512,
			.prefixes = i & 1 ? PREFIXES_MANY : 1,
			.checksum_given = i / 4 == 1,
			.long_way = i >= 12,
			.clients = i >= 8 && i < 12,
		};

		if (json && i > 0)
			printf(",");
		run_scenario(&scenario, json);
	}
	if (json)
		printf("]}\n");
	return EXIT_SUCCESS;
}
