// SPDX-License-Identifier: BSD-3-Clause
// A link with a server for the tests of timeball-bench: requests as it makes them, and the replies of
// a server that does everything right. A tick is a nanosecond.
#pragma once

#include "base/bytes.h"
#include "timeball-bench/checker.h"
#include "unit.h"

#include <string.h>

#define WORLD_CLIENTS  8
#define WORLD_TAG_BITS 2
#define WORLD_TIMEOUT  1'000'000
#define WORLD_START    INT64_C(5'000'000'000)
#define WORLD_UTC      INT64_C(1'800'000'000'000'000'000)
#define TO_SERVER_NS   10'000
#define IN_SERVER_NS   2'000
#define FROM_SERVER_NS 5'000

struct world {
	struct clients clients;
	struct receiver receiver;
	struct pending pending;
	struct checker *checker;
	struct time_map map;
	struct request_template templates[FAMILIES];
	struct tally *tally;
	uint64_t now;
	uint32_t rounds[FAMILIES * WORLD_CLIENTS];
	// What the server keeps of each client for interleaved mode.
	ntp64_t last_receive[FAMILIES * WORLD_CLIENTS];
	ntp64_t last_transmit[FAMILIES * WORLD_CLIENTS];
};

// A request on its way, then the reply to it.
struct flight {
	uint8_t frame[REQUEST_SIZE_MAX];
	uint16_t length;
	uint16_t ip; // offsets
	uint16_t udp;
	uint16_t ntp;
	enum family_index family;
	uint32_t client;
	struct slot *slot;
	uint64_t arrived;
};

static const uint8_t world_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t world_server_mac[MAC_SIZE] = { 2, 0, 0, 0, 0, 2 };

static inline void world_open(struct world *world, uint16_t vlan)
{
	struct subnet prefixes[FAMILIES] = {
		{ { ADDRESS_IPV4, { 10, 1, 2, 0 } }, 24 },
		{ { ADDRESS_IPV6, { 0xfd, 1, [15] = 0 } }, 64 },
	};

	memset(world, 0, sizeof(*world));
	clients_init(&world->clients, prefixes, WORLD_CLIENTS);
	world->receiver = (struct receiver){
		.clients = &world->clients,
		.vlan = vlan,
		.servers = { { ADDRESS_IPV4, { 10, 9, 9, 9 } }, { ADDRESS_IPV6, { 0xfd, 9 } } },
		.server_port = 123,
	};
	memcpy(world->receiver.mac, world_mac, MAC_SIZE);
	for (unsigned i = 0; i < FAMILIES; i++) {
		struct request_route route = {
			.vlan = vlan,
			.server = world->receiver.servers[i],
			.server_port = 123,
			.version = 4,
		};

		memcpy(route.own_mac, world_mac, MAC_SIZE);
		memcpy(route.next_mac, world_server_mac, MAC_SIZE);
		request_template_init(&world->templates[i], &route);
	}
	size_t size = pending_size(world->clients.count, WORLD_TAG_BITS);

	pending_init(&world->pending, calloc(1, size), world->clients.count, WORLD_TAG_BITS);
	world->pending.seed = 1;
	world->map = (struct time_map){
		.ticks = (uint64_t)WORLD_START,
		.utc = { WORLD_UTC },
		.ns_per_tick = UINT64_C(1) << TIME_MAP_SHIFT,
	};
	world->tally = malloc(sizeof(*world->tally));
	world->checker = calloc(1, sizeof(*world->checker));
	tally_init(world->tally);
	world->checker->receiver = &world->receiver;
	world->checker->pending = &world->pending;
	world->checker->map = &world->map;
	world->checker->version = 4;
	world->checker->same_clock = true;
	world->checker->tolerance_ns = 100;
	world->checker->timeout_ticks = WORLD_TIMEOUT;
	world->checker->start_ticks = (uint64_t)WORLD_START;
	world->now = (uint64_t)WORLD_START;
}

static inline void world_close(struct world *world)
{
	free(world->pending.clients);
	free(world->tally);
	free(world->checker);
}

static inline ntp64_t world_stamp(const struct world *world, uint64_t ticks)
{
	return utc_to_ntp64(time_map_utc(&world->map, ticks));
}

