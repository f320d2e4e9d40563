// SPDX-License-Identifier: BSD-3-Clause
// Reading and writing bytes of the network. Two ways: a cursor with a sticky error for what has a
// variable layout (read everything, check once), and plain loads and stores for fixed layouts.
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// In memory order, for comparing and moving.
static inline uint16_t load_word16(const uint8_t *at)
{
	uint16_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint32_t load_word32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline uint64_t load_word64(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline void store_word16(uint8_t *at, uint16_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline void store_word32(uint8_t *at, uint32_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline void store_word64(uint8_t *at, uint64_t word)
{
	memcpy(at, &word, sizeof(word));
}

static inline uint16_t load_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t load_be32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap32(value);
}

static inline uint64_t load_be64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return __builtin_bswap64(value);
}

static inline void store_be16(uint8_t *at, uint16_t value)
{
	value = __builtin_bswap16(value);
	memcpy(at, &value, sizeof(value));
}

static inline void store_be32(uint8_t *at, uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(at, &value, sizeof(value));
}

static inline void store_be64(uint8_t *at, uint64_t value)
{
	value = __builtin_bswap64(value);
	memcpy(at, &value, sizeof(value));
}

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

struct bytes {
	const uint8_t *at;
	size_t left;
	bool failed; // sticky: once short, always short, and every read gives zero
};

static inline struct bytes bytes_of(const void *start, size_t length)
{
	return (struct bytes){ .at = start, .left = length };
}

// Steps over `count` bytes and returns where they start, or NULL when there are not so many.
static inline const uint8_t *bytes_take(struct bytes *bytes, size_t count)
{
	const uint8_t *taken = bytes->at;

	if (bytes->failed || count > bytes->left) {
		bytes->failed = true;
		bytes->left = 0;
		return NULL;
	}
	bytes->at += count;
	bytes->left -= count;
	return taken;
}

static inline uint8_t bytes_take_u8(struct bytes *bytes)
{
	const uint8_t *at = bytes_take(bytes, 1);

	return at ? *at : 0;
}

static inline uint16_t bytes_take_be16(struct bytes *bytes)
{
	const uint8_t *at = bytes_take(bytes, 2);

	return at ? load_be16(at) : 0;
}
