// SPDX-License-Identifier: BSD-3-Clause
// What the benchmarks share: reading the TSC, medians, and giving up.
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

_Noreturn static inline void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(EXIT_FAILURE);
}

// Zeroed whole cache lines.
static inline void *allocate_lines(size_t size)
{
	size_t whole = (size + 63) / 64 * 64;
	void *memory = aligned_alloc(64, whole);

	if (!memory)
		fail("out of memory");
	return memset(memory, 0, whole);
}

// Not before what precedes it has been done, nor after what follows.
static inline uint64_t read_ticks(void)
{
	_mm_lfence();
	uint64_t ticks = __rdtsc();

	_mm_lfence();
	return ticks;
}

static inline int compare_ticks(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

// Brings them into order; a share of them is then found by its place.
static inline void sort_ticks(uint32_t *ticks, size_t count)
{
	qsort(ticks, count, sizeof(*ticks), compare_ticks);
}

static inline double median_ticks(uint32_t *ticks, size_t count)
{
	sort_ticks(ticks, count);
	return ticks[count / 2];
}
