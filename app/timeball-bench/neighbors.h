// SPDX-License-Identifier: BSD-3-Clause
// Whom we ask where the server is, and the answers that all our clients owe their link.
#pragma once

#include "base/address.h"
#include "frame/host.h"
#include "frame/neighbor.h"
#include "timeball-bench/clients.h"

#include <stdbool.h>
#include <stdint.h>

#define QUESTION_SIZE 90

struct neighbors {
	const struct clients *clients;
	struct subnet own[FAMILIES]; // asks for the server, and is answered for beside the clients
	uint8_t mac[MAC_SIZE];
	int vlan; // as struct host has it
};

// Writes the ARP request or neighbour solicitation for `target`. Returns its length.
uint16_t neighbors_ask(const struct neighbors *neighbors, const struct address *target,
		uint8_t question[QUESTION_SIZE]);
// Whether a frame says where `target` is; then fills in where.
bool neighbors_hear(const struct address *target, const uint8_t *frame, uint16_t length,
		uint8_t mac[MAC_SIZE]);
// Makes the answer to a neighbour's question about any of our addresses, in place in a buffer of
// `room` bytes. Returns its length, 0 when there is nothing to answer.
uint16_t neighbors_answer(
		const struct neighbors *neighbors, uint8_t *frame, uint16_t length, uint16_t room);
