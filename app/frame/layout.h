// SPDX-License-Identifier: BSD-3-Clause
// Where things are in the headers that this folder reads and writes.
#pragma once

#include <stdint.h>

#define ETHERNET_SIZE    14
#define ETHERNET_MINIMUM 60 // without FCS; tags count, for whoever takes them off pads again
#define VLAN_TAG_SIZE    4
#define VLAN_TAGS        2 // that a frame may have
#define IPV4_SIZE        20
#define IPV6_SIZE        40
// Source and destination, side by side in the IP header.
#define IPV4_ADDRESSES_SIZE 8
#define IPV6_ADDRESSES_SIZE 32
#define UDP_SIZE            8
#define ARP_SIZE            28
#define ICMP_SIZE           8      // of an echo
#define SOLICITATION_SIZE   24     // of an advertisement too; options not counted
#define TIME_TO_LIVE        64     // of what we send (RFC 1700's default)
#define IPV4_DONT_FRAGMENT  0x4000 // in the fragment field
#define HOP_BY_HOP_SIZE     8      // the least, and enough for a router alert

// What a solicited-node group begins with (RFC 4291 section 2.7.1).
static const uint8_t solicited_node[13] = { 0xff, 2, [11] = 1, [12] = 0xff };
static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };

enum ethernet_offset {
	ETHERNET_DESTINATION = 0,
	ETHERNET_SOURCE = 6,
	ETHERNET_TYPE = 12,
};

enum ethertype {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_ARP = 0x0806,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_SERVICE_VLAN = 0x88a8,
	ETHERTYPE_OLD_SERVICE_VLAN = 0x9100,
};

enum ipv4_offset {
	IPV4_TOTAL_LENGTH = 2,
	IPV4_FRAGMENT = 6,
	IPV4_TTL = 8,
	IPV4_PROTOCOL = 9,
	IPV4_CHECKSUM = 10,
	IPV4_SOURCE = 12,
	IPV4_DESTINATION = 16,
};

enum ipv6_offset {
	IPV6_PAYLOAD_LENGTH = 4,
	IPV6_NEXT_HEADER = 6,
	IPV6_HOP_LIMIT = 7,
	IPV6_SOURCE = 8,
	IPV6_DESTINATION = 24,
};

enum udp_offset {
	UDP_SOURCE_PORT = 0,
	UDP_DESTINATION_PORT = 2,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
};

enum icmp_offset {
	ICMP_TYPE = 0,
	ICMP_CODE = 1,
	ICMP_CHECKSUM = 2,
	ICMP_FLAGS = 4,  // of an advertisement
	ICMP_TARGET = 8, // of a solicitation or advertisement
};

enum arp_offset {
	ARP_HARDWARE = 0,
	ARP_PROTOCOL = 2,
	ARP_SIZES = 4, // of a hardware address, then of a protocol address
	ARP_OPERATION = 6,
	ARP_SENDER_MAC = 8,
	ARP_SENDER_IP = 14,
	ARP_TARGET_MAC = 18,
	ARP_TARGET_IP = 24,
};

enum ip_protocol {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_UDP = 17,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_ESP = 50,
	PROTOCOL_AH = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_NO_NEXT_HEADER = 59,
	PROTOCOL_DESTINATION_OPTIONS = 60,
	PROTOCOL_MOBILITY = 135,
	PROTOCOL_HIP = 139,
	PROTOCOL_SHIM6 = 140,
};

enum icmp_type {
	ICMP_ECHO_REPLY = 0,
	ICMP_ECHO_REQUEST = 8,
	ICMPV6_ECHO_REQUEST = 128,
	ICMPV6_ECHO_REPLY = 129,
	ICMPV6_MLD_QUERY = 130,
	ICMPV6_MLD_REPORT_V1 = 131,
	ICMPV6_SOLICITATION = 135,
	ICMPV6_ADVERTISEMENT = 136,
	ICMPV6_MLD_REPORT = 143,
};
