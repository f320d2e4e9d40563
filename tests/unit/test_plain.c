// SPDX-License-Identifier: BSD-3-Clause
// frame/plain: the short way finds and writes what the long one does. What it takes, classifying
// takes, with the same payload and source; what it turns, turning and sealing make the same bytes
// of. And what is plain goes the short way.
#include "base/bytes.h"
#include "frame/plain.h"
#include "unit.h"
#include "wire.h"

#define ROUNDS   1'000'000
#define PAYLOAD  48
#define SKEW_MAX 8 // of a frame's place in memory

struct scene {
	struct host host;
	uint64_t random;
	struct wire wire;
	uint8_t *memory; // of the copy that is looked at
	unsigned taken, refused, turned, all_ones;
};

static unsigned below(struct scene *scene, unsigned limit)
{
	return (unsigned)random_below(&scene->random, limit);
}

static void fill(struct scene *scene, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)random_next(&scene->random);
}

static struct subnet random_subnet(struct scene *scene, bool ipv4)
{
	struct subnet subnet = { 0 };

	subnet.address.family = ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
	fill(scene, subnet.address.bytes, ipv4 ? 4 : 16);
	subnet.address.bytes[0] = ipv4 ? (uint8_t)(1 + below(scene, 126)) : 0x20;
	subnet.prefix_bits = (uint8_t)(ipv4 ? 1 + below(scene, 32) : 64);
	return subnet;
}

// Of 1 to 16 addresses of both families, neighbours among them.
static void make_host(struct scene *scene)
{
	static const int vlans[] = { HOST_ANY_VLAN, HOST_ANY_VLAN, 0, 0, 7 };
	struct host *host = &scene->host;

	*host = (struct host){
		.address_count = 1 + below(scene, HOST_ADDRESSES),
		.ntp_port = (uint16_t)(below(scene, 4) ? 123 : 1 + below(scene, 65535)),
		.dscp = (uint8_t)below(scene, 64),
		.vlan = vlans[below(scene, 5)],
		.takes_unfinished_checksums = below(scene, 2),
	};
	fill(scene, host->mac, MAC_SIZE);
	host->mac[0] &= 0xfe;
	for (unsigned i = 0; i < host->address_count; i++) {
		host->addresses[i] = random_subnet(scene, below(scene, 2));
		if (i > 0 && below(scene, 4) == 0) {
			host->addresses[i] = host->addresses[i - 1];
			host->addresses[i].address.bytes[3] ^= 1;
		}
	}
	host_prepare(host);
}

// Mostly anybody's; else one that nobody may answer to, or of ours.
static void make_source(struct scene *scene, const struct subnet *own, uint8_t *source)
{
	static const uint8_t ipv4[] = { 0, 127, 224, 239, 240, 255, 126, 128, 223, 1 };
	static const uint8_t disguised[16] = { [10] = 0xff, [11] = 0xff };
	bool is_ipv4 = own->address.family == ADDRESS_IPV4;
	const struct subnet *any = &scene->host.addresses[below(scene, scene->host.address_count)];

	fill(scene, source, is_ipv4 ? 4 : 16);
	if (below(scene, 8) > 0) {
		source[0] = is_ipv4 ? (uint8_t)(1 + below(scene, 126)) : 0x20;
	} else if (is_ipv4) {
		source[0] = ipv4[below(scene, sizeof(ipv4))];
		if (any->address.family == ADDRESS_IPV4 && below(scene, 2))
			store_be32(source,
					host_ipv4_broadcast(load_be32(any->address.bytes),
							any->prefix_bits));
	} else if (below(scene, 2)) {
		memcpy(source, below(scene, 2) ? own->address.bytes : any->address.bytes, 16);
	} else {
		memcpy(source, disguised, below(scene, 2) ? 12 : 15);
		source[15] &= 3;
	}
}

