// SPDX-License-Identifier: BSD-3-Clause
// Octets of answers: those of simulated stratum 1 servers, and what workers of simulated hosts write.
#pragma once

#include "base/utc.h"
#include "plan.h"

#include <stddef.h>
#include <stdint.h>

// What a server keeps of a client for interleaved mode (RFC 9769).
struct issued {
	ntp64_t receive;  // given out last
	ntp64_t transmit; // when that answer really left
};

// Turns a request into the answer of a server that has true time but for what its options say. Returns
// when it leaves, in true time, or -1: it is silent.
int64_t server_answer(const struct plan *plan, unsigned server, int64_t true_ns, uint64_t *random,
		struct issued *issued, uint8_t *packet);
// Writes what every answer has: `head` over the first octets, and the three timestamps.
void answer_write(uint8_t *packet, const uint8_t head[NTP_HEAD_SIZE], ntp64_t receive,
		ntp64_t transmit);
