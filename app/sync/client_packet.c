// SPDX-License-Identifier: BSD-3-Clause
#include "sync/client_packet.h"

#include "base/bytes.h"

#include <string.h>

#define STRATUM_MAX     15
#define DISTANCE_MAX_NS (16 * NS_PER_S) // MAXDISP of RFC 5905
#define KISS_CODE_RATE  UINT32_C(0x52415445)
#define KISS_CODE_DENY  UINT32_C(0x44454e59)
#define KISS_CODE_RSTR  UINT32_C(0x52535452)
// Between receive and the transmit timestamp that an interleaved answer does not show, the server
// may set its clock, and so its reference time.
#define REFERENCE_SLACK (UINT64_C(1) << 32)
#define FINEST_LOG2S    -32 // what a timestamp can tell
#define COARSEST_LOG2S  -6  // of clocks that go by an interrupt; beyond, order would mean nothing

void client_request_write(const struct client_request *request, uint8_t packet[NTP_HEADER_SIZE])
{
	// Nothing that tells clients apart or what time it is here (draft-ietf-ntp-data-minimization).
	memset(packet, 0, NTP_HEADER_SIZE);
	packet[NTP_LEAP_VERSION_MODE] = ntp_flags(NTP_LEAP_NONE, request->version, NTP_MODE_CLIENT);
	packet[NTP_POLL] = (uint8_t)request->poll;
	store_be64(packet + NTP_ORIGIN, request->origin);
	store_be64(packet + NTP_RECEIVE, request->receive);
	store_be64(packet + NTP_TRANSMIT, request->transmit);
}

bool client_answer_parse(const uint8_t *packet, size_t length, struct client_answer *answer)
{
	if (length < NTP_HEADER_SIZE)
		return false;

	uint8_t version = packet[NTP_LEAP_VERSION_MODE] >> 3 & 7;

	if (version < 1 || version > 4 || (packet[NTP_LEAP_VERSION_MODE] & 7) != NTP_MODE_SERVER)
		return false;
	if (ntp_tail_parse(version, packet + NTP_HEADER_SIZE, length - NTP_HEADER_SIZE)
			!= VERDICT_PENDING)
		return false;
	*answer = (struct client_answer){
		.leap = (enum ntp_leap)(packet[NTP_LEAP_VERSION_MODE] >> 6),
		.version = version,
		.stratum = packet[NTP_STRATUM],
		.poll = (int8_t)packet[NTP_POLL],
		.precision = (int8_t)packet[NTP_PRECISION],
		.root_delay_ns = ns_from_ntp32(load_be32(packet + NTP_ROOT_DELAY)),
		.root_dispersion_ns = ns_from_ntp32(load_be32(packet + NTP_ROOT_DISPERSION)),
		.refid = load_be32(packet + NTP_REFERENCE_ID),
		.reference = load_be64(packet + NTP_REFERENCE_TIME),
		.origin = load_be64(packet + NTP_ORIGIN),
		.receive = load_be64(packet + NTP_RECEIVE),
		.transmit = load_be64(packet + NTP_TRANSMIT),
	};
	return true;
}

enum client_kiss client_answer_kiss(const struct client_answer *answer)
{
	if (answer->leap != NTP_LEAP_UNSYNCHRONISED || answer->stratum != 0)
		return CLIENT_KISS_NONE;
	switch (answer->refid) {
	case KISS_CODE_RATE:
		return CLIENT_KISS_RATE;
	case KISS_CODE_DENY:
	case KISS_CODE_RSTR:
		return CLIENT_KISS_DENY;
	default:
		return CLIENT_KISS_NONE;
	}
}

bool client_answer_in_order(const struct client_answer *answer, ntp64_t earlier, ntp64_t later)
{
	int log2s = answer->precision;

	if (log2s < FINEST_LOG2S)
		log2s = FINEST_LOG2S;
	if (log2s > COARSEST_LOG2S)
		log2s = COARSEST_LOG2S;
	return !ntp64_is_later(earlier, later + (UINT64_C(1) << (log2s - FINEST_LOG2S)));
}

unsigned client_answer_failures(const struct client_answer *answer, bool interleaved)
{
	ntp64_t first = interleaved ? answer->transmit : answer->receive;
	ntp64_t second = interleaved ? answer->receive : answer->transmit;
	ntp64_t last = interleaved ? answer->receive + REFERENCE_SLACK : answer->transmit;
	unsigned failures = 0;

	// A reference time of 0 is none: some simple servers never fill it in.
	if (answer->receive == 0 || answer->transmit == 0
			|| !client_answer_in_order(answer, first, second))
		failures |= CLIENT_TEST_TIMES;
	if (answer->leap == NTP_LEAP_UNSYNCHRONISED || answer->stratum == 0
			|| answer->stratum > STRATUM_MAX)
		failures |= CLIENT_TEST_SYNCHRONISED;
	if (answer->root_delay_ns / 2 + answer->root_dispersion_ns >= DISTANCE_MAX_NS
			|| (answer->reference != 0
					&& !client_answer_in_order(
							answer, answer->reference, last)))
		failures |= CLIENT_TEST_DISTANCE;
	return failures;
}