// A good request, of 48 octets mostly, to one of ours.
static void make_request(struct scene *scene)
{
	const struct host *host = &scene->host;
	const struct subnet *own = &host->addresses[below(scene, host->address_count)];
	bool ipv4 = own->address.family == ADDRESS_IPV4;
	unsigned size = below(scene, 16) ? PAYLOAD : below(scene, 80);
	uint8_t *ethernet = scene->wire.bytes, *ip = ethernet + WIRE_IP;
	uint8_t *udp = ip + (ipv4 ? 20 : 40);

	fill(scene, ethernet, WIRE_UDP6 + 8);
	memcpy(ethernet, host->mac, MAC_SIZE);
	ethernet[6] &= 0xfe;
	wire_put16(ethernet + 12, ipv4 ? 0x0800 : 0x86dd);
	if (ipv4) {
		ip[0] = 0x45;
		wire_put16(ip + 2, 28 + size);
		wire_put16(ip + 6, below(scene, 2) << 14);
		ip[9] = 17;
	} else {
		ip[0] = (uint8_t)(0x60 | (ip[0] & 0xf));
		wire_put16(ip + 4, 8 + size);
		ip[6] = 17;
	}
	memcpy(ip + (ipv4 ? 16 : 24), own->address.bytes, ipv4 ? 4 : 16);
	make_source(scene, own, ip + (ipv4 ? 12 : 8));
	wire_put16(udp + 2, host->ntp_port);
	wire_put16(udp + 4, 8 + size);
	fill(scene, udp + 8, size);
	scene->wire.length = (uint16_t)(udp - ethernet + 8 + size);
	wire_seal(&scene->wire);
}

// Whether the IP header still tells where the checksums are.
static bool can_be_sealed(const struct wire *wire)
{
	const uint8_t *ip = wire->bytes + WIRE_IP;
	bool ipv4 = wire_get16(wire->bytes + 12) == 0x0800;

	if (wire->length < WIRE_UDP6 + 8 || ip[ipv4 ? 9 : 6] != 17)
		return false;
	unsigned udp = WIRE_IP + (ipv4 ? 20 : 40);

	return (ipv4 || wire_get16(wire->bytes + 12) == 0x86dd)
			&& udp + wire_get16(wire->bytes + udp + 4) <= WIRE_SIZE;
}

static void spoil_checksum(struct scene *scene)
{
	struct wire *wire = &scene->wire;

	if (!can_be_sealed(wire))
		return;
	uint8_t *field = wire->bytes + wire_checksum_at(wire->bytes);

	switch (below(scene, 3)) {
	case 0:
		wire_put16(field, 0);
		break;
	case 1:
		wire_put16(field, wire_pseudo_sum(wire->bytes));
		break;
	default:
		field[below(scene, 2)] ^= (uint8_t)(1 + below(scene, 255));
		break;
	}
}

// Something else about a length, with checksums that agree or do not.
static void spoil_length(struct scene *scene)
{
	static const uint8_t at[] = { WIRE_IP + 3, WIRE_IP + 5, WIRE_UDP4 + 5, WIRE_UDP6 + 5 };
	struct wire *wire = &scene->wire;

	switch (below(scene, 3)) {
	case 0:
		wire->length = (uint16_t)below(scene, wire->length + 1U);
		break;
	case 1:
		wire->length = (uint16_t)(wire->length + below(scene, 40));
		break;
	default:
		wire->bytes[at[below(scene, sizeof(at))]] += (uint8_t)(below(scene, 9) - 4);
		break;
	}
}

static void spoil(struct scene *scene)
{
	struct wire *wire = &scene->wire;

	switch (below(scene, 7)) {
	case 0: // a bit of the headers, or of what is behind
		wire->bytes[below(scene, below(scene, 4) ? WIRE_UDP6 + 8U : WIRE_UDP6 + 80U)] ^=
				(uint8_t)(1U << below(scene, 8));
		break;
	case 1:
		wire->bytes[below(scene, WIRE_UDP6 + 8)] = (uint8_t)random_next(&scene->random);
		break;
	case 2:
		if (wire->length >= WIRE_IP)
			wire_tag(wire, below(scene, 2) ? 0x8100 : 0x88a8, below(scene, 2) * 7);
		break;
	case 3:
		spoil_checksum(scene);
		return;
	case 4:
		spoil_length(scene);
		break;
	case 5:
		memcpy(wire->bytes + 6, scene->host.mac, MAC_SIZE);
		break;
	default: // port 0, or another
		wire_put16(wire->bytes + (below(scene, 2) ? WIRE_UDP4 : WIRE_UDP6)
						+ below(scene, 2) * 2,
				below(scene, 2) * 124);
		break;
	}
	if (below(scene, 2) && can_be_sealed(wire))
		wire_seal(wire);
}

