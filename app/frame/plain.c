// SPDX-License-Identifier: BSD-3-Clause
#include "frame/plain.h"

#include "frame/host.h"

#include <assert.h>

static_assert(PLAIN_ADDRESSES == HOST_ADDRESSES);

const bool plain_nobody[256] = { [0] = true, [127] = true, [224 ... 255] = true };

const struct plain *plain_find_ipv6(const struct plain_set *set, const uint8_t *at)
{
	const uint8_t *source = at + ETHERNET_SIZE + IPV6_SOURCE;
	const uint8_t *destination = at + ETHERNET_SIZE + IPV6_DESTINATION;
	const struct plain *found = NULL;

	// RFC 8200 section 8.1: the checksum is never absent, whatever a port says of it.
	if (load_word16(at + 18) != PLAIN_IPV6_18
			|| load_word16(at + PLAIN_IPV6_UDP_AT + UDP_CHECKSUM) == 0
			|| at[ETHERNET_SIZE + IPV6_NEXT_HEADER] != PROTOCOL_UDP
			|| load_word32(at + PLAIN_IPV6_UDP_AT + UDP_DESTINATION_PORT)
					!= set->ports_end
			|| load_word16(at + PLAIN_IPV6_UDP_AT) == 0 || host_is_ipv6_martian(source))
		return NULL;
	for (const struct plain *own = set->ipv4_end; own < set->end; own++) {
		if (memcmp(source, own->own_ipv6, sizeof(own->own_ipv6)) == 0)
			return NULL;
		if (memcmp(destination, own->own_ipv6, sizeof(own->own_ipv6)) == 0)
			found = own;
	}
	return found;
}

uint64_t plain_udp_sum(const struct plain *plain, const uint8_t *payload, uint64_t sum)
{
	const uint8_t *udp = payload - UDP_SIZE;
	size_t size = plain->ipv6 ? IPV6_ADDRESSES_SIZE : IPV4_ADDRESSES_SIZE;

	sum = checksum_add_word(sum, checksum_pseudo(udp - size, size, PROTOCOL_UDP, PLAIN_UDP));
	return checksum_add_word(sum, checksum_add(0, udp, UDP_CHECKSUM));
}

// The start of an answer's Ethernet and IP headers, 24 octets of them.
static void prepare_start(struct plain *plain, const struct host *host, const uint8_t *ip)
{
	uint8_t start[24] = { 0 };

	memcpy(start + ETHERNET_SOURCE, host->mac, MAC_SIZE);
	store_be16(start + ETHERNET_TYPE, plain->ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
	memcpy(start + ETHERNET_SIZE, ip, sizeof(start) - ETHERNET_SIZE);
	plain->reply_0 = load_word64(start);
	plain->reply_8 = load_word64(start + 8);
	plain->reply_16 = load_word64(start + 16);
}

static void prepare_udp_sum(struct plain *plain, const struct host *host, const struct address *own)
{
	uint8_t udp[] = { 0, 0, 0, PLAIN_UDP };

	store_be16(udp, host->ntp_port);
	plain->udp_sum = checksum_fold(
			checksum_add(checksum_pseudo(own->bytes, address_size(own->family),
						     PROTOCOL_UDP, PLAIN_UDP),
					udp, sizeof(udp)));
}

static void prepare_ipv4(struct plain *plain, const struct host *host, const struct subnet *subnet)
{
	const uint8_t *own = subnet->address.bytes;
	uint8_t broadcast[4];
	uint8_t ip[IPV4_SIZE] = { 0x45, (uint8_t)(host->dscp << 2), 0, IPV4_SIZE + PLAIN_UDP, 0, 0,
		IPV4_DONT_FRAGMENT >> 8, 0, TIME_TO_LIVE, PROTOCOL_UDP };

	memcpy(ip + IPV4_SOURCE, own, 4);
	store_be32(broadcast, host_ipv4_broadcast(load_be32(own), subnet->prefix_bits));
	*plain = (struct plain){
		.family = ADDRESS_IPV4,
		.udp_at = PLAIN_IPV4_UDP_AT,
		.length = PLAIN_IPV4,
		.own = load_word32(own),
		.broadcast = load_word32(broadcast),
		.header_sum = checksum_fold(checksum_add(0, ip, sizeof(ip))),
	};
	prepare_start(plain, host, ip);
	prepare_udp_sum(plain, host, &subnet->address);
}

static void prepare_ipv6(struct plain *plain, const struct host *host, const struct subnet *subnet)
{
	uint8_t ip[IPV6_SIZE] = { (uint8_t)(0x60 | host->dscp >> 2), (uint8_t)(host->dscp << 6), 0,
		0, 0, PLAIN_UDP, PROTOCOL_UDP, TIME_TO_LIVE };

	*plain = (struct plain){
		.ipv6 = true,
		.family = ADDRESS_IPV6,
		.udp_at = PLAIN_IPV6_UDP_AT,
		.length = PLAIN_IPV6,
	};
	memcpy(plain->own_ipv6, subnet->address.bytes, sizeof(plain->own_ipv6));
	prepare_start(plain, host, ip);
	prepare_udp_sum(plain, host, &subnet->address);
}

void plain_prepare(struct plain_set *set, const struct host *host)
{
	uint8_t bytes[8] = { 0 };

	*set = (struct plain_set){ .ipv4_end = set->each, .end = set->each };
	if (host->vlan > 0)
		return;
	memcpy(bytes + 2, host->mac, MAC_SIZE);
	set->mac = load_word64(bytes);
	store_be16(bytes, host->ntp_port);
	store_be16(bytes + 2, PLAIN_UDP);
	set->ports_end = load_word32(bytes);
	struct plain *next = set->each;

	for (unsigned i = 0; i < host->address_count; i++) {
		if (host->addresses[i].address.family == ADDRESS_IPV4)
			prepare_ipv4(next++, host, &host->addresses[i]);
	}
	set->ipv4_end = next;
	for (unsigned i = 0; i < host->address_count; i++) {
		if (host->addresses[i].address.family == ADDRESS_IPV6)
			prepare_ipv6(next++, host, &host->addresses[i]);
	}
	set->end = next;
}
