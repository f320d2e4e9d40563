// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only
// A load generator that never leaves the kernel: at the client's end of a veth pair each answer
// becomes the next request, of another client, and goes straight back. All of it, and the server,
// then runs on one core, where nothing but the server is worth measuring.
#include "tests/bench/bounce.h"

// The second needs the types of the first.
// clang-format off
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
// clang-format on

#define NTP_MODE_SERVER 4
#define LEAP_UNKNOWN    3
#define STRATUM_LAST    15

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct bounce_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BOUNCE_SLOTS);
	__type(key, uint32_t);
	__type(value, struct bounce_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, struct bounce_counts);
} counts SEC(".maps");

static inline uint64_t load64(const uint16_t *words)
{
	return words[0] | (uint64_t)words[1] << 16 | (uint64_t)words[2] << 32
			| (uint64_t)words[3] << 48;
}

static inline void store64(uint16_t *words, uint64_t value)
{
	for (unsigned i = 0; i < 4; i++)
		words[i] = (uint16_t)(value >> 16 * i);
}

// Sebastiano Vigna's splitmix64: cheaper than the kernel's generator, and no two are alike.
static inline uint64_t next_random(struct bounce_settings *state)
{
	uint64_t bits = state->seed += 0x9e3779b97f4a7c15;

	bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
	bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
	return bits ^ bits >> 31;
}

static inline void swap_macs(struct bounce_frame *frame)
{
	for (unsigned i = 0; i < 3; i++) {
		uint16_t word = frame->destination_mac[i];

		frame->destination_mac[i] = frame->source_mac[i];
		frame->source_mac[i] = word;
	}
}

static inline void make_request(
		struct bounce_frame *frame, struct bounce_settings *state, struct bounce_slot *slot)
{
	uint16_t port = frame->destination_port;
	uint32_t client;
	int64_t sum;

	slot->cookie = next_random(state);
	client = state->network | (uint32_t)(slot->cookie >> 32 & state->mask);
	slot->client[0] = BOUNCE_BE16(client >> 16);
	slot->client[1] = BOUNCE_BE16((uint16_t)client);
	swap_macs(frame);
	frame->destination[0] = frame->source[0];
	frame->destination[1] = frame->source[1];
	frame->source[0] = slot->client[0];
	frame->source[1] = slot->client[1];
	bounce_fill(frame);
	frame->source_port = port;
	store64(frame->transmitted, slot->cookie);

	sum = bpf_csum_diff(NULL, 0, (uint32_t *)&frame->version_service, 20, 0);
	frame->ip_checksum = bounce_fold((uint64_t)sum);
	sum = bpf_csum_diff(NULL, 0, (uint32_t *)frame->source, BOUNCE_CHECKSUM_BYTES,
			BOUNCE_BE16(BOUNCE_PROTOCOL_UDP) + BOUNCE_BE16(BOUNCE_UDP_SIZE));
	frame->udp_checksum = bounce_fold((uint64_t)sum);
	if (frame->udp_checksum == 0)
		frame->udp_checksum = 0xffff;
}

static inline int answers_slot(const struct bounce_frame *frame, const struct bounce_slot *slot)
{
	return (frame->flags & 7) == NTP_MODE_SERVER && load64(frame->origin) == slot->cookie
			&& frame->destination[0] == slot->client[0]
			&& frame->destination[1] == slot->client[1];
}

static inline void count_round_trip(struct bounce_counts *count, uint64_t round_trip_ns)
{
	uint64_t bucket = round_trip_ns / BOUNCE_BUCKET_NS;

	if (bucket >= BOUNCE_BUCKETS)
		bucket = BOUNCE_BUCKETS - 1;
	count->histogram[bucket]++;
	count->round_trip_ns += round_trip_ns;
	count->answers++;
}

SEC("xdp")
int bounce(struct xdp_md *context)
{
	struct bounce_frame *frame = (void *)(uintptr_t)context->data;
	const uint8_t *end = (const uint8_t *)(uintptr_t)context->data_end;
	uint32_t first = 0, slot_number;
	struct bounce_settings *state = bpf_map_lookup_elem(&settings, &first);
	struct bounce_counts *count = bpf_map_lookup_elem(&counts, &first);
	struct bounce_slot *slot;
	uint64_t now_ns;

	if ((const uint8_t *)(frame + 1) > end || !state || !count
			|| frame->source_port != BOUNCE_BE16(123)
			|| frame->ethernet_type != BOUNCE_BE16(0x0800))
		return XDP_PASS;
	slot_number = (uint32_t)BOUNCE_BE16(frame->destination_port) - BOUNCE_FIRST_PORT;
	slot = bpf_map_lookup_elem(&slots, &slot_number);
	if (!slot || !answers_slot(frame, slot)) {
		count->bad++;
		return XDP_DROP;
	}
	// Answers all the same. A server that got no time for its own clock may say so for a moment.
	if (frame->flags >> 6 == LEAP_UNKNOWN || frame->stratum == 0
			|| frame->stratum > STRATUM_LAST)
		count->unsynchronised++;
	now_ns = bpf_ktime_get_ns();
	count_round_trip(count, now_ns - slot->sent_ns);
	slot->sent_ns = now_ns;
	make_request(frame, state, slot);
	return XDP_TX;
}

// For the server's end, where frames that were sent by XDP are not received without one.
SEC("xdp")
int bounce_pass(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
