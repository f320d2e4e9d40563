// SPDX-License-Identifier: BSD-3-Clause
// One measurement of one source, in the clock's free time (sync/timeline.h).
#pragma once

#include "base/utc.h"
#include "ntp/packet.h"

#include <stdint.h>

// Who took a stamp; the less software between it and the wire, the better.
enum stamp_level {
	STAMP_DAEMON,
	STAMP_KERNEL,
	STAMP_HARDWARE,
	STAMP_LEVELS,
};

struct sample {
	int64_t free_ns;       // when: the middle of our own two stamps
	int64_t offset_ns;     // the source's time less free time, at that moment
	int64_t delay_ns;      // round trip less the server's own time (RFC 5905 section 8), >= 1
	int64_t dispersion_ns; // precision of both, and the frequency's doubt over the round trip

	// What the source said of itself.
	enum ntp_leap leap;
	uint8_t stratum;
	uint32_t refid;
	int64_t root_delay_ns;
	int64_t root_dispersion_ns;
	utc_t reference_time;

	enum stamp_level sent_by, received_by;
};
