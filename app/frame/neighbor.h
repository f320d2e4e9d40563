// SPDX-License-Identifier: BSD-3-Clause
// What a host owes its link besides time: ARP (RFC 826, RFC 5227), IPv6 neighbour discovery
// (RFC 4861, RFC 4862), listener reports (RFC 3810), echo (RFC 792, RFC 4443). Stateless but for two
// rate caps and the reports that did not fit into one answer.
#pragma once

#include "frame/frame.h"
#include "frame/mld.h"

#include <stdint.h>

// A token bucket. `now_ns` is any clock that does not go back.
struct rate_cap {
	uint64_t full_ns; // when the bucket will be full again
};

// One per worker and port.
struct neighbor {
	struct rate_cap resolution; // ARP, solicitations and listener queries
	struct rate_cap echo;
	struct mld_owed owed; // reports to be sent with neighbor_report_owed()
};

#define NEIGHBOR_ANSWERS_PER_S 1000
#define ECHO_ANSWERS_PER_S     1000
#define RATE_CAP_BURST         100

// Makes the answer to a frame of any kind but NTP in place, behind the frame's VLAN tags. Returns the
// verdict of an answer (the frame is to be sent) or of a drop.
enum verdict neighbor_answer(struct neighbor *neighbor, const struct host *host,
		struct frame *frame, uint64_t now_ns);

#define ANNOUNCEMENT_SIZE 90
#define REPORT_SIZE       394

// Writes the announcement of host->addresses[index]: a gratuitous ARP request (RFC 5227
// section 3: ARP announcement) or an unsolicited neighbour advertisement with the override flag
// (RFC 4861 section 7.2.6). Returns its length, at most ANNOUNCEMENT_SIZE.
uint16_t neighbor_announce(
		const struct host *host, unsigned index, uint8_t announcement[ANNOUNCEMENT_SIZE]);
// Writes the listener report that belongs before the announcements: switches then let through what
// they are answered with. Returns its length, 0 without IPv6 addresses.
uint16_t neighbor_report(const struct host *host, uint8_t report[REPORT_SIZE]);
// Writes a report that an answer has left to be sent. Returns its length, 0 when there is none.
uint16_t neighbor_report_owed(
		struct neighbor *neighbor, const struct host *host, uint8_t report[REPORT_SIZE]);
