// SPDX-License-Identifier: BSD-3-Clause
// What every unit test includes: cmocka with what its header lacks, and the seed of tests on
// random input, which is printed and taken from TIMEBALL_SEED to replay.
#pragma once

#include "base/random.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline uint64_t test_seed(void)
{
	const char *text = getenv("TIMEBALL_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);

	printf("TIMEBALL_SEED=%" PRIu64 "\n", seed);
	return seed;
}

// Below `limit`, evenly enough for a test.
static inline uint64_t random_below(uint64_t *random, uint64_t limit)
{
	return random_next(random) % limit;
}

// A page of docs/man, to be freed.
static inline char *read_manual(const char *page)
{
	const char *source = getenv("TIMEBALL_SOURCE");
	const size_t size = 1 << 20;
	char path[4096];
	char *text = calloc(1, size);

	snprintf(path, sizeof(path), "%s/docs/man/%s", source ? source : ".", page);
	FILE *file = fopen(path, "r");

	assert_non_null(text);
	assert_non_null(file);
	assert_true(fread(text, 1, size - 1, file) > 0);
	fclose(file);
	return text;
}
