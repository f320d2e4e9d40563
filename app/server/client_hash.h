// SPDX-License-Identifier: BSD-3-Clause
// Where a client's record is kept. The hash multiplies by secrets, so that who does not know them
// cannot choose addresses that meet (a seeded CRC would not do: it is linear, what meets under one
// seed meets under all).
#pragma once

#include <stdint.h>

struct client_hash_key {
	uint64_t secrets[4];
};

static inline uint64_t client_hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t client_hash(const struct client_hash_key *key, uint64_t high, uint64_t low)
{
	uint64_t once = client_hash_fold(high ^ key->secrets[0], low ^ key->secrets[1]);

	return client_hash_fold(once ^ key->secrets[2], key->secrets[3]);
}
