// SPDX-License-Identifier: BSD-3-Clause
// Fast random bits for where nobody gains by guessing them: a Weyl sequence through one folded
// multiplication (Wang Yi's wyrand).
#pragma once

#include <stdint.h>

static inline uint64_t random_next(uint64_t *state)
{
	uint64_t weyl = *state += UINT64_C(0xa0761d6478bd642f);
	unsigned __int128 product = (unsigned __int128)weyl * (weyl ^ UINT64_C(0xe7037ed1a0b428db));

	return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

// Fewer and cheaper: the upper half of a linear congruential generator (Knuth's MMIX). For a few numbers
// from one random state: of many, those 2^k apart show that they are related.
static inline uint32_t random_next_noise(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 32);
}
