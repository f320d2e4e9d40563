// SPDX-License-Identifier: BSD-3-Clause
// A worker on a port of two memory rings: what else than bytes comes with a frame, and what becomes
// of it.
#include "dataplane/worker.h"
#include "server/acl.h"
#include "server/policy.h"
#include "timing/time_page.h"
#include "unit.h"
#include "wire.h"

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#define RING_SIZE 64
#define TAG       0x6123 // priority 3, VLAN 0x123
#define ETHERTYPE 0x8100
#define DENIED    100 // the first octet of such addresses
#define RECEIVED                                                                                   \
	(RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

struct bench {
	struct rte_mempool *pool, *other;
	struct rte_ring *rx, *tx;
	struct host host;
	struct policy policy;
	struct port port;
	struct queue queue;
	struct latch page;
	struct published policies;
	struct worker worker;
	struct rte_mbuf *held[2]; // by somebody else, too
	unsigned held_count;
};

static uint64_t read_counter(void)
{
	return 1000;
}

static void stamp(const struct counter *, struct rte_mbuf *const *, uint16_t count, uint64_t *ticks)
{
	for (uint16_t i = 0; i < count; i++)
		ticks[i] = read_counter();
}

static const struct counter counter = { .name = "test", .read = read_counter };
static const struct timestamper_driver timestamper = { .stamp = stamp };

static int open_port(struct bench *bench)
{
	struct rte_eth_conf conf = { 0 };
	unsigned flags = RING_F_SP_ENQ | RING_F_SC_DEQ;

	bench->pool = rte_pktmbuf_pool_create(
			"test", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	bench->other = rte_pktmbuf_pool_create(
			"other", 255, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	bench->rx = rte_ring_create("rx", RING_SIZE, SOCKET_ID_ANY, flags);
	bench->tx = rte_ring_create("tx", RING_SIZE, SOCKET_ID_ANY, flags);
	int port = rte_eth_from_rings("test", &bench->rx, 1, &bench->tx, 1, 0);

	if (!bench->pool || !bench->other || port < 0)
		return -1;
	bench->port.id = (uint16_t)port;
	if (rte_eth_dev_configure(bench->port.id, 1, 1, &conf)
			|| rte_eth_rx_queue_setup(
					bench->port.id, 0, RING_SIZE, 0, NULL, bench->pool)
			|| rte_eth_tx_queue_setup(bench->port.id, 0, RING_SIZE, 0, NULL))
		return -1;
	return rte_eth_dev_start(bench->port.id);
}

static int start(void **state)
{
	static struct bench bench;
	static char *arguments[] = { "test_worker", "--no-huge", "--no-pci", "--no-shconf", "-m",
		"64", "--no-telemetry", "--log-level=4" };
	static const struct acl_rule rules[] = {
		{ .subnet = { { ADDRESS_IPV4, { 0 } }, 0 }, .allow = true },
		{ .subnet = { { ADDRESS_IPV6, { 0 } }, 0 }, .allow = true },
		{ .subnet = { { ADDRESS_IPV4, { DENIED } }, 8 } },
	};
	const struct time_page page = {
		.map = { 0, { INT64_C(1772323200'000000000) }, time_rate_from_double(1) },
		.expires_ticks = 1'000'000,
		.head = { 0, 1, 0, (uint8_t)-25 },
	};

	if (rte_eal_init(sizeof(arguments) / sizeof(arguments[0]), arguments) < 0
			|| open_port(&bench))
		return -1;
	bench.host = wire_host();
	host_prepare(&bench.host);
	published_swap(&bench.port.host, &bench.host);
	bench.policy.access = acl_build(aligned_alloc(64, acl_size(rules, 3)), rules, 3);
	rate_limit_init(&bench.policy.limit, NULL);
	published_swap(&bench.policies, &bench.policy);
	time_page_publish(&bench.page, &page);
	bench.queue.port = &bench.port;
	bench.worker = (struct worker){
		.counter = &counter,
		.timestamper = &timestamper,
		.page = &bench.page,
		.policy = &bench.policies,
		.queues = { &bench.queue },
		.queue_count = 1,
		.ns_per_tick = 1,
	};
	responder_init(&bench.worker.responder, 1, NULL);
	*state = &bench;
	return 0;
}

static int stop(void **state)
{
	struct bench *bench = *state;

	if (!bench)
		return -1;
	free((void *)bench->policy.access);
	return rte_eal_cleanup();
}

static uint64_t counted(const struct bench *bench, enum verdict verdict)
{
	return atomic_load(&bench->queue.verdicts[verdict]);
}

// Has the worker meet the frame. Returns what it sent, or NULL; to be freed.
static struct rte_mbuf *meet(struct bench *bench, const struct wire *wire, uint64_t flags)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->pool);
	unsigned available = rte_mempool_avail_count(bench->pool) + 1;
	void *sent = NULL;

	assert_non_null(mbuf);
	memcpy(rte_pktmbuf_append(mbuf, wire->length), wire->bytes, wire->length);
	mbuf->ol_flags |= flags;
	mbuf->vlan_tci = TAG;
	mbuf->vlan_tci_outer = TAG;
	assert_int_equal(rte_ring_enqueue(bench->rx, mbuf), 0);
	assert_int_equal(worker_poll(&bench->worker), 1);
	if (rte_ring_dequeue(bench->tx, &sent))
		assert_int_equal(rte_mempool_avail_count(bench->pool), available);
	return sent;
}

static void assert_same_bytes(const struct rte_mbuf *a, const struct rte_mbuf *b)
{
	assert_int_equal(rte_pktmbuf_pkt_len(a), rte_pktmbuf_pkt_len(b));
	assert_int_equal(rte_pktmbuf_data_len(a), rte_pktmbuf_data_len(b));
	assert_memory_equal(rte_pktmbuf_mtod(a, void *), rte_pktmbuf_mtod(b, void *),
			rte_pktmbuf_data_len(a));
}

// The random bits below the precision differ from answer to answer.
static void blank_stamps(struct rte_mbuf *mbuf, unsigned tags)
{
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *) + tags * 4;
	unsigned udp = wire_get16(frame + 12) == 0x0800 ? WIRE_UDP4 : WIRE_UDP6;

	memset(frame + udp + 6, 0, 2);
	memset(frame + udp + 8 + 32, 0, 16);
}

static void a_tag_that_the_port_took_off_is_put_back(void **state)
{
	struct bench *bench = *state;

	for (enum wire_example example = 0; example < WIRE_EXAMPLES; example++) {
		struct wire bare, tagged;

		wire_example(example, &bare);
		tagged = bare;
		wire_tag(&tagged, ETHERTYPE, TAG);
		struct rte_mbuf *expected = meet(bench, &tagged, 0);
		struct rte_mbuf *sent = meet(bench, &bare,
				RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RECEIVED);

		assert_non_null(expected);
		assert_non_null(sent);
		if (example == WIRE_NTP4 || example == WIRE_NTP6) {
			blank_stamps(expected, 1);
			blank_stamps(sent, 1);
		}
		assert_same_bytes(sent, expected);
		rte_pktmbuf_free(sent);
		rte_pktmbuf_free(expected);
	}
}

static void of_two_tags_taken_off_one_would_be_guessed(void **state)
{
	struct bench *bench = *state;
	struct wire wire;

	for (enum wire_example example = 0; example < WIRE_EXAMPLES; example++) {
		uint64_t before = counted(bench, VERDICT_VLAN_STRIPPED);

		wire_example(example, &wire);
		assert_null(meet(bench, &wire,
				RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED));
		assert_int_equal(counted(bench, VERDICT_VLAN_STRIPPED), before + 1);
	}
}

static void what_was_said_of_a_frame_is_not_said_of_its_answer(void **state)
{
	struct bench *bench = *state;
	const uint64_t wishes =
			RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;

	for (enum wire_example example = 0; example < WIRE_EXAMPLES; example++) {
		struct wire wire;

		wire_example(example, &wire);
		struct rte_mbuf *sent = meet(bench, &wire, RECEIVED | wishes);

		assert_non_null(sent);
		assert_int_equal(sent->ol_flags, 0);
		rte_pktmbuf_free(sent);
	}
}

static unsigned available(const struct bench *bench)
{
	return rte_mempool_avail_count(bench->pool) + rte_mempool_avail_count(bench->other);
}

static struct rte_mbuf *make_junk(struct rte_mempool *pool)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	assert_non_null(mbuf);
	memset(rte_pktmbuf_append(mbuf, 60), 0, 60);
	return mbuf;
}

// Has the worker drop it, between two common ones and first of three.
static void drop(struct bench *bench, struct rte_mbuf *make(struct bench *))
{
	for (unsigned at = 0; at < 2; at++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(rte_ring_enqueue(bench->rx,
							 i == at ? make(bench)
								 : make_junk(bench->pool)),
					0);
		assert_int_equal(worker_poll(&bench->worker), 3);
	}
}

static struct rte_mbuf *make_shared(struct bench *bench)
{
	struct rte_mbuf *mbuf = make_junk(bench->pool);

	rte_mbuf_refcnt_update(mbuf, 1);
	bench->held[bench->held_count++] = mbuf;
	return mbuf;
}

static struct rte_mbuf *make_clone(struct bench *bench)
{
	struct rte_mbuf *mbuf = make_junk(bench->pool);
	struct rte_mbuf *clone = rte_pktmbuf_clone(mbuf, bench->pool);

	assert_non_null(clone);
	bench->held[bench->held_count++] = mbuf;
	return clone;
}

static struct rte_mbuf *make_long(struct bench *bench)
{
	struct rte_mbuf *mbuf = make_junk(bench->pool);

	assert_int_equal(rte_pktmbuf_chain(mbuf, make_junk(bench->pool)), 0);
	return mbuf;
}

static struct rte_mbuf *make_other(struct bench *bench)
{
	return make_junk(bench->other);
}

static void what_is_dropped_goes_back_where_it_came_from(void **state)
{
	struct rte_mbuf *(*const makers[])(
			struct bench *) = { make_other, make_long, make_shared, make_clone };
	struct bench *bench = *state;
	unsigned before = available(bench);

	for (unsigned i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
		unsigned other = rte_mempool_avail_count(bench->other);

		bench->held_count = 0;
		drop(bench, makers[i]);
		assert_int_equal(available(bench), before - bench->held_count);
		assert_int_equal(rte_mempool_avail_count(bench->other), other);
		while (bench->held_count > 0)
			rte_pktmbuf_free(bench->held[--bench->held_count]);
		assert_int_equal(available(bench), before);
	}
}

enum kind {
	ALLOWED,
	REFUSED,
	LONG,
	KINDS
};

static struct rte_mbuf *make_request(struct bench *bench, enum kind kind)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(bench->pool);
	struct wire wire;

	assert_non_null(mbuf);
	wire_example(WIRE_NTP4, &wire);
	if (kind == REFUSED)
		wire.bytes[WIRE_IP + 12] = DENIED;
	memcpy(rte_pktmbuf_append(mbuf, wire.length), wire.bytes, wire.length);
	mbuf->ol_flags |= RECEIVED;
	if (kind == LONG)
		assert_int_equal(rte_pktmbuf_chain(mbuf, make_junk(bench->pool)), 0);
	return mbuf;
}

// How many frames of a kind were counted, whichever way.
static uint64_t counted_kind(const struct bench *bench, enum kind kind)
{
	switch (kind) {
	case ALLOWED:
		return counted(bench, VERDICT_ANSWERED) + counted(bench, VERDICT_NTP_LIMITED);
	case REFUSED:
		return counted(bench, VERDICT_NTP_DENIED);
	default:
		return counted(bench, VERDICT_SEGMENTED);
	}
}

// Of what a burst consists is left to chance, and how often it changes within.
static void count_bursts(struct bench *bench)
{
	unsigned before = available(bench);
	uint64_t random = test_seed(), expected[KINDS] = { 0 };

	for (unsigned k = 0; k < KINDS; k++)
		expected[k] = counted_kind(bench, k);
	for (unsigned round = 0; round < 2000; round++) {
		uint64_t count = 1 + random_below(&random, RING_SIZE - 1);
		uint64_t often = 1 + random_below(&random, RING_SIZE);
		enum kind kind = (enum kind)random_below(&random, KINDS);
		struct rte_mbuf *sent[RING_SIZE];
		uint64_t answered = counted(bench, VERDICT_ANSWERED);

		for (unsigned i = 0; i < count; i++) {
			if (random_below(&random, often) == 0)
				kind = (enum kind)random_below(&random, KINDS);
			assert_int_equal(rte_ring_enqueue(bench->rx, make_request(bench, kind)), 0);
			expected[kind]++;
		}
		assert_int_equal(worker_poll(&bench->worker), count);
		for (unsigned k = 0; k < KINDS; k++)
			assert_int_equal(counted_kind(bench, k), expected[k]);
		unsigned left = rte_ring_dequeue_burst(bench->tx, (void **)sent, RING_SIZE, NULL);

		assert_int_equal(left, counted(bench, VERDICT_ANSWERED) - answered);
		rte_pktmbuf_free_bulk(sent, left);
		assert_int_equal(available(bench), before);
	}
}

static void every_frame_of_a_burst_is_counted_once(void **state)
{
	count_bursts(*state);
}

// All of one client, who is over the limit from the second on.
static void with_a_rate_limit_too(void **state)
{
	const struct rate_limit_options options = {
		.interval = 3, .burst = 1, .leak = 2, .ipv4_bits = 32, .ipv6_bits = 128
	};
	const uint64_t seed[2] = { 1, 2 };
	struct bench *bench = *state;
	size_t size = client_table_size(1 << 16);
	void *memory = aligned_alloc(64, size);
	uint64_t limited = counted(bench, VERDICT_NTP_LIMITED);

	assert_non_null(memory);
	rate_limit_init(&bench->policy.limit, &options);
	bench->worker.responder.clients = client_table_init(memory, size, seed);
	count_bursts(bench);
	assert_true(counted(bench, VERDICT_NTP_LIMITED) > limited);
	bench->worker.responder.clients = NULL;
	rate_limit_init(&bench->policy.limit, NULL);
	free(memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_that_the_port_took_off_is_put_back),
		cmocka_unit_test(of_two_tags_taken_off_one_would_be_guessed),
		cmocka_unit_test(what_was_said_of_a_frame_is_not_said_of_its_answer),
		cmocka_unit_test(what_is_dropped_goes_back_where_it_came_from),
		cmocka_unit_test(every_frame_of_a_burst_is_counted_once),
		cmocka_unit_test(with_a_rate_limit_too),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
