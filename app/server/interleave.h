// SPDX-License-Identifier: BSD-3-Clause
// Interleaved mode (RFC 9769): which requests ask for it. server/client_table.h keeps the stamps.
#pragma once

#include "base/bytes.h"
#include "base/utc.h"
#include "ntp/packet.h"

// The receive timestamp of ours that a request refers to, or 0 when it cannot be an interleaved one:
// our receive timestamps have low bit 1, our transmit timestamps low bit 0, and a client in
// interleaved mode sends different receive and transmit timestamps (RFC 9769 section 2).
static inline ntp64_t interleave_origin(uint8_t version, const uint8_t payload[NTP_HEADER_SIZE])
{
	ntp64_t origin = load_be64(payload + NTP_ORIGIN);
	bool differ = load_be64(payload + NTP_RECEIVE) != load_be64(payload + NTP_TRANSMIT);

	return version == 4 && (origin & 1) && differ ? origin : 0;
}
