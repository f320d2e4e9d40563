// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// The program on a shared interface: NTP requests to its own addresses go to timeball's socket,
// everything else, and everything when there is no socket, to the kernel as if it were not there.
#include "drivers/xdp/ntp_filter.h"

// The second needs the types of the first.
// clang-format off
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
// clang-format on

// DPDK puts a socket for each queue here, and knows the map by this name.
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 256);
	__type(key, uint32_t);
	__type(value, uint32_t);
} xsks_map SEC(".maps");

// These two are found by name in filter.c.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct ntp_filter_address);
	__type(value, uint8_t);
} own_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint16_t);
} ntp_port SEC(".maps");

// Its name tells filter.c whose program it is.
SEC("xdp")
int timeball_ntp(struct xdp_md *frame)
{
	const uint8_t *start = (const uint8_t *)(uintptr_t)frame->data;
	const uint8_t *end = (const uint8_t *)(uintptr_t)frame->data_end;
	struct ntp_filter_address destination;
	uint32_t first = 0;
	const uint16_t *port = bpf_map_lookup_elem(&ntp_port, &first);

	if (!port || !ntp_filter_finds_request(start, end, *port, &destination)
			|| !bpf_map_lookup_elem(&own_addresses, &destination))
		return XDP_PASS;
	return (int)bpf_redirect_map(&xsks_map, frame->rx_queue_index, XDP_PASS);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
