// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071) over short runs: sums are kept in 64 bits and folded once.
// Sums work on memory order, so a folded sum is stored without swapping.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

// One's complement addition: the carry goes round.
static inline uint64_t checksum_add_word(uint64_t sum, uint64_t word)
{
#ifdef __x86_64__ // which compilers do not find: 5 additions a reply, 3 instructions each
	__asm__("add %1, %0\n\tadc $0, %0" : "+r"(sum) : "r"(word) : "cc");
	return sum;
#else
	sum += word;
	return sum + (sum < word);
#endif
}

// Adds `length` bytes to `sum`. An odd last byte is padded with zero.
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *bytes, size_t length)
{
	uint64_t words;
	uint32_t word;
	uint16_t half;

	for (; length >= sizeof(words); bytes += sizeof(words), length -= sizeof(words)) {
		memcpy(&words, bytes, sizeof(words));
		sum = checksum_add_word(sum, words);
	}
	if (length & sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		sum = checksum_add_word(sum, word);
		bytes += sizeof(word);
	}
	if (length & sizeof(half)) {
		memcpy(&half, bytes, sizeof(half));
		sum = checksum_add_word(sum, half);
		bytes += sizeof(half);
	}
	if (length & 1)
		sum = checksum_add_word(sum, *bytes); // the low byte of a word in memory order
	return sum;
}

// A number added to itself turned half round has the sum of its halves on top, carry included.
static inline uint16_t checksum_fold(uint64_t sum)
{
	uint32_t half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);

	return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

// The sum of the pseudo-header (RFC 768, RFC 8200 section 8.1). `addresses` is the IP header's
// source address with the destination behind it, 8 or 32 bytes.
static inline uint64_t checksum_pseudo(
		const uint8_t *addresses, size_t size, uint8_t protocol, uint16_t length)
{
	return checksum_add(__builtin_bswap16(length) + (uint64_t)(protocol << 8), addresses, size);
}
