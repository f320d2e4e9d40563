// SPDX-License-Identifier: BSD-3-Clause
// Multicast listener discovery (RFC 3810, version 1 RFC 2710): what makes switches pass on the groups
// in which we are solicited. The bytes only; frame/neighbor.h decides when.
#pragma once

#include "frame/frame.h"

#include <stdint.h>

// VLAN tags as they stand in a frame, between its addresses and the type of its packet.
struct mld_tags {
	uint8_t size;
	uint8_t bytes[8];
};

// Version 1 has one report for each group, and a query becomes but one frame. These are the others.
struct mld_owed {
	uint16_t groups; // bit i: of host->addresses[i]
	struct mld_tags tags;
};

// Whether the packet behind an IPv6 header with `length` bytes is a listener query with the
// hop-by-hop header of one: router alert for MLD, and padding.
bool mld_is_query(const uint8_t *packet, unsigned length);
// Tells whether a frame of kind MLD_QUERY asks rightly and of a group of ours, all but its
// checksum. Returns VERDICT_PENDING or the verdict that ends it.
enum verdict mld_judge_query(const struct host *host, const struct frame *frame);
// How many reports answer the query.
unsigned mld_count_reports(const struct host *host, const struct frame *frame);
// Makes of a query judged right the report that answers it, in place. Others that it takes are then
// what is owed, instead of those of an earlier query.
void mld_answer(const struct host *host, struct frame *frame, struct mld_owed *owed);
// Writes the report that we listen to our groups from now on. Returns its length, 0 without groups.
uint16_t mld_write_report(const struct host *host, uint8_t *report);
// Writes one of the reports that are owed. Returns its length, 0 if there are none.
uint16_t mld_write_owed(const struct host *host, struct mld_owed *owed, uint8_t *report);
