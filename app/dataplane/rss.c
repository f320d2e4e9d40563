// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/rss.h"

#include "base/bytes.h"
#include "frame/layout.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_thash.h>

#include <errno.h>

// Of addresses alone, whatever is above them.
#define ADDRESS_HASHES                                                                             \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER                 \
			| RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6                                 \
			| RTE_ETH_RSS_NONFRAG_IPV6_OTHER)

static void count(_Atomic unsigned *counter)
{
	unsigned so_far = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, so_far + 1, memory_order_relaxed);
}

bool rss_ask(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	// Without these UDP is hashed by its ports, or not at all. What a TAP offers its queues do not
	// do: the kernel deals frames out to them, by ports too.
	if (!(info->flow_type_rss_offloads & RTE_ETH_RSS_IPV4)
			|| !(info->flow_type_rss_offloads & RTE_ETH_RSS_IPV6)
			|| strcmp(info->driver_name, "net_tap") == 0)
		return false;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
	conf->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & ADDRESS_HASHES;
	return true;
}

int rss_read_key(uint16_t port_id, const struct rte_eth_dev_info *info, struct rss_key *key)
{
	struct rte_eth_rss_conf conf = {
		.rss_key = key->bytes,
		.rss_key_len = RSS_KEY_SIZE,
	};

	if (!(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH)
			|| info->hash_key_size > RSS_KEY_SIZE)
		return -ENOTSUP;
	return rte_eth_dev_rss_hash_conf_get(port_id, &conf);
}

uint32_t rss_hash(const struct rss_key *key, const uint8_t *addresses, size_t size)
{
	uint32_t words[IPV6_ADDRESSES_SIZE / sizeof(uint32_t)];
	uint32_t word_count = (uint32_t)(size / sizeof(uint32_t));

	for (uint32_t i = 0; i < word_count; i++)
		words[i] = load_be32(addresses + i * sizeof(uint32_t));
	return rte_softrss(words, word_count, key->bytes);
}

// The addresses of an IP packet behind whatever tags there are, or NULL for anything else.
static const uint8_t *find_addresses(const struct rte_mbuf *mbuf, size_t *size)
{
	struct bytes frame = bytes_of(rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len);
	uint16_t type;

	bytes_take(&frame, ETHERNET_TYPE);
	type = bytes_take_be16(&frame);
	for (int tags = 0; tags < VLAN_TAGS; tags++) {
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_SERVICE_VLAN
				&& type != ETHERTYPE_OLD_SERVICE_VLAN)
			break;
		bytes_take(&frame, VLAN_TAG_SIZE - sizeof(type));
		type = bytes_take_be16(&frame);
	}
	if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6)
		return NULL;
	*size = type == ETHERTYPE_IPV4 ? IPV4_ADDRESSES_SIZE : IPV6_ADDRESSES_SIZE;
	bytes_take(&frame, type == ETHERTYPE_IPV4 ? (size_t)IPV4_SOURCE : (size_t)IPV6_SOURCE);
	return bytes_take(&frame, *size);
}

void rss_look(struct rss_check *check, const struct rss_key *key, struct rte_mbuf *const *mbufs,
		uint16_t frame_count)
{
	for (uint16_t i = 0; i < frame_count && check->left > 0; i++) {
		size_t size;
		const uint8_t *addresses = find_addresses(mbufs[i], &size);

		if (!addresses)
			continue;
		if (!(mbufs[i]->ol_flags & RTE_MBUF_F_RX_RSS_HASH))
			count(&check->without);
		else if (mbufs[i]->hash.rss != rss_hash(key, addresses, size))
			count(&check->different);
		count(&check->seen);
		check->left--;
	}
}
