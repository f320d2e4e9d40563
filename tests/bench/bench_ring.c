// SPDX-License-Identifier: BSD-3-Clause
// What a frame costs a worker, all of it: rx_burst, the passes, tx_burst, with two memory rings in
// the place of a wire. Only the worker's rounds are timed, in TSC ticks; between them each reply is
// checked and made a request again, which is met again when IN_FLIGHT others have been.
// Usage: bench_ring [EAL arguments] [-- [--json] [ARM...]]; all arms by default.
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/random.h"
#include "dataplane/worker.h"
#include "drivers/drivers.h"
#include "frame/layout.h"
#include "server/acl.h"
#include "ticks.h"
#include "timing/time_page.h"

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BURST     64
#define IN_FLIGHT 512
#define RING_SIZE 1024
#define ROUNDS    20'000
#define NTP_SIZE  48
#define MB        (UINT64_C(1) << 20)
#define NOW_NS    INT64_C(1772323200'000000000)

enum traffic {
	PLAIN,
	INTERLEAVED,
	DENIED,       // all of it
	MOSTLY_DENIED // nine of ten
};

struct arm {
	const char *name;
	enum traffic traffic;
	bool ipv6;
	bool verify; // the port has not looked at checksums
	unsigned prefixes;
	unsigned clients;
	unsigned table_mb; // 0: no client table, no rate limit
	unsigned workers;
};

