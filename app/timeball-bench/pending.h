// SPDX-License-Identifier: BSD-3-Clause
// What is under way: a slot for each request, found by its client and the low bits of how often that
// client has asked, which are in its port. And of each client, what an interleaved request needs.
// One core's. The memory is the caller's.
#pragma once

#include "base/utc.h"
#include "timeball-bench/request.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PENDING_PORT         32768
#define PENDING_TAG_BITS_MAX 15

enum slot_state {
	SLOT_FREE,
	SLOT_WAITING,
	SLOT_GIVEN_UP, // interleaved, and its client asks about other replies by now
	SLOT_ENDED,
};

struct slot {
	uint64_t intended_ticks; // when the request was meant to leave
	uint32_t lag_ticks;      // how much later it was handed over; all ones stand for more
	uint32_t round : 29;
	uint32_t interleaved : 1;
	uint32_t state : 2; // enum slot_state
};

// The newest reply that a client has had, and whether it asks about that one now.
struct client_state {
	ntp64_t receive;        // the server's stamp
	uint64_t asked_ticks;   // when its request was handed over; 0: nothing to ask about
	uint64_t arrived_ticks; // when it was here
	uint32_t waiting_round; // of the interleaved request under way
	bool waiting;           // there is one
};

struct pending {
	struct slot *slots;
	struct client_state *clients;
	uint32_t client_count;
	unsigned tag_bits;
	uint64_t seed;
};

// What goes into a request and has to come back: random, and made again from where the request is
// kept instead of being kept.
struct cookies {
	ntp64_t transmit;
	ntp64_t receive; // of an interleaved request
};

// A request that is to leave.
struct ask {
	uint32_t client;
	uint32_t round;
	uint64_t intended_ticks;
	uint64_t now_ticks;
	uint64_t timeout_ticks;
	bool interleaved; // if the client has had a reply and asks about no other
};

#define PENDING_ROUND_MASK ((UINT32_C(1) << 29) - 1)

// The bits with which `requests` can be under way at once, or the most there are.
unsigned pending_tag_bits(uint32_t client_count, double requests);
size_t pending_size(uint32_t client_count, unsigned tag_bits);
// `memory` of that size is zero.
void pending_init(struct pending *pending, void *memory, uint32_t client_count, unsigned tag_bits);

static inline struct slot *pending_slot(
		const struct pending *pending, uint32_t client, uint32_t round)
{
	uint32_t tag = round & ((UINT32_C(1) << pending->tag_bits) - 1);

	return &pending->slots[((size_t)client << pending->tag_bits) + tag];
}

static inline uint16_t pending_port(const struct pending *pending, uint32_t round)
{
	return (uint16_t)(PENDING_PORT + (round & ((UINT32_C(1) << pending->tag_bits) - 1)));
}

// The slot that a reply to `port` would be for, or NULL.
struct slot *pending_find(const struct pending *pending, uint32_t client, uint16_t port);
struct cookies pending_cookies(const struct pending *pending, uint32_t client, uint32_t round);
// Opens the slot of a request and fills in the request but for its client's address. What the slot
// had is forgotten.
struct slot *pending_open(
		const struct pending *pending, const struct ask *ask, struct request *request);

static inline uint64_t slot_sent_ticks(const struct slot *slot)
{
	return slot->intended_ticks + slot->lag_ticks;
}

static inline void slot_set_sent(struct slot *slot, uint64_t ticks)
{
	uint64_t lag = ticks - slot->intended_ticks;

	slot->lag_ticks = lag < UINT32_MAX ? (uint32_t)lag : UINT32_MAX;
}
