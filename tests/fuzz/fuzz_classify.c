// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a frame: one verdict, nothing read beyond the frame, nothing written by a drop, and
// every answer true and no longer than it may be. The first byte of the input sets what the port
// says about the frame, the second its spare room.
#include "../unit/wire.h"

#include <stdint.h>

enum setting {
	CHECKSUM_KNOWN_GOOD = 1,
	IP_CHECKSUM_KNOWN_GOOD = 2,
	TAKES_UNFINISHED = 4,
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_found_within(const struct frame *frame)
{
	require(frame->kind > FRAME_NONE && frame->kind <= FRAME_ECHO);
	require(frame->ip_offset == WIRE_IP && frame->payload_offset >= frame->ip_offset);
	require(frame->payload_offset + frame->payload_length <= frame->length);
	require(frame->kind != FRAME_NTP || frame->source_port != 0);
	require(frame->source.family == ADDRESS_IPV4 || frame->source.family == ADDRESS_IPV6);
}

// A request's checksum is right, absent where it may be, vouched for, or unfinished where expected.
static void require_checksum_believed(const struct host *host, const struct frame *frame)
{
	unsigned field = wire_get16(frame->start + wire_checksum_at(frame->start));

	require(field != 0 || wire_is_ipv4(frame->start));
	require(field == 0 || frame->checksum_known_good
			|| wire_transport_sum(frame->start) == 0xffff
			|| (host->takes_unfinished_checksums
					&& field == wire_pseudo_sum(frame->start)));
}

static void require_from_us_to_one(const struct frame *reply)
{
	static const uint8_t all_nodes[6] = { 0x33, 0x33, 0, 0, 0, 1 };

	require(memcmp(reply->start + 6, wire_our_mac, 6) == 0);
	require(memcmp(reply->start, wire_our_mac, 6) != 0);
	require(!(reply->start[0] & 1) || memcmp(reply->start, all_nodes, 6) == 0);
}

static void turn_ntp(const struct host *host, struct frame *frame, uint8_t shorter)
{
	uint16_t asked = frame->length, length = frame->payload_length;

	require_checksum_believed(host, frame);
	frame_turn(host, frame, shorter < length ? (uint16_t)(length - shorter) : length);
	frame_seal(frame);
	require(frame->length <= asked || (frame->length == 60 && frame->room >= 60));
	require(wire_checksums_are_right(frame->start));
	require(wire_get16(frame->start + wire_checksum_at(frame->start)) != 0);
	require_from_us_to_one(frame);
}

static void answer_neighbor(const struct host *host, struct frame *frame)
{
	struct neighbor neighbor = { 0 };
	uint16_t asked = frame->length;
	enum verdict verdict = neighbor_answer(&neighbor, host, frame, 0);

	require(verdict > VERDICT_PENDING && verdict < VERDICT_COUNT);
	if (verdict > VERDICT_TX_FULL) {
		require(frame->length == asked);
		return;
	}
	require(frame->length <= frame->room);
	require_from_us_to_one(frame);
	require(verdict == VERDICT_ARP_ANSWERED || wire_checksums_are_right(frame->start));
	require(verdict != VERDICT_ECHO_ANSWERED || frame->length <= asked || frame->length == 60);
	require(verdict != VERDICT_ND_ANSWERED || frame->length == 86);
	require(verdict != VERDICT_ARP_ANSWERED || frame->length == 42 || frame->length == 60);
}

// Classifies the frame and, where it wants one, makes the answer over it.
static enum verdict answer(const struct host *host, struct frame *frame, uint8_t shorter)
{
	enum verdict verdict = frame_classify(host, frame);

	require(verdict < VERDICT_COUNT);
	if (verdict != VERDICT_PENDING)
		return verdict;
	require_found_within(frame);
	if (frame->kind == FRAME_NTP)
		turn_ntp(host, frame, shorter);
	else
		answer_neighbor(host, frame);
	return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host host = wire_host();
	struct wire wire = { 0 };

	if (size < 2 || size - 2 > WIRE_SIZE)
		return 0;
	uint8_t settings = data[0], spare = data[1];

	wire.length = (uint16_t)(size - 2);
	memcpy(wire.bytes, data + 2, wire.length);
	host.takes_unfinished_checksums = settings & TAKES_UNFINISHED;
	struct frame once = wire_receive(&wire, wire.length + spare);

	once.checksum_known_good = settings & CHECKSUM_KNOWN_GOOD;
	once.ip_checksum_known_good = settings & IP_CHECKSUM_KNOWN_GOOD;
	struct frame again = once;

	again.start = malloc(again.room);
	require(again.start != NULL);
	memcpy(again.start, wire.bytes, wire.length);
	enum verdict verdict = answer(&host, &once, spare);

	require(answer(&host, &again, spare) == verdict);
	require(once.length == again.length && once.kind == again.kind);
	require(memcmp(once.start, again.start, once.length) == 0);
	if (verdict != VERDICT_PENDING)
		require(memcmp(once.start, wire.bytes, wire.length) == 0);
	free(once.start);
	free(again.start);
	return 0;
}