static const struct arm arms[] = {
	{ "plain", PLAIN, false, false, 1, 1, 0, 1 },
	{ "plain-again", PLAIN, false, false, 1, 1, 0, 1 },
	{ "plain-verify", PLAIN, false, true, 1, 1, 0, 1 },
	{ "plain-ipv6", PLAIN, true, false, 1, 1, 0, 1 },
	{ "plain-denied", DENIED, false, false, 1, 1, 0, 1 },
	{ "plain-mixed", MOSTLY_DENIED, false, false, 1, 1, 0, 1 },
	{ "plain-two-workers", PLAIN, false, false, 1, 1, 0, 2 },
	{ "acl-10k", PLAIN, false, false, 10'000, 1'000'000, 0, 1 },
	{ "all-1M", INTERLEAVED, false, false, 10'000, 1'000'000, 64, 1 },
	{ "all-1M-100k", INTERLEAVED, false, false, 100'000, 1'000'000, 64, 1 },
	{ "all-1M-ipv6", INTERLEAVED, true, false, 10'000, 1'000'000, 64, 1 },
	{ "all-1M-denied", DENIED, false, false, 10'000, 1'000'000, 64, 1 },
	{ "all-16M", INTERLEAVED, false, false, 10'000, 16'000'000, 512, 1 },
};

#define ARMS (sizeof(arms) / sizeof(arms[0]))

// What the harness knows of a client.
struct peer {
	uint32_t number; // its address, in one of the prefixes
	ntp64_t receive; // of the last reply it got
};

struct bench {
	const struct arm *arm;
	struct rte_mempool *pool;
	struct rte_ring *rx, *tx;
	struct latch *page;
	struct published *policy;
	struct port port;
	struct worker worker;
	const struct acl_rule *rules;
	struct peer *peers;
	uint64_t random;
	uint64_t next; // client while filling; then they come at random
	uint64_t replies, interleaved, dropped;
	uint64_t wanted, granted; // requests of those who are allowed
	uint32_t ticks[ROUNDS];
	unsigned timed;
};

static void *allocate(size_t size)
{
	void *memory = rte_zmalloc(NULL, size, 64);

	if (!memory)
		fail("out of memory");
	return memory;
}

static unsigned headers_of(const struct arm *arm)
{
	return ETHERNET_SIZE + (arm->ipv6 ? IPV6_SIZE : IPV4_SIZE) + UDP_SIZE;
}

// No two clients have the same address.
static void write_source(const struct bench *bench, const struct peer *peer, bool deny, uint8_t *at)
{
	const struct arm *arm = bench->arm;
	const struct subnet *subnet = &bench->rules[peer->number % arm->prefixes].subnet;
	uint32_t host = peer->number / arm->prefixes;

	if (arm->ipv6) {
		memcpy(at, subnet->address.bytes, 8);
		store_be64(at + 8, host);
		at[0] = deny ? 0x3f : at[0];
		return;
	}
	store_be32(at, load_be32(subnet->address.bytes) | host);
	at[0] = deny ? 100 : at[0];
}

static void write_ip(const struct bench *bench, const struct peer *peer, bool deny, uint8_t *frame)
{
	static const uint8_t ipv4[] = { 0x45, 0, 0, 76, 0, 0, 0x40, 0, 64, 17, 0, 0, 0, 0, 0, 0,
		192, 0, 2, 2 };
	static const uint8_t ipv6[] = { 0x60, 0, 0, 0, 0, 56, 17, 64, [24] = 0x20, 1, 0x0d,
		0xb8, [39] = 2 };
	uint8_t *ip = frame + ETHERNET_SIZE;

	store_be16(frame + ETHERNET_TYPE, bench->arm->ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	if (bench->arm->ipv6) {
		memcpy(ip, ipv6, sizeof(ipv6));
		write_source(bench, peer, deny, ip + IPV6_SOURCE);
		return;
	}
	memcpy(ip, ipv4, sizeof(ipv4));
	write_source(bench, peer, deny, ip + IPV4_SOURCE);
	uint16_t sum = (uint16_t)~checksum_fold(checksum_add(0, ip, IPV4_SIZE));

	memcpy(ip + IPV4_CHECKSUM, &sum, sizeof(sum));
}

static uint64_t udp_sum(const struct arm *arm, const uint8_t *frame)
{
	const uint8_t *udp = frame + headers_of(arm) - UDP_SIZE;
	size_t addresses = arm->ipv6 ? IPV6_ADDRESSES_SIZE : IPV4_ADDRESSES_SIZE;

	return checksum_add(checksum_pseudo(udp - addresses, addresses, PROTOCOL_UDP,
					    UDP_SIZE + NTP_SIZE),
			udp, UDP_SIZE + NTP_SIZE);
}

// The client's number comes along in the timestamps, for when the reply is back.
static void make_request(struct bench *bench, struct rte_mbuf *mbuf)
{
	static const uint8_t macs[] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	const struct arm *arm = bench->arm;
	uint64_t bits = random_next(&bench->random);
	uint64_t client = (bench->next < 2UL * arm->clients ? bench->next++ : bits) % arm->clients;
	struct peer *peer = &bench->peers[client];
	bool deny = arm->traffic == DENIED || (arm->traffic == MOSTLY_DENIED && bits >> 60 != 0);
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint8_t *payload = frame + headers_of(arm), *udp = payload - UDP_SIZE;

	bench->wanted += !deny;
	memcpy(frame, macs, sizeof(macs));
	write_ip(bench, peer, deny, frame);
	store_be16(udp + UDP_SOURCE_PORT, 12345);
	store_be16(udp + UDP_DESTINATION_PORT, 123);
	store_be16(udp + UDP_LENGTH, UDP_SIZE + NTP_SIZE);
	store_be16(udp + UDP_CHECKSUM, 0);
	memset(payload, 0, NTP_SIZE);
	payload[NTP_LEAP_VERSION_MODE] = ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT);
	payload[NTP_POLL] = 6;
	if (arm->traffic == INTERLEAVED) {
		store_be64(payload + NTP_ORIGIN, peer->receive | 1);
		store_be64(payload + NTP_RECEIVE, client << 32 | 1);
	}
	store_be64(payload + NTP_TRANSMIT, client << 32);
	uint16_t sum = (uint16_t)~checksum_fold(udp_sum(arm, frame));

	memcpy(udp + UDP_CHECKSUM, &sum, sizeof(sum));
	mbuf->data_len = (uint16_t)(payload + NTP_SIZE - frame);
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags =
			arm->verify ? 0 : RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

static void take_reply(struct bench *bench, const struct rte_mbuf *mbuf)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	const uint8_t *payload = frame + headers_of(bench->arm);
	uint64_t origin = load_be64(payload + NTP_ORIGIN);

	if (payload[0] != ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_SERVER)
			|| origin >> 32 >= bench->arm->clients)
		fail("a reply is wrong");
	if (checksum_fold(udp_sum(bench->arm, frame)) != 0xffff)
		fail("a reply's checksum is wrong");
	bench->peers[origin >> 32].receive = load_be64(payload + NTP_RECEIVE);
	bench->replies++;
	bench->interleaved += origin & 1;
}

static void put(struct bench *bench, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->pool);

		if (!mbuf)
			fail("no buffer");
		else {
			make_request(bench, mbuf);
			rte_ring_enqueue(bench->rx, mbuf);
		}
	}
}

// Makes requests of what the worker sent, and of new buffers in the place of what it dropped.
static void turn_back(struct bench *bench)
{
	struct rte_mbuf *mbufs[BURST];
	unsigned count = rte_ring_dequeue_burst(bench->tx, (void **)mbufs, BURST, NULL);

	for (unsigned i = 0; i < count; i++) {
		take_reply(bench, mbufs[i]);
		make_request(bench, mbufs[i]);
	}
	rte_ring_enqueue_bulk(bench->rx, (void **)mbufs, count, NULL);
	bench->granted += count;
	bench->dropped += BURST - count;
	put(bench, BURST - count);
}

static void drain(struct rte_ring *ring)
{
	void *mbuf;

	while (rte_ring_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

// First every client is heard twice, so that each is known that the table can hold.
static int run_worker(void *argument)
{
	struct bench *bench = argument;
	uint64_t untimed = 1000 + 2UL * bench->arm->clients / BURST;

	put(bench, IN_FLIGHT);
	for (uint64_t i = 0; i < untimed + ROUNDS; i++) {
		if (i == untimed)
			bench->replies = bench->interleaved = bench->dropped = bench->wanted =
					bench->granted = 0;
		uint64_t start = rte_rdtsc_precise();

		worker_poll(&bench->worker);
		bench->ticks[i % ROUNDS] = (uint32_t)(rte_rdtsc_precise() - start);
		turn_back(bench);
	}
	drain(bench->rx);
	drain(bench->tx);
	return 0;
}

static void publish_page(struct latch *latch)
{
	struct time_page page = {
		.map = { rte_rdtsc(), { NOW_NS }, time_rate_from_double(1 / 2.6) },
		.expires_ticks = rte_rdtsc() + (UINT64_C(1) << 50),
		.head = { 0, 1, 0, (uint8_t)-25 },
	};

	time_page_publish(latch, &page);
}

static unsigned bits_of(unsigned number)
{
	return number > 1 ? 32 - (unsigned)__builtin_clz(number - 1) : 0;
}

// IPv4: 16.0.0.0 to 79.255.255.255, which are nobody's loopback or multicast, in equal parts, each
// with a prefix at its start that has room for its clients.
static void set_ipv4_prefix(const struct arm *arm, struct subnet *subnet, unsigned i, uint64_t bits)
{
	unsigned part = 2 + bits_of(arm->prefixes);
	unsigned longest = 31 - bits_of((arm->clients + arm->prefixes - 1) / arm->prefixes);

	store_be32(subnet->address.bytes, (UINT32_C(16) << 24) + (i << (32 - part)));
	subnet->prefix_bits = (uint8_t)(part + bits % (longest - part + 1));
}

static struct acl_rule *make_rules(const struct arm *arm)
{
	struct acl_rule *rules = allocate(arm->prefixes * sizeof(*rules));
	uint64_t random = 1;

	for (unsigned i = 0; i < arm->prefixes; i++) {
		uint64_t bits = random_next(&random);
		struct subnet *subnet = &rules[i].subnet;

		subnet->address.family = arm->ipv6 ? ADDRESS_IPV6 : ADDRESS_IPV4;
		if (arm->ipv6) {
			store_be64(subnet->address.bytes, UINT64_C(0x2) << 60 | bits >> 6);
			subnet->prefix_bits = (uint8_t)(32 + (bits >> 32) % 17);
			subnet_mask(subnet);
		} else {
			set_ipv4_prefix(arm, subnet, i, bits >> 32);
		}
		rules[i].allow = true;
	}
	return rules;
}

static struct policy make_policy(const struct arm *arm, const struct acl_rule *rules)
{
	const struct rate_limit_options options = {
		.interval = -8, .burst = 32, .leak = 2, .ipv4_bits = 32, .ipv6_bits = 128
	};
	struct policy policy;

	policy.access = acl_build(allocate(acl_size(rules, arm->prefixes)), rules, arm->prefixes);
	rate_limit_init(&policy.limit, arm->table_mb ? &options : NULL);
	return policy;
}

static void give_table(struct bench *bench)
{
	const uint64_t seed[] = { 1, 2 };
	size_t size = client_table_size(bench->arm->table_mb * MB);
	struct client_table *table = NULL;

	if (size > 0)
		table = client_table_init(allocate(size), size, seed);
	responder_init(&bench->worker.responder, 1, table);
}

static void report(const struct bench *bench, unsigned workers, bool json)
{
	double median = bench->ticks[ROUNDS / 2] / (double)BURST;
	double low = bench->ticks[ROUNDS / 10] / (double)BURST;
	double high = bench->ticks[ROUNDS * 9 / 10] / (double)BURST;
	double known = bench->replies ? (double)bench->interleaved / (double)bench->replies : 0;
	double share = bench->wanted ? (double)bench->granted / (double)bench->wanted : 0;
	const char *format = json
			? "{\"arm\":\"%s\",\"workers\":%u,\"ticks_per_frame\":%.2f,\"p10\":%.2f,\"p90\":%.2f,\"interleaved\":%.5f,\"granted\":%.5f}\n"
			: "%-20s %u workers %7.1f ticks a frame (%.1f .. %.1f) interleaved %.4f granted %.4f\n";

	printf(format, bench->arm->name, workers, median / workers, low / workers, high / workers,
			known, share);
	fflush(stdout);
}

static void open_port(struct bench *bench, unsigned number)
{
	static struct host host = { .mac = { 2, 0, 0, 0, 0, 1 },
		.addresses = { { { ADDRESS_IPV4, { 192, 0, 2, 2 } }, 24 },
				{ { ADDRESS_IPV6, { 0x20, 1, 0x0d, 0xb8, [15] = 2 } }, 64 } },
		.address_count = 2,
		.vlan = HOST_ANY_VLAN,
		.ntp_port = 123 };
	struct rte_eth_conf conf = { 0 };
	char name[32];

	snprintf(name, sizeof(name), "bench%u", number);
	bench->pool = rte_pktmbuf_pool_create(
			name, 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	snprintf(name, sizeof(name), "rx%u", number);
	bench->rx = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(name, sizeof(name), "tx%u", number);
	bench->tx = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	int port = rte_eth_from_rings(name, &bench->rx, 1, &bench->tx, 1, 0);

	if (!bench->pool || port < 0)
		fail("no port of rings");
	bench->port.id = (uint16_t)port;
	rte_eth_dev_configure(bench->port.id, 1, 1, &conf);
	rte_eth_rx_queue_setup(bench->port.id, 0, 64, 0, NULL, bench->pool);
	rte_eth_tx_queue_setup(bench->port.id, 0, 64, 0, NULL);
	rte_eth_dev_start(bench->port.id);
	bench->port.queue_count = 1;
	bench->port.queues = allocate(sizeof(*bench->port.queues));
	bench->port.queues[0].port = &bench->port;
	host_prepare(&host);
	published_swap(&bench->port.host, &host);
	bench->worker.counter = counter_choose();
	bench->worker.timestamper = &timestamper_software;
	bench->worker.page = bench->page;
	bench->worker.policy = bench->policy;
	bench->worker.queues[0] = &bench->port.queues[0];
	bench->worker.queue_count = 1;
}

static void begin(struct bench *bench, const struct arm *arm, const struct acl_rule *rules)
{
	bench->arm = arm;
	bench->rules = rules;
	bench->random = (uintptr_t)bench;
	bench->next = 0;
	bench->peers = allocate(arm->clients * sizeof(*bench->peers));
	for (unsigned i = 0; i < arm->clients; i++)
		bench->peers[i].number = i;
	give_table(bench);
}

static void run_arm(struct bench *const benches[2], const struct arm *arm, bool json)
{
	struct acl_rule *rules = make_rules(arm);
	struct policy policy = make_policy(arm, rules);
	unsigned other = rte_get_next_lcore(-1, 1, 0);

	if (arm->workers > 1 && other == RTE_MAX_LCORE)
		return;
	published_swap(benches[0]->policy, &policy);
	publish_page(benches[0]->page);
	for (unsigned w = 0; w < arm->workers; w++)
		begin(benches[w], arm, rules);
	if (arm->workers > 1)
		rte_eal_remote_launch(run_worker, benches[1], other);
	run_worker(benches[0]);
	rte_eal_mp_wait_lcore();
	for (unsigned w = 0; w < arm->workers; w++) {
		sort_ticks(benches[w]->ticks, ROUNDS);
		rte_free(benches[w]->worker.responder.clients);
		rte_free(benches[w]->peers);
	}
	report(benches[0], arm->workers, json);
	rte_free((void *)policy.access);
	rte_free(rules);
}

static bool is_wanted(const struct arm *arm, int count, char **names)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(names[i], arm->name) == 0)
			return true;
	}
	return count == 0;
}

int main(int argc, char **argv)
{
	int used = rte_eal_init(argc, argv);

	if (used < 0)
		fail("EAL does not start");
	argc -= used + 1;
	argv += used + 1;
	bool json = argc > 0 && strcmp(argv[0], "--json") == 0;
	struct bench *benches[2];

	for (unsigned w = 0; w < 2; w++) {
		benches[w] = allocate(sizeof(struct bench));
		benches[w]->page = w ? benches[0]->page : allocate(sizeof(struct latch));
		benches[w]->policy = w ? benches[0]->policy : allocate(sizeof(struct published));
		open_port(benches[w], w);
	}
	for (size_t i = 0; i < ARMS; i++) {
		if (is_wanted(&arms[i], argc - json, argv + json))
			run_arm(benches, &arms[i], json);
	}
	rte_eal_cleanup();
	return EXIT_SUCCESS;
}
