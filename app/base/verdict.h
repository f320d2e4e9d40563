// SPDX-License-Identifier: BSD-3-Clause
// What became of a frame. Every frame received ends in exactly one of these, each is a counter:
// answers + drops = received. One row gives the enum, the counter's name and its help; answers come
// first, TX_FULL is the first drop.
#pragma once

#include <stdbool.h>

#define VERDICTS(X)                                                                                \
	X(PENDING, "pending", "Not decided yet; never counted")                                    \
	X(ANSWERED, "answered", "Requests given the time")                                         \
	X(INTERLEAVED, "interleaved", "Requests given the time in interleaved mode")               \
	X(KISSED, "kissed", "Requests over the rate limit told so by a kiss of death")             \
	X(ARP_ANSWERED, "arp_answered", "ARP requests for our addresses answered")                 \
	X(ND_ANSWERED, "nd_answered", "Neighbour solicitations for our addresses answered")        \
	X(ECHO_ANSWERED, "echo_answered", "Echo requests answered")                                \
	X(MLD_ANSWERED, "mld_answered", "Multicast listener queries answered")                     \
	X(TX_FULL, "tx_full", "Replies that the transmit queue did not take")                      \
	X(RUNT, "runt", "Frames shorter than their headers")                                       \
	X(SEGMENTED, "segmented", "Frames spread over several buffers, longer than any request")   \
	X(FOREIGN_MAC, "foreign_mac", "Frames for another Ethernet address")                       \
	X(BAD_SOURCE_MAC, "bad_source_mac", "Frames from a multicast or our own Ethernet address") \
	X(VLAN_FOREIGN, "vlan_foreign", "Frames of another VLAN than the one that is served")      \
	X(VLAN_STRIPPED, "vlan_stripped", "Frames without the VLAN tags that the port took off")   \
	X(TAGGED, "tagged", "Frames with more than two VLAN tags")                                 \
	X(FOREIGN_ETHERTYPE, "foreign_ethertype", "Frames that are neither IP nor ARP")            \
	X(ARP_IGNORED, "arp_ignored", "ARP that asks for nothing of ours")                         \
	X(ARP_MALFORMED, "arp_malformed", "ARP that is not IPv4 over Ethernet")                    \
	X(IP_MALFORMED, "ip_malformed", "IP headers whose version or lengths are wrong")           \
	X(IP_OPTIONS, "ip_options", "IPv4 packets with options")                                   \
	X(IP_EXTENSION, "ip_extension", "IPv6 packets with extension headers")                     \
	X(IP_FRAGMENT, "ip_fragment", "IP fragments")                                              \
	X(IP_CHECKSUM, "ip_checksum", "IPv4 headers with a wrong checksum")                        \
	X(IP_SOURCE, "ip_source", "Source addresses nobody may answer to")                         \
	X(IP_MULTICAST, "ip_multicast", "Packets to a multicast or broadcast address")             \
	X(IP_FOREIGN, "ip_foreign", "Packets to an address that is not ours")                      \
	X(IP_PROTOCOL, "ip_protocol", "IP packets that are neither UDP nor echo")                  \
	X(ICMP_IGNORED, "icmp_ignored", "ICMP that asks for nothing of ours")                      \
	X(ICMP_MALFORMED, "icmp_malformed", "ICMP with a wrong length, checksum or option")        \
	X(NEIGHBOR_LIMITED, "neighbor_limited", "Neighbours' questions over the answer rate")      \
	X(ECHO_LIMITED, "echo_limited", "Echo requests over the answer rate")                      \
	X(UDP_MALFORMED, "udp_malformed", "UDP headers whose length is wrong")                     \
	X(UDP_CHECKSUM, "udp_checksum", "UDP with a wrong or, on IPv6, absent checksum")           \
	X(UDP_PORT, "udp_port", "UDP to another port, or from port 0")                             \
	X(NTP_SHORT, "ntp_short", "NTP packets shorter than 48 octets")                            \
	X(NTP_RAGGED, "ntp_ragged", "NTP packets whose length is not a multiple of four")          \
	X(NTP_VERSION, "ntp_version", "NTP versions other than 1 to 4")                            \
	X(NTP_MODE, "ntp_mode", "NTP modes that are not requests")                                 \
	X(NTP_DENIED, "ntp_denied", "Requests from addresses that are not allowed")                \
	X(NTP_LIMITED, "ntp_limited", "Requests over the rate limit")                              \
	X(NTP_KEY, "ntp_key", "Requests with a MAC whose key we do not have")                      \
	X(NTP_EXTENSION, "ntp_extension", "Requests with malformed extension fields")

enum verdict {
#define VERDICT_ENUM(name, text, help) VERDICT_##name,
	VERDICTS(VERDICT_ENUM)
#undef VERDICT_ENUM
	VERDICT_COUNT,
};

// Whether the frame has become an answer that is to be sent.
static inline bool verdict_is_answer(enum verdict verdict)
{
	return verdict > VERDICT_PENDING && verdict < VERDICT_TX_FULL;
}

// The counter's name, as printed; `help` likewise. Both are static.
const char *verdict_name(enum verdict verdict);
const char *verdict_help(enum verdict verdict);