static void make_frame(struct scene *scene)
{
	if (below(scene, 200) == 0)
		make_host(scene);
	make_request(scene);
	for (unsigned left = below(scene, 3); left > 0; left--)
		spoil(scene);
}

// A copy that ends where its memory ends, so that a sanitizer sees one byte too many.
static uint8_t *place_frame(struct scene *scene)
{
	size_t skew = 1 + below(scene, SKEW_MAX);

	scene->memory = malloc(skew + scene->wire.length);
	assert_non_null(scene->memory);
	return memcpy(scene->memory + skew, scene->wire.bytes, scene->wire.length);
}

static struct frame frame_at(uint8_t *at, uint16_t length, bool known_good)
{
	return (struct frame){
		.start = at,
		.length = length,
		.room = length,
		.checksum_known_good = known_good,
		.ip_checksum_known_good = known_good,
	};
}

static bool is_request(const struct host *host, struct frame *frame)
{
	return frame_classify(host, frame) == VERDICT_PENDING && frame->kind == FRAME_NTP;
}

// What the long way takes and the short one need not: tags, another length, octets behind UDP's,
// and a checksum that is not finished.
static bool should_be_plain(const struct scene *scene, const struct frame *frame)
{
	const uint8_t *ip = frame->start + WIRE_IP;
	bool ipv4 = frame->source.family == ADDRESS_IPV4;
	unsigned length = wire_get16(ip + (ipv4 ? 2 : 4)) - (ipv4 ? 20 : 0);
	unsigned checksum = wire_get16(frame->start + frame->payload_offset - 2);

	return scene->host.vlan <= 0 && frame->ip_offset == WIRE_IP
			&& frame->payload_length == PAYLOAD && length == PAYLOAD + 8
			&& (checksum == 0 || wire_transport_sum(frame->start) == 0xffff);
}

static void require_same_finding(
		const struct plain *plain, const uint8_t *at, const struct frame *frame)
{
	struct address source;

	memset(&source, 0, sizeof(source));
	plain_source(plain, at, &source);
	assert_memory_equal(&source, &frame->source, sizeof(source));
	assert_int_equal(plain->udp_at + 8, frame->payload_offset);
	assert_int_equal(frame->payload_length, PAYLOAD);
}

static void the_short_way_takes_what_the_long_one_takes(void **)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->random = test_seed();
	make_host(scene);
	for (unsigned round = 0; round < ROUNDS; round++) {
		make_frame(scene);
		uint8_t *at = place_frame(scene);
		uint16_t length = scene->wire.length;
		struct frame frame = frame_at(at, length, false),
			     trusted = frame_at(at, length, true);
		const struct plain *plain = plain_find(&scene->host.plain, at, length);
		bool taken = is_request(&scene->host, &frame);

		if (plain) {
			assert_true(is_request(&scene->host, &trusted));
			require_same_finding(plain, at, &trusted);
		}
		if (plain && plain_is_intact(plain, at)) {
			assert_true(taken);
			require_same_finding(plain, at, &frame);
			scene->taken++;
		} else {
			assert_false(taken && should_be_plain(scene, &frame));
			scene->refused++;
		}
		assert_memory_equal(at, scene->wire.bytes, length);
		free(scene->memory);
	}
	assert_true(scene->taken > ROUNDS / 8 && scene->refused > ROUNDS / 8);
	free(scene);
}

// Writes a reply; now and then one whose sum is about to overflow, or one with which all sums up to
// 0xffff, and its checksum to 0.
static void write_reply(struct scene *scene, struct frame *frame)
{
	uint8_t *payload = frame->start + frame->payload_offset;

	fill(scene, payload, PAYLOAD);
	if (below(scene, 8) == 0)
		memset(payload, 0xff, PAYLOAD);
	if (below(scene, 4) > 0)
		return;
	uint8_t *word = payload + 2 * below(scene, PAYLOAD / 2);
	uint8_t *bytes = malloc(frame->length);
	struct frame sealed = *frame;

	assert_non_null(bytes);
	sealed.start = memcpy(bytes, frame->start, frame->length);
	frame_turn(&scene->host, &sealed, PAYLOAD);
	frame_seal(&sealed);
	unsigned sum = wire_get16(bytes + sealed.payload_offset - 2) + wire_get16(word);

	wire_put16(word, sum % 65536 + sum / 65536);
	free(bytes);
}