// The sum as RFC 1071 describes it, word by word, so that not our own arithmetic judges itself.
static inline uint32_t plain_sum(const uint8_t *bytes, size_t length, uint32_t sum)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// The sum of a UDP datagram with its pseudo-header.
static inline uint32_t flight_udp_sum(const struct flight *flight)
{
	size_t addresses = flight->family == FAMILY_IPV4 ? 8 : 32;
	uint16_t length = load_be16(flight->frame + flight->udp + 4);
	uint32_t sum = plain_sum(
			flight->frame + flight->udp - addresses, addresses, (uint32_t)17 + length);

	return plain_sum(flight->frame + flight->udp, length, sum);
}

static inline void flight_seal(struct flight *flight)
{
	uint8_t *ip = flight->frame + flight->ip, *udp = flight->frame + flight->udp;

	if (flight->family == FAMILY_IPV4) {
		store_be16(ip + 10, 0);
		store_be16(ip + 10, (uint16_t)~plain_sum(ip, 20, 0));
	}
	store_be16(udp + 6, 0);
	uint16_t sum = (uint16_t)~flight_udp_sum(flight);

	store_be16(udp + 6, sum ? sum : 0xffff);
}

// Has a client ask at world->now.
static inline struct flight world_ask(
		struct world *world, enum family_index family, uint32_t client, bool interleaved)
{
	const struct client_range *range = &world->clients.ranges[family];
	uint32_t number = range->first + client;
	const struct ask ask = {
		.client = number,
		.round = world->rounds[number]++,
		.intended_ticks = world->now,
		.now_ticks = world->now,
		.timeout_ticks = WORLD_TIMEOUT,
		.interleaved = interleaved,
	};
	struct address address;
	struct request request = { .client = &address };
	struct flight flight = {
		.length = world->templates[family].length,
		.ip = world->templates[family].ip_offset,
		.udp = world->templates[family].udp_offset,
		.ntp = (uint16_t)(world->templates[family].udp_offset + 8),
		.family = family,
		.client = number,
	};

	client_address(range, client, &address);
	flight.slot = pending_open(&world->pending, &ask, &request);
	slot_set_sent(flight.slot, world->now);
	request_write(&world->templates[family], &request, flight.frame);
	return flight;
}

static inline void swap_bytes(uint8_t *a, uint8_t *b, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

// The server answers: interleaved where the request's origin is what it stamped last (RFC 9769).
static inline void world_answer(struct world *world, struct flight *flight)
{
	uint8_t *ip = flight->frame + flight->ip, *udp = flight->frame + flight->udp;
	uint8_t *ntp = flight->frame + flight->ntp;
	size_t source = flight->family == FAMILY_IPV4 ? 12 : 8;
	size_t size = flight->family == FAMILY_IPV4 ? 4 : 16;
	uint64_t received = world->now + TO_SERVER_NS;
	ntp64_t receive = world_stamp(world, received) | 1;
	ntp64_t transmit = world_stamp(world, received + IN_SERVER_NS);
	ntp64_t *last_receive = &world->last_receive[flight->client];
	ntp64_t *last_transmit = &world->last_transmit[flight->client];
	bool interleaved = load_be64(ntp + NTP_ORIGIN) != 0
			&& load_be64(ntp + NTP_ORIGIN) == *last_receive;

	swap_bytes(flight->frame, flight->frame + 6, MAC_SIZE);
	swap_bytes(ip + source, ip + source + size, size);
	swap_bytes(udp, udp + 2, 2);
	memmove(ntp + NTP_ORIGIN, ntp + (interleaved ? NTP_RECEIVE : NTP_TRANSMIT), 8);
	ntp[NTP_LEAP_VERSION_MODE] = 0x24;
	ntp[NTP_STRATUM] = 10;
	store_be64(ntp + NTP_RECEIVE, receive);
	store_be64(ntp + NTP_TRANSMIT, interleaved ? *last_transmit : transmit);
	*last_receive = receive;
	*last_transmit = transmit;
	flight_seal(flight);
	flight->arrived = received + IN_SERVER_NS + FROM_SERVER_NS;
	world->now = flight->arrived + 1000;
}

static inline enum outcome world_judge(struct world *world, const struct flight *flight)
{
	return checker_judge(world->checker, flight->frame, flight->length, flight->arrived,
			world->tally);
}
