// SPDX-License-Identifier: BSD-3-Clause
// What became of a request, and of a frame that ends none. Every request sent ends in exactly one
// of the first part: sent = good + failures + lost. One row gives the enum, the counter's name and
// its help.
#pragma once

#include <stdbool.h>

// How a request ends. GOOD is first, LOST is second, then the failures in the order of the checks.
#define OUTCOME_ENDS(X)                                                                            \
	X(GOOD, "good", "Replies that passed every check")                                         \
	X(LOST, "lost", "Requests without a reply")                                                \
	X(MALFORMED, "malformed", "Replies whose IP or UDP lengths are wrong")                     \
	X(IP_CHECKSUM, "ip_checksum", "Replies with a wrong IPv4 header checksum")                 \
	X(UDP_CHECKSUM, "udp_checksum", "Replies with a wrong or, on IPv6, absent UDP checksum")   \
	X(VLAN, "vlan", "Replies in another VLAN than the request's")                              \
	X(SOURCE_ADDRESS, "source_address", "Replies from another address than the server's")      \
	X(SOURCE_PORT, "source_port", "Replies from another port than was asked")                  \
	X(SIZE, "size", "Replies shorter or longer than the request")                              \
	X(MODE, "mode", "Replies whose mode is not server")                                        \
	X(VERSION, "version", "Replies of another NTP version than the request's")                 \
	X(ORIGIN, "origin", "Replies whose origin timestamp is not what was sent")                 \
	X(KISS, "kiss", "Kiss-o'-death replies (stratum 0)")                                       \
	X(UNSYNCHRONISED, "unsynchronised", "Replies that give no time (leap indicator 3)")        \
	X(LATE, "late", "Replies after the timeout")                                               \
	X(NO_STAMP, "no_stamp", "Replies whose receive or transmit timestamp is zero")             \
	X(RECEIVE_REPEATED, "receive_repeated",                                                    \
			"Replies with the receive timestamp of the same client's previous reply")  \
	X(DISORDER, "disorder", "Replies whose receive and transmit timestamps are out of order")  \
	X(RESIDENCE, "residence",                                                                  \
			"Replies longer in the server, by its stamps, than the exchange took")     \
	X(RECEIVE_OUTSIDE, "receive_outside",                                                      \
			"Receive timestamps outside the request's own flight (--same-clock)")      \
	X(TRANSMIT_OUTSIDE, "transmit_outside",                                                    \
			"Transmit timestamps outside the reply's own flight (--same-clock)")

// What is received besides. The first two are failures too.
#define OUTCOME_OTHERS(X)                                                                          \
	X(DUPLICATE, "duplicate", "Replies to requests that had one already")                      \
	X(UNASKED, "unasked", "Replies to nothing that was asked")                                 \
	X(EXPIRED, "expired", "Replies to requests that count as lost by then")                    \
	X(UNREACHABLE, "unreachable", "ICMP messages that say that nobody listens")                \
	X(NEIGHBOR, "neighbor", "ARP, neighbour discovery and echo requests answered")             \
	X(FOREIGN, "foreign", "Frames that are no replies")

enum outcome {
#define OUTCOME_ENUM(name, text, help) OUTCOME_##name,
	OUTCOME_ENDS(OUTCOME_ENUM)
	OUTCOME_OTHERS(OUTCOME_ENUM)
#undef OUTCOME_ENUM
			OUTCOME_COUNT,
};

static inline bool outcome_ends_request(enum outcome outcome)
{
	return outcome < OUTCOME_DUPLICATE;
}

// Whether the server, or what lies before it, has done something wrong. A loss is not that.
static inline bool outcome_is_failure(enum outcome outcome)
{
	return outcome > OUTCOME_LOST && outcome < OUTCOME_EXPIRED;
}

// The counter's name, as printed; `help` likewise. Both are static.
const char *outcome_name(enum outcome outcome);
const char *outcome_help(enum outcome outcome);