// The sum of a turned frame whose payload has changed is as if it had been turned with that.
static void require_same_sum(struct scene *scene, const struct plain *plain, const uint8_t *payload,
		uint64_t turned)
{
	uint64_t sum = plain_udp_sum(plain, payload, checksum_add(0, payload, PAYLOAD));
	uint64_t headers = plain_udp_sum(plain, payload, 0);
	uint64_t overflowing = ~headers + below(scene, 1000);

	assert_int_equal(checksum_fold(sum), checksum_fold(turned));
	assert_int_equal(checksum_fold(plain_udp_sum(plain, payload, overflowing)),
			checksum_fold(checksum_add_word(headers, overflowing)));
}

static void turn_both_ways(struct scene *scene, uint8_t *at, const struct plain *plain)
{
	uint16_t length = scene->wire.length;
	struct frame frame = frame_at(at, length, false);

	assert_true(is_request(&scene->host, &frame));
	write_reply(scene, &frame);
	uint8_t *copy = malloc(length), *payload = at + plain->udp_at + 8;

	assert_non_null(copy);
	frame.start = memcpy(copy, at, length);
	frame_turn(&scene->host, &frame, PAYLOAD);
	frame_seal(&frame);
	uint64_t sum = plain_turn(plain, payload, checksum_add(0, payload, PAYLOAD));

	require_same_sum(scene, plain, payload, sum);
	plain_seal(payload, sum);
	assert_int_equal(frame.length, plain->length);
	assert_memory_equal(at, copy, length); // and what is behind is left alone
	assert_true(wire_checksums_are_right(at));
	assert_true(wire_get16(payload - 2) != 0);
	scene->all_ones += wire_get16(payload - 2) == 0xffff;
	scene->turned++;
	free(copy);
}

static void the_short_way_writes_what_the_long_one_writes(void **)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->random = test_seed();
	make_host(scene);
	for (unsigned round = 0; round < ROUNDS / 4; round++) {
		make_frame(scene);
		uint8_t *at = place_frame(scene);
		const struct plain *plain = plain_find(&scene->host.plain, at, scene->wire.length);

		if (plain && plain_is_intact(plain, at))
			turn_both_ways(scene, at, plain);
		free(scene->memory);
	}
	assert_true(scene->turned > ROUNDS / 32);
	assert_true(scene->all_ones > scene->turned / 8);
	free(scene);
}

static void nothing_is_plain_before_the_host_is_prepared(void **)
{
	struct host host = wire_host();
	struct wire wire;

	for (enum wire_example base = WIRE_NTP4; base <= WIRE_NTP6; base++) {
		wire_example(base, &wire);
		host.plain = (struct plain_set){ 0 };
		assert_null(plain_find(&host.plain, wire.bytes, wire.length));
		host_prepare(&host);
		assert_non_null(plain_find(&host.plain, wire.bytes, wire.length));
	}
}

// Untagged frames are another VLAN's.
static void a_host_of_one_vlan_has_nothing_plain(void **)
{
	static const struct {
		int vlan;
		bool plain;
	} rows[] = { { HOST_ANY_VLAN, true }, { 0, true }, { 1, false }, { 4094, false } };
	struct host host = wire_host();
	struct wire wire;

	wire_example(WIRE_NTP4, &wire);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		host.vlan = rows[i].vlan;
		host_prepare(&host);
		assert_int_equal(plain_find(&host.plain, wire.bytes, wire.length) != NULL,
				rows[i].plain);
	}
}

// RFC 8200 section 8.1: whatever a port says of checksums, this one must be there.
static void a_port_cannot_vouch_for_an_absent_checksum_on_ipv6(void **)
{
	struct host host = wire_host();
	struct wire wire;

	host_prepare(&host);
	wire_example(WIRE_NTP6, &wire);
	assert_non_null(plain_find(&host.plain, wire.bytes, wire.length));
	wire_put16(wire.bytes + wire_checksum_at(wire.bytes), 0);
	assert_null(plain_find(&host.plain, wire.bytes, wire.length));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_short_way_takes_what_the_long_one_takes),
		cmocka_unit_test(the_short_way_writes_what_the_long_one_writes),
		cmocka_unit_test(nothing_is_plain_before_the_host_is_prepared),
		cmocka_unit_test(a_host_of_one_vlan_has_nothing_plain),
		cmocka_unit_test(a_port_cannot_vouch_for_an_absent_checksum_on_ipv6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
