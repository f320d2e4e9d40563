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
#define RECEIVED                                                                                   \
	(RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

struct bench {
	struct rte_mempool *pool;
	struct rte_ring *rx, *tx;
	struct host host;
	struct policy policy;
	struct port port;
	struct queue queue;
	struct latch page;
	struct published policies;
	struct worker worker;
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
	bench->rx = rte_ring_create("rx", RING_SIZE, SOCKET_ID_ANY, flags);
	bench->tx = rte_ring_create("tx", RING_SIZE, SOCKET_ID_ANY, flags);
	int port = rte_eth_from_rings("test", &bench->rx, 1, &bench->tx, 1, 0);

	if (!bench->pool || port < 0)
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
	static const struct acl_rule everybody[] = {
		{ .subnet = { { ADDRESS_IPV4, { 0 } }, 0 }, .allow = true },
		{ .subnet = { { ADDRESS_IPV6, { 0 } }, 0 }, .allow = true },
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
	bench.policy.access = acl_build(malloc(acl_size(everybody, 2)), everybody, 2);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tag_that_the_port_took_off_is_put_back),
		cmocka_unit_test(of_two_tags_taken_off_one_would_be_guessed),
		cmocka_unit_test(what_was_said_of_a_frame_is_not_said_of_its_answer),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
