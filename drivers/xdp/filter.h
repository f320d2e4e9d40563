// SPDX-License-Identifier: BSD-3-Clause
// Our XDP program from the daemon's side: DPDK loads and attaches it, here it is handed out as a
// file, told what is ours, and taken off again whatever became of the one who attached it.
#pragma once

#include "base/address.h"

#include <stddef.h>
#include <stdint.h>

#define XDP_FILTER_PATH_SIZE  32
#define XDP_PROGRAM_NAME_SIZE 16

struct xdp_filter {
	unsigned interface; // index
	int own_addresses;  // map
};

// Makes the program a file in memory that has `path` while the descriptor that is returned is
// open. Returns -ENOSYS when it was not built in, or -errno.
int xdp_filter_file(char path[XDP_FILTER_PATH_SIZE]);
// Claims the interface, in this network namespace, while the descriptor that is returned is open.
// Returns -EADDRINUSE while somebody else does, or -errno.
int xdp_filter_claim(const char *interface);
// Tells the name of the program on the interface, or "". Returns 1 when it is ours, 0 or -errno.
int xdp_filter_attached(const char *interface, char name[XDP_PROGRAM_NAME_SIZE]);
// Takes a program of ours off the interface, if it has one: what a killed process or a failed start
// has left. Returns 0 or -errno.
int xdp_filter_remove(const char *interface);
// Finds the program that DPDK has attached to the interface, and tells it the port. It redirects
// nothing before it knows an address. Returns 0 or -errno.
int xdp_filter_open(struct xdp_filter *filter, const char *interface, uint16_t ntp_port);
void xdp_filter_close(struct xdp_filter *filter); // the program stays attached
// From the return on, requests to the address are redirected, or no longer. Return 0 or -errno.
int xdp_filter_add(const struct xdp_filter *filter, const struct address *address);
int xdp_filter_drop(const struct xdp_filter *filter, const struct address *address);
