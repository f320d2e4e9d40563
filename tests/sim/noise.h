// SPDX-License-Identifier: BSD-3-Clause
// Random numbers of the distributions that simulated clocks and links are made of.
#pragma once

#include "base/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

// Between 0 and 1, neither of them.
static inline double noise_uniform(uint64_t *random)
{
	return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static inline double noise_exponential(uint64_t *random, double mean)
{
	return -mean * log(noise_uniform(random));
}

static inline double noise_normal(uint64_t *random)
{
	double radius = sqrt(-2 * log(noise_uniform(random)));

	return radius * cos(2 * M_PI * noise_uniform(random));
}

static inline bool noise_happens(uint64_t *random, double probability)
{
	return probability > 0 && noise_uniform(random) < probability;
}
