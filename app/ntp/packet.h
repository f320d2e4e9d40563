// SPDX-License-Identifier: BSD-3-Clause
// NTP on the wire (RFC 5905 section 7.3; RFC 7822 for what follows the header).
#pragma once

#include "base/verdict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NTP_HEADER_SIZE 48
#define NTP_HEAD_SIZE   24 // what comes before the origin timestamp

// Offsets in the header.
enum ntp_offset {
	NTP_LEAP_VERSION_MODE = 0,
	NTP_STRATUM = 1,
	NTP_POLL = 2,
	NTP_PRECISION = 3,
	NTP_ROOT_DELAY = 4,
	NTP_ROOT_DISPERSION = 8,
	NTP_REFERENCE_ID = 12,
	NTP_REFERENCE_TIME = 16,
	NTP_ORIGIN = 24,
	NTP_RECEIVE = 32,
	NTP_TRANSMIT = 40,
};

enum ntp_leap {
	NTP_LEAP_NONE = 0,
	NTP_LEAP_INSERT = 1,
	NTP_LEAP_DELETE = 2,
	NTP_LEAP_UNSYNCHRONISED = 3,
};

enum ntp_mode {
	NTP_MODE_UNSPECIFIED = 0, // what version 1 clients send
	NTP_MODE_ACTIVE = 1,
	NTP_MODE_PASSIVE = 2,
	NTP_MODE_CLIENT = 3,
	NTP_MODE_SERVER = 4,
};

static inline uint8_t ntp_flags(enum ntp_leap leap, uint8_t version, enum ntp_mode mode)
{
	return (uint8_t)(leap << 6 | version << 3 | mode);
}

#define NTP_VERSION_AND_MODE 0x3f

// By a request's first octet: version and mode of the reply, or 0 unless it is a client's (mode 3, a
// version there is), which nearly all are.
extern const uint8_t ntp_client_replies[256];

// Tells whether a UDP payload is a request we answer with a plain header, and how. Returns
// VERDICT_PENDING with version and mode of the reply (SERVER, or PASSIVE to an active peer) as in a
// first octet, or the verdict of its drop. Unknown extension fields
// are skipped (RFC 7822); a MAC means a key, and we have none.
enum verdict ntp_request_parse(
		const uint8_t *payload, size_t length, uint16_t source_port, uint8_t *reply_flags);
// What follows the header, in requests and answers alike: VERDICT_PENDING when there is nothing but
// extension fields that add up, whatever is in them.
enum verdict ntp_tail_parse(uint8_t version, const uint8_t *octets, size_t length);
