// SPDX-License-Identifier: BSD-3-Clause
// What the XDP program of a shared interface takes from the kernel, frame by frame. The same function
// runs in the kernel; that its verifier likes it is the lab's to see.
#include "drivers/xdp/ntp_filter.h"
#include "unit.h"

#include <string.h>

#define PORT         123
#define IPV4_PAYLOAD (ETHERNET_SIZE + IPV4_SIZE + UDP_SIZE)
#define IPV6_PAYLOAD (ETHERNET_SIZE + IPV6_SIZE + UDP_SIZE)
#define NTP_SIZE     48

struct packet {
	uint8_t bytes[IPV6_PAYLOAD + NTP_SIZE];
	size_t length;
};

static const uint8_t ipv4_destination[16] = { [10] = 0xff, 0xff, 192, 168, 1, 10 };
static const uint8_t ipv6_destination[16] = { 0xfd, [15] = 0x10 };

static struct packet ipv4_request(void)
{
	struct packet packet = { .bytes = { 2, [5] = 1 }, .length = IPV4_PAYLOAD + NTP_SIZE };
	uint8_t *ip = packet.bytes + ETHERNET_SIZE;

	packet.bytes[ETHERNET_TYPE] = 8;
	ip[0] = 0x45;
	ip[IPV4_FRAGMENT] = 0x40; // do not fragment
	ip[IPV4_PROTOCOL] = PROTOCOL_UDP;
	memcpy(ip + IPV4_DESTINATION, ipv4_destination + 12, 4);
	ip[IPV4_SIZE + UDP_DESTINATION_PORT + 1] = PORT;
	packet.bytes[IPV4_PAYLOAD] = 0x23;
	return packet;
}

static struct packet ipv6_request(void)
{
	struct packet packet = { .bytes = { 2, [5] = 1 }, .length = IPV6_PAYLOAD + NTP_SIZE };
	uint8_t *ip = packet.bytes + ETHERNET_SIZE;

	packet.bytes[ETHERNET_TYPE] = 0x86;
	packet.bytes[ETHERNET_TYPE + 1] = 0xdd;
	ip[0] = 0x60;
	ip[IPV6_NEXT_HEADER] = PROTOCOL_UDP;
	memcpy(ip + IPV6_DESTINATION, ipv6_destination, 16);
	ip[IPV6_SIZE + UDP_DESTINATION_PORT + 1] = PORT;
	packet.bytes[IPV6_PAYLOAD] = 0x23;
	return packet;
}

// The frame is copied to the end of its memory: the address sanitizer sees each octet too many.
static bool is_taken(const struct packet *packet, const uint8_t destination[16])
{
	struct ntp_filter_address found;
	uint8_t *bytes = malloc(packet->length + 1); // never of size 0

	assert_non_null(bytes);
	memcpy(bytes + 1, packet->bytes, packet->length);
	bool taken = ntp_filter_finds_request(bytes + 1, bytes + 1 + packet->length, PORT, &found);

	free(bytes);
	if (taken)
		assert_memory_equal(found.bytes, destination, 16);
	return taken;
}

static void requests_are_taken_with_their_destination(void **)
{
	struct packet ipv4 = ipv4_request(), ipv6 = ipv6_request();

	assert_true(is_taken(&ipv4, ipv4_destination));
	assert_true(is_taken(&ipv6, ipv6_destination));
}

static void modes_that_ask_are_taken_and_no_others(void **)
{
	for (unsigned octet = 0; octet < 256; octet++) {
		unsigned mode = octet & 7, version = octet >> 3 & 7;
		bool asks = mode == 3 || mode == 1 || (mode == 0 && version == 1);
		struct packet ipv4 = ipv4_request(), ipv6 = ipv6_request();

		ipv4.bytes[IPV4_PAYLOAD] = ipv6.bytes[IPV6_PAYLOAD] = (uint8_t)octet;
		assert_int_equal(is_taken(&ipv4, ipv4_destination), asks);
		assert_int_equal(is_taken(&ipv6, ipv6_destination), asks);
	}
}

// One octet of a request, and what makes it somebody else's.
struct change {
	size_t offset;
	uint8_t value;
};

static void assert_left(struct packet (*request)(void), const struct change *changes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct packet packet = request();

		packet.bytes[changes[i].offset] = changes[i].value;
		if (is_taken(&packet, ipv4_destination))
			fail_msg("octet %zu as 0x%02x is taken", changes[i].offset,
					changes[i].value);
	}
}

static void everything_else_is_left_to_the_kernel(void **)
{
	static const struct change ipv4[] = {
		{ 0, 3 },                                 // multicast
		{ ETHERNET_TYPE + 1, 6 },                 // ARP
		{ ETHERNET_TYPE, 0x81 },                  // a tag
		{ ETHERNET_SIZE, 0x46 },                  // options
		{ ETHERNET_SIZE, 0x65 },                  // not version 4
		{ ETHERNET_SIZE + IPV4_FRAGMENT, 0x20 },  // more fragments
		{ ETHERNET_SIZE + IPV4_FRAGMENT + 1, 1 }, // a later fragment
		{ ETHERNET_SIZE + IPV4_PROTOCOL, 6 },     // TCP
		{ IPV4_PAYLOAD - UDP_SIZE + UDP_DESTINATION_PORT, 1 },
		{ IPV4_PAYLOAD - UDP_SIZE + UDP_DESTINATION_PORT + 1, 124 },
	};
	static const struct change ipv6[] = {
		{ 0, 0x33 },                             // multicast
		{ ETHERNET_TYPE + 1, 0xde },             // not IP
		{ ETHERNET_SIZE, 0x40 },                 // not version 6
		{ ETHERNET_SIZE + IPV6_NEXT_HEADER, 0 }, // an extension header
		{ ETHERNET_SIZE + IPV6_NEXT_HEADER, PROTOCOL_FRAGMENT },
		{ IPV6_PAYLOAD - UDP_SIZE + UDP_DESTINATION_PORT + 1, 124 },
	};

	assert_left(ipv4_request, ipv4, sizeof(ipv4) / sizeof(ipv4[0]));
	assert_left(ipv6_request, ipv6, sizeof(ipv6) / sizeof(ipv6[0]));
}

static void short_frames_are_left(void **)
{
	struct packet ipv4 = ipv4_request(), ipv6 = ipv6_request();

	for (ipv4.length = 0; ipv4.length <= IPV4_PAYLOAD; ipv4.length++)
		assert_false(is_taken(&ipv4, ipv4_destination));
	for (ipv6.length = 0; ipv6.length <= IPV6_PAYLOAD; ipv6.length++)
		assert_false(is_taken(&ipv6, ipv6_destination));
	// Too short for NTP, but a request: the worker's to count.
	assert_true(is_taken(&ipv4, ipv4_destination));
	assert_true(is_taken(&ipv6, ipv6_destination));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_taken_with_their_destination),
		cmocka_unit_test(modes_that_ask_are_taken_and_no_others),
		cmocka_unit_test(everything_else_is_left_to_the_kernel),
		cmocka_unit_test(short_frames_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
