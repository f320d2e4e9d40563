// SPDX-License-Identifier: BSD-3-Clause
// Telling a request that gets the plain header for an answer from everything else.
#include "ntp/packet.h"

#include "base/bytes.h"

#include <stdbool.h>

#define NTP_PORT 123

// RFC 7822 section 7.5: a field is 16 octets or more; what is left below 28 is a MAC, at most 24.
#define FIELD_SIZE_MIN 16
#define MAC_SIZE_MAX   24
// RFC 7822 section 4 wants a large number of fields flagged. The most that NTS (RFC 8915) sends
// is about ten; an Ethernet frame has room for some ninety of the smallest.
#define FIELDS_MAX 64

#define REPLY(leap, version)                                                                       \
	[(leap) << 6 | (version) << 3 | NTP_MODE_CLIENT] = (version) << 3 | NTP_MODE_SERVER
#define REPLIES(leap) REPLY(leap, 1), REPLY(leap, 2), REPLY(leap, 3), REPLY(leap, 4)

const uint8_t ntp_client_replies[256] = { REPLIES(0), REPLIES(1), REPLIES(2), REPLIES(3) };

// The mode of the answer, or UNSPECIFIED for what must not have one. Modes 2, 4 and 5 are answers
// themselves, and answering them would let two servers talk for ever; 6 and 7 amplify (RFC 8633
// section 3.4).
static enum ntp_mode reply_mode(uint8_t version, uint8_t mode, uint16_t source_port)
{
	if (mode == NTP_MODE_CLIENT)
		return NTP_MODE_SERVER;
	if (mode == NTP_MODE_ACTIVE)
		return NTP_MODE_PASSIVE;
	// RFC 1059 had no modes. Port 123 would be a server, which takes our answer for a request.
	if (mode == NTP_MODE_UNSPECIFIED && version == 1 && source_port != NTP_PORT)
		return NTP_MODE_SERVER;
	return NTP_MODE_UNSPECIFIED;
}

enum verdict ntp_tail_parse(uint8_t version, const uint8_t *octets, size_t length)
{
	struct bytes tail = bytes_of(octets, length);
	unsigned fields = 0;

	if (length == 0)
		return VERDICT_PENDING;
	// Extension fields came with version 4; before it, all that follows is a MAC.
	if (version < 4)
		return VERDICT_NTP_KEY;
	while (tail.left > MAC_SIZE_MAX) {
		bytes_take_be16(&tail);
		uint16_t field = bytes_take_be16(&tail);

		if (field < FIELD_SIZE_MIN || field % 4 != 0 || ++fields > FIELDS_MAX)
			return VERDICT_NTP_EXTENSION;
		bytes_take(&tail, field - 2 * sizeof(uint16_t));
	}
	if (tail.failed)
		return VERDICT_NTP_EXTENSION;
	// Four octets would be a crypto-NAK, which asks for nothing either.
	return tail.left > 0 ? VERDICT_NTP_KEY : VERDICT_PENDING;
}

enum verdict ntp_request_parse(
		const uint8_t *payload, size_t length, uint16_t source_port, uint8_t *reply_flags)
{
	if (length < NTP_HEADER_SIZE)
		return VERDICT_NTP_SHORT;
	if (length % 4 != 0)
		return VERDICT_NTP_RAGGED;

	uint8_t version = payload[NTP_LEAP_VERSION_MODE] >> 3 & 7;
	uint8_t mode = payload[NTP_LEAP_VERSION_MODE] & 7;

	// RFC 5905 section 9.2: "must not be in the future"; version 0 has another header.
	if (version < 1 || version > 4)
		return VERDICT_NTP_VERSION;

	enum ntp_mode answer = reply_mode(version, mode, source_port);

	if (answer == NTP_MODE_UNSPECIFIED)
		return VERDICT_NTP_MODE;
	if (length > NTP_HEADER_SIZE) {
		enum verdict verdict = ntp_tail_parse(
				version, payload + NTP_HEADER_SIZE, length - NTP_HEADER_SIZE);

		if (verdict != VERDICT_PENDING)
			return verdict;
	}
	*reply_flags = ntp_flags(NTP_LEAP_NONE, version, answer);
	return VERDICT_PENDING;
}
