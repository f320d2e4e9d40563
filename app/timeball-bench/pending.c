// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/pending.h"

#include "base/random.h"

unsigned pending_tag_bits(uint32_t client_count, double requests)
{
	unsigned bits = 0;

	while (bits < PENDING_TAG_BITS_MAX && (double)((uint64_t)client_count << bits) < requests)
		bits++;
	return bits;
}

size_t pending_size(uint32_t client_count, unsigned tag_bits)
{
	return client_count * sizeof(struct client_state)
			+ ((size_t)client_count << tag_bits) * sizeof(struct slot);
}

void pending_init(struct pending *pending, void *memory, uint32_t client_count, unsigned tag_bits)
{
	struct client_state *clients = memory;

	*pending = (struct pending){
		.slots = (struct slot *)(clients + client_count),
		.clients = clients,
		.client_count = client_count,
		.tag_bits = tag_bits,
	};
}

struct slot *pending_find(const struct pending *pending, uint32_t client, uint16_t port)
{
	unsigned tag = port - (unsigned)PENDING_PORT;

	if (port < PENDING_PORT || tag >> pending->tag_bits)
		return NULL;
	return pending_slot(pending, client, tag);
}

struct cookies pending_cookies(const struct pending *pending, uint32_t client, uint32_t round)
{
	uint64_t state = pending->seed ^ ((uint64_t)client << 32 | round);
	struct cookies cookies;

	cookies.transmit = random_next(&state);
	cookies.receive = random_next(&state);
	return cookies;
}

// A client asks about one reply at a time, as real ones do (RFC 9769 section 3), and gives up after
// the timeout.
static bool may_interleave(
		const struct pending *pending, struct client_state *client, const struct ask *ask)
{
	struct slot *slot = pending_slot(pending, ask->client, client->waiting_round);

	if (client->waiting && slot->round == client->waiting_round
			&& slot->state == SLOT_WAITING) {
		if (ask->now_ticks - slot_sent_ticks(slot) <= ask->timeout_ticks)
			return false;
		slot->state = SLOT_GIVEN_UP;
	}
	client->waiting = false;
	return ask->interleaved && client->asked_ticks;
}

struct slot *pending_open(
		const struct pending *pending, const struct ask *ask, struct request *request)
{
	uint32_t round = ask->round & PENDING_ROUND_MASK;
	struct client_state *client = &pending->clients[ask->client];
	struct slot *slot = pending_slot(pending, ask->client, round);
	struct cookies cookies = pending_cookies(pending, ask->client, round);
	bool interleaved = may_interleave(pending, client, ask);

	request->port = pending_port(pending, round);
	request->origin = interleaved ? client->receive : 0;
	request->receive = interleaved ? cookies.receive : 0;
	request->transmit = cookies.transmit;
	if (interleaved) {
		client->waiting = true;
		client->waiting_round = round;
	}
	*slot = (struct slot){
		.intended_ticks = ask->intended_ticks,
		.round = round & PENDING_ROUND_MASK,
		.interleaved = interleaved,
		.state = SLOT_WAITING,
	};
	slot_set_sent(slot, ask->now_ticks);
	return slot;
}
