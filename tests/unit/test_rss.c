// SPDX-License-Identifier: BSD-3-Clause
#include "base/address.h"
#include "base/bytes.h"
#include "dataplane/port.h"
#include "dataplane/rss.h"
#include "frame/layout.h"
#include "unit.h"

#include <rte_mbuf.h>

#include <string.h>

// Key and vectors that Microsoft publishes to verify an implementation of RSS with.
static const struct rss_key microsofts = {
	.bytes = {
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
		0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
		0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
		0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	},
};

struct vector {
	const char *source, *destination;
	uint32_t of_addresses, of_ports_too;
};

static const struct vector vectors[] = {
	{ "66.9.149.187", "161.142.100.80", 0x323e8fc2, 0x51ccc178 },
	{ "199.92.111.2", "65.69.140.83", 0xd718262a, 0xc626b0ea },
	{ "24.19.198.95", "12.22.207.184", 0xd2d0a5de, 0x5c2b394a },
	{ "38.27.205.30", "209.142.163.6", 0x82989176, 0xafc7327f },
	{ "153.39.163.191", "202.188.127.2", 0x5d1809c5, 0x10e828a2 },
	{ "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 0x2cc18cd5, 0x40207d3d },
	{ "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 0x0f0c461c, 0xdde51bbf },
	{ "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 0x4b61e985,
			0x02d1feef },
};

#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

// A frame as a port hands it over.
struct sample {
	uint8_t bytes[100];
	struct rte_mbuf mbuf;
};

static size_t write_addresses(const struct vector *vector, uint8_t *at)
{
	struct address source, destination;

	assert_int_equal(address_parse(vector->source, &source), 0);
	assert_int_equal(address_parse(vector->destination, &destination), 0);
	size_t size = address_size(source.family);

	memcpy(at, source.bytes, size);
	memcpy(at + size, destination.bytes, size);
	return 2 * size;
}

static void make(struct sample *sample, const struct vector *vector, unsigned tags, uint32_t hash)
{
	static const uint16_t types[] = { ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN };
	uint8_t addresses[IPV6_ADDRESSES_SIZE];
	size_t size = write_addresses(vector, addresses);
	bool is_ipv4 = size == IPV4_ADDRESSES_SIZE;
	size_t at = ETHERNET_TYPE;

	memset(sample, 0, sizeof(*sample));
	for (unsigned i = 0; i < tags; i++, at += VLAN_TAG_SIZE)
		store_be16(sample->bytes + at, types[2 - tags + i]);
	store_be16(sample->bytes + at, is_ipv4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	at += ETHERNET_SIZE - ETHERNET_TYPE + (is_ipv4 ? (size_t)IPV4_SOURCE : (size_t)IPV6_SOURCE);
	memcpy(sample->bytes + at, addresses, size);
	sample->mbuf.buf_addr = sample->bytes;
	sample->mbuf.data_len = (uint16_t)(at + size);
	sample->mbuf.ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	sample->mbuf.hash.rss = hash;
}

static void look(struct rss_check *check, struct sample *sample)
{
	struct rte_mbuf *mbuf = &sample->mbuf;

	rss_look(check, &microsofts, &mbuf, 1);
}

static void hash_is_that_of_the_published_vectors(void **)
{
	for (size_t i = 0; i < VECTORS; i++) {
		uint8_t addresses[IPV6_ADDRESSES_SIZE];
		size_t size = write_addresses(&vectors[i], addresses);

		assert_int_equal(rss_hash(&microsofts, addresses, size), vectors[i].of_addresses);
	}
}

static void right_hashes_pass_with_and_without_tags(void **)
{
	struct rss_check check = { .left = RSS_FRAMES };
	struct sample sample;

	for (unsigned tags = 0; tags <= VLAN_TAGS; tags++) {
		for (size_t i = 0; i < VECTORS; i++) {
			make(&sample, &vectors[i], tags, vectors[i].of_addresses);
			look(&check, &sample);
		}
	}
	assert_int_equal(check.seen, 3 * VECTORS);
	assert_int_equal(check.left, RSS_FRAMES - 3 * VECTORS);
	assert_int_equal(check.different, 0);
	assert_int_equal(check.without, 0);
}

static void hash_over_ports_is_noticed(void **)
{
	struct rss_check check = { .left = RSS_FRAMES };
	struct sample sample;

	for (size_t i = 0; i < VECTORS; i++) {
		make(&sample, &vectors[i], 0, vectors[i].of_ports_too);
		look(&check, &sample);
	}
	assert_int_equal(check.different, VECTORS);
	assert_int_equal(check.without, 0);
}

static void frames_without_a_hash_are_told_apart(void **)
{
	struct rss_check check = { .left = RSS_FRAMES };
	struct sample sample;

	make(&sample, &vectors[0], 0, 0);
	sample.mbuf.ol_flags = 0;
	look(&check, &sample);
	assert_int_equal(check.seen, 1);
	assert_int_equal(check.different, 0);
	assert_int_equal(check.without, 1);
}

static void what_has_no_ip_addresses_does_not_count(void **)
{
	struct rss_check check = { .left = RSS_FRAMES };
	struct sample sample;

	make(&sample, &vectors[0], 0, 1);
	store_be16(sample.bytes + ETHERNET_TYPE, ETHERTYPE_ARP);
	look(&check, &sample);
	make(&sample, &vectors[0], 2, 1);
	for (uint16_t length = 0; length < sample.mbuf.data_len; length++) {
		struct sample cut = sample;

		cut.mbuf.buf_addr = cut.bytes;
		cut.mbuf.data_len = length;
		look(&check, &cut);
	}
	assert_int_equal(check.seen, 0);
	assert_int_equal(check.left, RSS_FRAMES);
	look(&check, &sample);
	assert_int_equal(check.different, 1);
}

static void looking_ends(void **)
{
	struct rss_check check = { .left = 2 };
	struct rte_mbuf *mbufs[3];
	struct sample samples[3];

	for (size_t i = 0; i < 3; i++) {
		make(&samples[i], &vectors[i], 0, 1);
		mbufs[i] = &samples[i].mbuf;
	}
	rss_look(&check, &microsofts, mbufs, 3);
	rss_look(&check, &microsofts, mbufs, 3);
	assert_int_equal(check.left, 0);
	assert_int_equal(check.seen, 2);
	assert_int_equal(check.different, 2);
}

// Two queues; the second one has seen `different` and `without`.
static bool doubts(unsigned different, unsigned without)
{
	struct queue queues[2] = {
		{ .rss.seen = 10 },
		{ .rss = { .seen = different + without,
				  .different = different,
				  .without = without } },
	};
	struct port port = { .name = "test", .queues = queues, .queue_count = 2 };

	port_check_hash(&port);
	return port.hash_doubted;
}

static void a_port_is_doubted_that_hashes_otherwise(void **)
{
	assert_false(doubts(0, 0));
	assert_true(doubts(1, 0));
	// Some cards hash no fragments, or none behind two tags.
	assert_false(doubts(0, RSS_FRAMES - 1));
	assert_true(doubts(0, RSS_FRAMES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_that_of_the_published_vectors),
		cmocka_unit_test(right_hashes_pass_with_and_without_tags),
		cmocka_unit_test(hash_over_ports_is_noticed),
		cmocka_unit_test(frames_without_a_hash_are_told_apart),
		cmocka_unit_test(what_has_no_ip_addresses_does_not_count),
		cmocka_unit_test(looking_ends),
		cmocka_unit_test(a_port_is_doubted_that_hashes_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
