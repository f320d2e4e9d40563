// SPDX-License-Identifier: BSD-3-Clause
// Any bytes as a frame: one verdict, nothing read beyond the frame, nothing written by a drop, and
// every answer true and no longer than it may be; and frame/plain finds and writes the same as the
// long way. The first byte of the input sets what the port
// says about the frame and which VLAN is served, the second its spare room.
#include "../unit/wire.h"

#include <stdint.h>

enum setting {
	CHECKSUM_KNOWN_GOOD = 1,
	IP_CHECKSUM_KNOWN_GOOD = 2,
	TAKES_UNFINISHED = 4,
	VLAN_7 = 8,
	NO_VLAN = 16,
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void require_found_within(const struct frame *frame)
{
	require(frame->kind > FRAME_NONE && frame->kind <= FRAME_MLD_QUERY);
	require(frame->ip_offset == WIRE_IP || frame->ip_offset == WIRE_IP + 4
			|| frame->ip_offset == WIRE_IP + 8);
	require(frame->payload_offset >= frame->ip_offset);
	require(frame->payload_offset + frame->payload_length <= frame->length);
	require(frame->kind != FRAME_NTP || frame->source_port != 0);
	require(frame->source.family == ADDRESS_IPV4 || frame->source.family == ADDRESS_IPV6);
}

// Makes `wire` the frame without its tags, and returns how many bytes they have.
static unsigned remove_tags(const struct frame *frame, struct wire *wire)
{
	unsigned size = frame->ip_offset - (unsigned)WIRE_IP;

	memcpy(wire->bytes, frame->start, frame->length);
	wire->length = frame->length;
	wire_untag(wire, size / 4);
	return size;
}

// A tag is of a known type and names a VLAN that exists; the outermost that names one, the served.
static void require_right_vlan(const struct host *host, const struct frame *frame)
{
	unsigned vlan = 0;

	for (unsigned at = 12; at < frame->ip_offset - 2U; at += 4) {
		unsigned type = wire_get16(frame->start + at);
		unsigned named = wire_get16(frame->start + at + 2) % 4096;

		require(type == 0x8100 || type == 0x88a8 || type == 0x9100);
		require(named != 4095);
		vlan = vlan == 0 ? named : vlan;
	}
	require(host->vlan == HOST_ANY_VLAN || (unsigned)host->vlan == vlan);
}

// A request's checksum is right, absent where it may be, vouched for, or unfinished where expected.
static void require_checksum_believed(const struct host *host, const struct frame *frame)
{
	struct wire wire;

	remove_tags(frame, &wire);
	unsigned field = wire_get16(wire.bytes + wire_checksum_at(wire.bytes));

	require(field != 0 || wire_is_ipv4(wire.bytes));
	require(field == 0 || frame->checksum_known_good || wire_transport_sum(wire.bytes) == 0xffff
			|| (host->takes_unfinished_checksums
					&& field == wire_pseudo_sum(wire.bytes)));
}

// To one, or to the group that this kind of answer goes to.
static void require_from_us(const struct frame *reply, enum verdict verdict)
{
	static const uint8_t all_nodes_mac[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	bool to_one = !(reply->start[0] & 1);

	require(memcmp(reply->start + 6, wire_our_mac, 6) == 0);
	require(memcmp(reply->start, wire_our_mac, 6) != 0);
	if (verdict == VERDICT_MLD_ANSWERED)
		require(wire_get16(reply->start) == 0x3333);
	else
		require(to_one
				|| (verdict == VERDICT_ND_ANSWERED
						&& memcmp(reply->start, all_nodes_mac, 6) == 0));
}

// RFC 3810 sections 5 and 5.2.
static void require_report(const struct wire *report)
{
	static const uint8_t hop_by_hop[8] = { 58, 0, 5, 2, 0, 0, 1, 0 };
	const uint8_t *ip = report->bytes + WIRE_IP, *message = ip + 48;

	require(memcmp(ip + 40, hop_by_hop, sizeof(hop_by_hop)) == 0 && ip[7] == 1);
	require(wire_get16(ip + 8) == 0xfe80 && wire_get16(ip + 24) == 0xff02);
	require(memcmp(report->bytes + 2, ip + 36, 4) == 0);
	require(message[0] == 131 || message[0] == 143);
	if (message[0] == 131) {
		require(report->length == WIRE_IP + 48 + 24);
		require(memcmp(message + 8, ip + 24, 16) == 0);
		return;
	}
	unsigned records = wire_get16(message + 6), sources = wire_get16(message + 10);

	require(records == 1 || (records == 2 && sources == 0));
	require(report->length == WIRE_IP + 48 + 8 + 20 * records + 16 * sources);
	require(message[8] == (sources > 0 ? 1 : 2));
}

// What an answer owes is a report of version 1, in the query's VLAN.
static void require_owed_reports(struct neighbor *neighbor, const struct host *host)
{
	uint8_t bytes[REPORT_SIZE];
	struct frame frame = { .start = bytes };
	unsigned reports = 0;
	struct wire wire;

	frame.ip_offset = WIRE_IP + neighbor->owed.tags.size;
	while ((frame.length = neighbor_report_owed(neighbor, host, bytes)) > 0) {
		require_right_vlan(host, &frame);
		require_from_us(&frame, VERDICT_MLD_ANSWERED);
		remove_tags(&frame, &wire);
		require_report(&wire);
		require(wire_checksums_are_right(wire.bytes));
		reports++;
	}
	require(reports <= 1); // of two groups, one is in the answer
}

static void turn_ntp(const struct host *host, struct frame *frame, uint8_t shorter)
{
	uint16_t asked = frame->length, length = frame->payload_length;
	struct wire wire;

	require_checksum_believed(host, frame);
	frame_turn(host, frame, shorter < length ? (uint16_t)(length - shorter) : length);
	frame_seal(frame);
	require(frame->length <= asked || (frame->length == 60 && frame->room >= 60));
	remove_tags(frame, &wire);
	require(wire_checksums_are_right(wire.bytes));
	require(wire_get16(wire.bytes + wire_checksum_at(wire.bytes)) != 0);
	require_from_us(frame, VERDICT_ANSWERED);
}

static void answer_neighbor(const struct host *host, struct frame *frame)
{
	struct neighbor neighbor = { 0 };
	uint16_t asked = frame->length;
	enum verdict verdict = neighbor_answer(&neighbor, host, frame, 0);
	struct wire wire;

	require(verdict > VERDICT_PENDING && verdict < VERDICT_COUNT);
	if (!verdict_is_answer(verdict)) {
		require(frame->length == asked && neighbor.owed.groups == 0);
		return;
	}
	require(frame->length <= frame->room);
	require_from_us(frame, verdict);
	unsigned tags = remove_tags(frame, &wire);

	require(verdict == VERDICT_ARP_ANSWERED || wire_checksums_are_right(wire.bytes));
	require(verdict != VERDICT_ECHO_ANSWERED || frame->length <= asked || frame->length == 60);
	require(verdict != VERDICT_ND_ANSWERED || frame->length == 86 + tags);
	require(verdict != VERDICT_ARP_ANSWERED || frame->length == 42 + tags
			|| frame->length == 60);
	if (verdict == VERDICT_MLD_ANSWERED)
		require_report(&wire);
	require_owed_reports(&neighbor, host);
}

// Classifies the frame and, where it wants one, makes the answer over it.
static enum verdict answer(const struct host *host, struct frame *frame, uint8_t shorter)
{
	enum verdict verdict = frame_classify(host, frame);

	require(verdict < VERDICT_COUNT);
	if (verdict != VERDICT_PENDING)
		return verdict;
	require_found_within(frame);
	require_right_vlan(host, frame);
	if (frame->kind == FRAME_NTP)
		turn_ntp(host, frame, shorter);
	else
		answer_neighbor(host, frame);
	return verdict;
}

// Whether the short way may leave the frame to the long one, which takes it: tags, another length,
// octets behind UDP's, or a checksum that is vouched for or unfinished.
static bool may_be_left(const struct host *host, const struct frame *frame)
{
	const uint8_t *ip = frame->start + WIRE_IP;
	bool ipv4 = wire_is_ipv4(frame->start);

	if (host->vlan > 0 || frame->ip_offset != WIRE_IP || frame->payload_length != WIRE_NTP)
		return true;
	if (wire_get16(ip + (ipv4 ? 2 : 4)) != (ipv4 ? 28 : 8) + WIRE_NTP)
		return true;
	return wire_get16(frame->start + frame->payload_offset - 2) != 0
			&& wire_transport_sum(frame->start) != 0xffff;
}

// Turned both ways, around the request's own octets.
static void require_same_reply(const struct host *host, struct frame *frame,
		const struct plain *plain, uint8_t *at)
{
	uint8_t *payload = at + plain->udp_at + 8;
	uint16_t asked = frame->length;

	frame_turn(host, frame, WIRE_NTP);
	frame_seal(frame);
	plain_seal(payload, plain_turn(plain, payload, checksum_add(0, payload, WIRE_NTP)));
	require(frame->length == plain->length);
	require(memcmp(frame->start, at, asked) == 0);
}

// The short way beside the long one: `trusted` is what a port says that has seen the checksums.
static void compare_ways(const struct host *host, const struct wire *wire)
{
	struct frame frame = wire_receive(wire, wire->length), trusted = frame;
	struct frame copy = wire_receive(wire, wire->length);
	const struct plain *plain = plain_find(&host->plain, copy.start, wire->length);
	struct address source = { 0 };
	bool taken = frame_classify(host, &frame) == VERDICT_PENDING && frame.kind == FRAME_NTP;

	trusted.checksum_known_good = true;
	trusted.ip_checksum_known_good = true;
	if (plain) {
		require(frame_classify(host, &trusted) == VERDICT_PENDING);
		require(trusted.kind == FRAME_NTP && trusted.payload_length == WIRE_NTP);
		require(trusted.payload_offset == plain->udp_at + 8);
		plain_source(plain, copy.start, &source);
		require(memcmp(&source, &trusted.source, sizeof(source)) == 0);
	}
	bool intact = plain && plain_is_intact(plain, copy.start);

	require(intact ? taken : !taken || may_be_left(host, &frame));
	require(memcmp(copy.start, wire->bytes, wire->length) == 0);
	if (intact)
		require_same_reply(host, &frame, plain, copy.start);
	free(copy.start);
	free(frame.start);
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
	if (settings & (VLAN_7 | NO_VLAN))
		host.vlan = settings & VLAN_7 ? 7 : 0;
	host_prepare(&host);
	compare_ways(&host, &wire);
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
	else
		require(memcmp(once.start + 12, wire.bytes + 12, once.ip_offset - 12U) == 0);
	free(once.start);
	free(again.start);
	return 0;
}
