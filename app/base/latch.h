// SPDX-License-Identifier: BSD-3-Clause
// One writer publishes a small struct, any number of readers copy the newest whole one. Two slots:
// the writer fills the one nobody is sent to, so a writer that is preempted or dies half way
// never makes a reader wait; a reader tries again only when a publication completed meanwhile.
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LATCH_WORDS 32

struct latch {
	_Alignas(64) _Atomic uint64_t sequence; // publications so far; its low bit tells the slot
	_Alignas(64) _Atomic uint64_t slots[2][LATCH_WORDS];
};

// `words` of 8 bytes each, at most LATCH_WORDS. One thread only.
static inline void latch_write(struct latch *latch, const void *payload, size_t words)
{
	uint64_t sequence = atomic_load_explicit(&latch->sequence, memory_order_relaxed) + 1;
	_Atomic uint64_t *slot = latch->slots[sequence & 1];
	const char *from = payload;

	for (size_t i = 0; i < words; i++) {
		uint64_t word;

		memcpy(&word, from + i * sizeof(word), sizeof(word));
		// Release, so that whoever sees this word also sees that its old slot was left.
		atomic_store_explicit(&slot[i], word, memory_order_release);
	}
	atomic_store_explicit(&latch->sequence, sequence, memory_order_release);
}

// Returns the number of the publication that was read: 0 while nothing was ever published
// (the payload is then all zero).
static inline uint64_t latch_read(const struct latch *latch, void *payload, size_t words)
{
	char *to = payload;
	uint64_t before, after;

	do {
		before = atomic_load_explicit(&latch->sequence, memory_order_acquire);
		const _Atomic uint64_t *slot = latch->slots[before & 1];

		for (size_t i = 0; i < words; i++) {
			uint64_t word = atomic_load_explicit(&slot[i], memory_order_acquire);

			memcpy(to + i * sizeof(word), &word, sizeof(word));
		}
		after = atomic_load_explicit(&latch->sequence, memory_order_relaxed);
	} while (before != after);
	return before;
}
