// SPDX-License-Identifier: BSD-3-Clause
// A port with several queues is asked to deal frames out by a hash of their addresses alone, so that
// a client always meets the same worker. Whether it does shows in the hash that it hands over with
// its first frames, beside the one that they should have.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RSS_KEY_SIZE 64 // more than any card's
#define RSS_FRAMES   64 // looked at, of each queue

struct rte_eth_conf;
struct rte_eth_dev_info;
struct rte_mbuf;

// The port's, as many bytes as it has.
struct rss_key {
	_Alignas(uint32_t) uint8_t bytes[RSS_KEY_SIZE];
};

// Of one queue's IP frames.
struct rss_check {
	unsigned left;              // the worker's, once there is one: still to be looked at
	_Atomic unsigned seen;      // worker writes, the ports thread reads
	_Atomic unsigned different; // likewise: their hash is not that of their addresses
	_Atomic unsigned without;   // likewise: they came without a hash
};

// Asks for such a hash in `conf`. False, and nothing asked for, where the port offers none.
bool rss_ask(const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);
// Reads the key of a configured port. Returns -ENOTSUP where it cannot be had, or where frames come
// without their hash.
int rss_read_key(uint16_t port_id, const struct rte_eth_dev_info *info, struct rss_key *key);
// Toeplitz hash of `size` bytes of addresses, source then destination: 8 or 32.
uint32_t rss_hash(const struct rss_key *key, const uint8_t *addresses, size_t size);
// Looks at frames as they were received, until none is left to be looked at.
void rss_look(struct rss_check *check, const struct rss_key *key, struct rte_mbuf *const *mbufs,
		uint16_t frame_count);
