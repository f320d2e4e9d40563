// SPDX-License-Identifier: BSD-3-Clause
// One request and its answer: the four timestamps, and what they say (RFC 5905 section 8). Pure.
#pragma once

#include "sync/client_packet.h"
#include "sync/sample.h"
#include "sync/timeline.h"

#include <stdbool.h>
#include <stdint.h>

// One's own stamp of a packet.
struct association_stamp {
	utc_t local;
	uint64_t epoch; // the timeline's at that moment
	enum stamp_level level;
};

struct exchange {
	ntp64_t transmit,
			receive; // as sent: an answer's origin is one of them. 0: nothing to wait for
	struct association_stamp sent, received;
	ntp64_t server_receive; // by its answer
	bool interleaved;       // asks for the transmit timestamp of the one before
	bool ahead;             // of a poll, to fill ARP tables
	bool answered;          // genuinely
	bool concluded;         // counted as a good one or not
	bool used;              // it has been measured
};

struct measurement {
	int64_t free_ns;       // the middle of our own two stamps
	int64_t offset_ns;     // the server's time less free time, at that moment
	int64_t delay_ns;      // as measured: noise can bring it below 0
	int64_t response_ns;   // the server's own time
	int64_t dispersion_ns; // the server's precision and the clocks' doubt over the exchange
};

// A moment that the server names, near the exchange's own time (RFC 5905 section 6: eras).
utc_t exchange_time_of(const struct exchange *exchange, ntp64_t stamp);
// What the exchange tells once `answer` has brought its transmit timestamp; nothing, and false, when
// the clock was set in between.
bool exchange_measure(const struct exchange *exchange, const struct timeline *timeline,
		const struct client_answer *answer, struct measurement *measurement);
