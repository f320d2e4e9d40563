// SPDX-License-Identifier: BSD-3-Clause
// An immutable object that one thread replaces whole while readers use it. A reader announces
// between two uses that it holds nothing; the writer frees an old object once every reader has.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct published {
	_Atomic(const void *) current; // writer swaps
	_Atomic uint64_t generation;   // writer counts swaps
};

// One per reading thread, on a cache line of its own.
struct published_reader {
	_Alignas(64) _Atomic uint64_t seen; // generation at this reader's last quiet moment
};

// Returns the object to use until the next call by the same reader.
static inline const void *published_get(
		struct published *published, struct published_reader *reader)
{
	uint64_t generation = atomic_load_explicit(&published->generation, memory_order_acquire);

	if (generation != atomic_load_explicit(&reader->seen, memory_order_relaxed))
		atomic_store_explicit(&reader->seen, generation, memory_order_release);
	return atomic_load_explicit(&published->current, memory_order_acquire);
}

// Puts `object` in place and returns the one before, which readers may still use until
// published_left_behind() says they do not.
static inline const void *published_swap(struct published *published, const void *object)
{
	const void *old =
			atomic_exchange_explicit(&published->current, object, memory_order_acq_rel);

	atomic_fetch_add_explicit(&published->generation, 1, memory_order_release);
	return old;
}

// Counts as a swap: published_left_behind() then tells whether a reader has come by since.
static inline void published_nudge(struct published *published)
{
	atomic_fetch_add_explicit(&published->generation, 1, memory_order_release);
}

// True once `reader` cannot hold any object swapped out so far.
static inline bool published_left_behind(
		struct published *published, struct published_reader *reader)
{
	return atomic_load_explicit(&reader->seen, memory_order_acquire)
			== atomic_load_explicit(&published->generation, memory_order_relaxed);
}
