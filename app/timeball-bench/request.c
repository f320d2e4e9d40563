// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/request.h"

#include "base/bytes.h"
#include "base/checksum.h"

#define IPV4_VERSION_SIZE 0x45
#define POLL              6

static uint16_t write_ethernet(const struct request_route *route, uint16_t type, uint8_t *frame)
{
	struct host host = { .vlan = route->vlan };

	memcpy(host.mac, route->own_mac, MAC_SIZE);
	uint16_t offset = host_write_tag(&host, frame);

	host_write_ethernet(&host, route->next_mac, type, frame, offset);
	return offset;
}

static uint64_t write_ipv4(const struct request_route *route, uint8_t *ip)
{
	ip[0] = IPV4_VERSION_SIZE;
	store_be16(ip + IPV4_TOTAL_LENGTH, IPV4_SIZE + UDP_SIZE + NTP_HEADER_SIZE);
	store_be16(ip + IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
	ip[IPV4_TTL] = TIME_TO_LIVE;
	ip[IPV4_PROTOCOL] = PROTOCOL_UDP;
	memcpy(ip + IPV4_DESTINATION, route->server.bytes, 4);
	return checksum_add(0, ip, IPV4_SIZE);
}

static void write_ipv6(const struct request_route *route, uint8_t *ip)
{
	ip[0] = 0x60;
	store_be16(ip + IPV6_PAYLOAD_LENGTH, UDP_SIZE + NTP_HEADER_SIZE);
	ip[IPV6_NEXT_HEADER] = PROTOCOL_UDP;
	ip[IPV6_HOP_LIMIT] = TIME_TO_LIVE;
	memcpy(ip + IPV6_DESTINATION, route->server.bytes, 16);
}

void request_template_init(struct request_template *request, const struct request_route *route)
{
	bool is_ipv4 = route->server.family == ADDRESS_IPV4;
	size_t addresses = is_ipv4 ? IPV4_ADDRESSES_SIZE : IPV6_ADDRESSES_SIZE;
	uint16_t udp_length = UDP_SIZE + NTP_HEADER_SIZE;

	*request = (struct request_template){ 0 };
	request->ip_offset = write_ethernet(
			route, is_ipv4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6, request->bytes);
	uint8_t *ip = request->bytes + request->ip_offset;

	if (is_ipv4)
		request->ip_sum = write_ipv4(route, ip);
	else
		write_ipv6(route, ip);
	request->udp_offset = (uint16_t)(request->ip_offset + (is_ipv4 ? IPV4_SIZE : IPV6_SIZE));
	request->length = (uint16_t)(request->udp_offset + udp_length);
	uint8_t *udp = request->bytes + request->udp_offset;
	uint8_t *ntp = udp + UDP_SIZE;

	store_be16(udp + UDP_DESTINATION_PORT, route->server_port);
	store_be16(udp + UDP_LENGTH, udp_length);
	ntp[NTP_LEAP_VERSION_MODE] = ntp_flags(NTP_LEAP_NONE, route->version, NTP_MODE_CLIENT);
	ntp[NTP_POLL] = POLL;
	request->udp_sum = checksum_pseudo(udp - addresses, addresses, PROTOCOL_UDP, udp_length);
	request->udp_sum = checksum_add(request->udp_sum, udp, udp_length);
}

void request_write(const struct request_template *request_template, const struct request *request,
		uint8_t *frame)
{
	const struct address *client = request->client;
	uint8_t *ip = frame + request_template->ip_offset;
	uint8_t *udp = frame + request_template->udp_offset, *ntp = udp + UDP_SIZE;
	size_t size = address_size(client->family);
	uint64_t sum = checksum_add(request_template->udp_sum, client->bytes, size);
	uint16_t checksum;

	memcpy(frame, request_template->bytes, request_template->length);
	if (client->family == ADDRESS_IPV4) {
		checksum = (uint16_t)~checksum_fold(
				checksum_add(request_template->ip_sum, client->bytes, size));
		memcpy(ip + IPV4_CHECKSUM, &checksum, sizeof(checksum));
		memcpy(ip + IPV4_SOURCE, client->bytes, 4);
	} else {
		memcpy(ip + IPV6_SOURCE, client->bytes, 16);
	}
	store_be16(udp + UDP_SOURCE_PORT, request->port);
	store_be64(ntp + NTP_ORIGIN, request->origin);
	store_be64(ntp + NTP_RECEIVE, request->receive);
	store_be64(ntp + NTP_TRANSMIT, request->transmit);
	sum = checksum_add(sum, udp, 2);
	sum = checksum_add(sum, ntp + NTP_ORIGIN, 3 * sizeof(ntp64_t));
	checksum = (uint16_t)~checksum_fold(sum);
	if (checksum == 0)
		checksum = 0xffff; // RFC 768: 0 stands for none
	memcpy(udp + UDP_CHECKSUM, &checksum, sizeof(checksum));
}
