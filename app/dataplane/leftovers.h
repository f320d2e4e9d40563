// SPDX-License-Identifier: BSD-3-Clause
// What DPDK's AF_XDP driver leaves behind when it closes a port (22.11, with libxdp 1.3): sockets,
// without whose end the kernel gives their queues to nobody else, and BPF objects.
#pragma once

#include <stdint.h>

#define LEFTOVERS 64

struct leftover {
	int descriptor;
	uint64_t identity; // the kernel's number of the object behind it
};

struct leftovers {
	unsigned count;
	struct leftover list[LEFTOVERS];
};

// Lists the AF_XDP sockets and BPF objects that this process has open, as many as there is room for.
void leftovers_list(struct leftovers *leftovers);
// Takes out of the list what is also in `before`.
void leftovers_remove(struct leftovers *leftovers, const struct leftovers *before);
// Closes, and unmaps, what of the list is still open as what it was, and empties the list. Returns how many
// there were.
unsigned leftovers_close(struct leftovers *leftovers);
