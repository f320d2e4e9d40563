// SPDX-License-Identifier: BSD-3-Clause
// Frames with VLAN tags: taken like untagged ones, answered behind the same tags, and only in the
// VLAN that is served. P4 (F24) of the test catalogue.
#include "frame/neighbor.h"
#include "unit.h"
#include "wire.h"

#include <string.h>

#define ROOM 1600

// Short for the table of stacks.
#define OK   VERDICT_PENDING
#define NO   VERDICT_VLAN_FOREIGN
#define MANY VERDICT_TAGGED

static const unsigned types[] = { 0x8100, 0x88a8, 0x9100 };

// Any tag of any type with VID 0 to 4094, whatever its priority.
static void tag_at_random(struct wire *wire, unsigned count, uint64_t *random)
{
	for (unsigned i = 0; i < count; i++) {
		unsigned vlan = (unsigned)random_below(random, 4095);

		if (random_below(random, 4) == 0)
			vlan = 0;
		wire_tag(wire, types[random_below(random, 3)],
				vlan | (unsigned)random_below(random, 16) << 12);
	}
}

static enum verdict make_answer(const struct host *host, struct frame *frame)
{
	struct neighbor neighbor = { 0 };

	assert_int_equal(frame_classify(host, frame), VERDICT_PENDING);
	if (frame->kind != FRAME_NTP)
		return neighbor_answer(&neighbor, host, frame, 0);
	frame_turn(host, frame, frame->payload_length);
	frame_seal(frame);
	return VERDICT_ANSWERED;
}

static enum verdict answer_wire(const struct host *host, struct wire *wire, uint16_t room)
{
	struct frame frame = wire_receive(wire, room);
	enum verdict verdict = make_answer(host, &frame);

	assert_true(frame.length <= room);
	memcpy(wire->bytes, frame.start, frame.length);
	wire->length = frame.length;
	free(frame.start);
	return verdict;
}

static void tags_are_stepped_over(void **)
{
	struct host host = wire_host();
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20'000; round++) {
		unsigned count = (unsigned)random_below(&random, 3);
		struct wire wire;

		wire_example((enum wire_example)random_below(&random, WIRE_EXAMPLES), &wire);
		struct frame plain = wire_receive(&wire, wire.length);

		tag_at_random(&wire, count, &random);
		struct frame tagged = wire_receive(&wire, wire.length);

		assert_int_equal(frame_classify(&host, &plain), VERDICT_PENDING);
		assert_int_equal(frame_classify(&host, &tagged), VERDICT_PENDING);
		assert_int_equal(tagged.kind, plain.kind);
		assert_int_equal(tagged.ip_offset, plain.ip_offset + 4 * count);
		assert_int_equal(tagged.payload_offset, plain.payload_offset + 4 * count);
		assert_int_equal(tagged.payload_length, plain.payload_length);
		assert_int_equal(tagged.source_port, plain.source_port);
		assert_memory_equal(&tagged.source, &plain.source, sizeof(plain.source));
		free(plain.start);
		free(tagged.start);
	}
}

static void an_answer_has_the_tags_of_its_question(void **)
{
	struct host host = wire_host();
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20'000; round++) {
		unsigned count = (unsigned)random_below(&random, 3);
		struct wire plain, tagged;

		wire_example((enum wire_example)random_below(&random, WIRE_EXAMPLES), &plain);
		tagged = plain;
		tag_at_random(&tagged, count, &random);
		struct wire copy = tagged;
		uint64_t tags = wire_untag(&copy, count);

		assert_int_equal(answer_wire(&host, &tagged, ROOM),
				answer_wire(&host, &plain, ROOM));
		assert_true(wire_untag(&tagged, count) == tags);
		// Padding comes to 60 bytes with the tags.
		assert_true(tagged.length <= plain.length);
		if (plain.length > 60)
			assert_int_equal(tagged.length, plain.length);
		else
			assert_int_equal(tagged.length + 4 * count, 60);
		assert_memory_equal(tagged.bytes, plain.bytes, tagged.length);
	}
}

static void short_answers_are_padded_within_their_room(void **)
{
	struct host host = wire_host();

	for (unsigned count = 0; count <= 2; count++) {
		for (uint16_t room = (uint16_t)(42 + 4 * count); room < 64; room++) {
			struct wire wire;

			wire_arp(&wire, 1, "192.0.2.1", "192.0.2.10");
			wire.length = 42;
			for (unsigned i = 0; i < count; i++)
				wire_tag(&wire, 0x8100, 7);
			assert_int_equal(answer_wire(&host, &wire, room), VERDICT_ARP_ANSWERED);
			assert_int_equal(wire.length, room < 60 ? 42 + 4 * count : 60);
			for (unsigned at = 42 + 4 * count; at < wire.length; at++)
				assert_int_equal(wire.bytes[at], 0);
		}
	}
}

static void an_advertisement_needs_its_room_behind_the_tags(void **)
{
	struct host host = wire_host();

	for (unsigned count = 0; count <= 2; count++) {
		for (uint16_t room = (uint16_t)(78 + 4 * count); room < 100; room++) {
			struct wire wire;

			wire_solicitation(&wire, "2001:db8::1", "2001:db8::10", NULL, 0);
			for (unsigned i = 0; i < count; i++)
				wire_tag(&wire, 0x88a8, 7);
			assert_int_equal(wire_answer(&host, &wire, room),
					room < 86 + 4 * count ? VERDICT_ICMP_MALFORMED
							      : VERDICT_ND_ANSWERED);
		}
	}
}

struct stack {
	unsigned count, controls[3]; // outermost first
};

static void tag_with(struct wire *wire, const struct stack *stack)
{
	for (unsigned i = stack->count; i > 0; i--)
		wire_tag(wire, types[(i + stack->count) % 3], stack->controls[i - 1]);
}

static void only_the_vlan_that_is_served_is_heard(void **)
{
	static const struct {
		struct stack stack;
		enum verdict any, none, five, last; // without `vlan`, with vlan 0, 5, 4094
	} rows[] = {
		{ { 0, {} }, OK, OK, NO, NO },
		{ { 1, { 0 } }, OK, OK, NO, NO },
		{ { 1, { 0xf000 } }, OK, OK, NO, NO },
		{ { 1, { 5 } }, OK, NO, OK, NO },
		{ { 1, { 0xf005 } }, OK, NO, OK, NO },
		{ { 1, { 4 } }, OK, NO, NO, NO },
		{ { 1, { 0x105 } }, OK, NO, NO, NO },
		{ { 1, { 0xffe } }, OK, NO, NO, OK },
		{ { 1, { 0xfff } }, NO, NO, NO, NO },
		{ { 1, { 0xffff } }, NO, NO, NO, NO },
		{ { 2, { 5, 7 } }, OK, NO, OK, NO },
		{ { 2, { 7, 5 } }, OK, NO, NO, NO },
		{ { 2, { 5, 0 } }, OK, NO, OK, NO },
		// A priority tag names no VLAN, so that the next one does.
		{ { 2, { 0, 5 } }, OK, NO, OK, NO },
		{ { 2, { 0xe000, 0x6000 } }, OK, OK, NO, NO },
		{ { 2, { 5, 0xfff } }, NO, NO, NO, NO },
		{ { 2, { 0, 0xfff } }, NO, NO, NO, NO },
		{ { 3, { 5, 7, 9 } }, MANY, NO, MANY, NO },
		{ { 3, { 0, 0, 0 } }, MANY, MANY, NO, NO },
		{ { 3, { 0, 0, 5 } }, MANY, MANY, NO, NO },
	};
	static const int vlans[] = { HOST_ANY_VLAN, 0, 5, 4094 };
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum verdict verdicts[] = { rows[i].any, rows[i].none, rows[i].five, rows[i].last };

		for (enum wire_example base = WIRE_NTP4; base < WIRE_EXAMPLES; base++) {
			struct wire wire;

			wire_example(base, &wire);
			tag_with(&wire, &rows[i].stack);
			for (unsigned v = 0; v < 4; v++) {
				host.vlan = vlans[v];
				enum verdict verdict = wire_classify(&host, &wire);

				if (verdict != verdicts[v])
					fail_msg("row %zu, vlan %d: %s", i, vlans[v],
							verdict_name(verdict));
			}
		}
	}
}

static void what_is_wrong_inside_does_not_hide_the_vlan(void **)
{
	static const struct {
		unsigned type;
		enum verdict served, foreign;
	} rows[] = {
		{ 0x88cc, VERDICT_FOREIGN_ETHERTYPE, VERDICT_VLAN_FOREIGN },
		{ 0x0026, VERDICT_FOREIGN_ETHERTYPE, VERDICT_VLAN_FOREIGN },
		{ 0x86dd, VERDICT_IP_MALFORMED, VERDICT_VLAN_FOREIGN },
	};
	struct host host = wire_host();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wire wire;

		wire_example(WIRE_NTP4, &wire);
		wire_put16(wire.bytes + 12, rows[i].type);
		wire_tag(&wire, 0x8100, 6);
		host.vlan = 6;
		assert_int_equal(wire_classify(&host, &wire), rows[i].served);
		host.vlan = 5;
		assert_int_equal(wire_classify(&host, &wire), rows[i].foreign);
		wire.bytes[5] ^= 2;
		assert_int_equal(wire_classify(&host, &wire), VERDICT_FOREIGN_MAC);
	}
}

// P6
static void every_truncation_is_dropped(void **)
{
	struct host host = wire_host();

	for (unsigned count = 1; count <= 2; count++) {
		for (enum wire_example base = WIRE_NTP4; base < WIRE_EXAMPLES; base++) {
			struct wire wire;

			wire_example(base, &wire);
			uint16_t whole = base == WIRE_ARP ? WIRE_IP + 28 : wire.length;

			for (unsigned i = 0; i < count; i++)
				wire_tag(&wire, 0x8100, 9);
			whole = (uint16_t)(whole + 4 * count);
			for (wire.length = 0; wire.length < whole; wire.length++) {
				enum verdict verdict = wire_classify(&host, &wire);

				assert_int_not_equal(verdict, VERDICT_PENDING);
				if (wire.length < 14 + 4 * count)
					assert_int_equal(verdict, VERDICT_RUNT);
			}
			assert_int_equal(wire_classify(&host, &wire), VERDICT_PENDING);
		}
	}
}

static uint16_t announce(const struct host *host, unsigned index, uint8_t *bytes)
{
	return index < host->address_count ? neighbor_announce(host, index, bytes)
					   : neighbor_report(host, bytes);
}

static void what_we_send_of_our_own_accord_has_the_tag_of_the_vlan(void **)
{
	static const struct {
		int vlan;
		uint64_t tag;
	} rows[] = {
		{ HOST_ANY_VLAN, 0 },
		{ 0, 0 },
		{ 1, 0x8100'0001 },
		{ 4094, 0x8100'0ffe },
	};
	struct host host = wire_host();

	for (unsigned index = 0; index <= host.address_count; index++) {
		struct wire plain;

		host.vlan = HOST_ANY_VLAN;
		plain.length = announce(&host, index, plain.bytes);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			struct wire wire;

			host.vlan = rows[i].vlan;
			memset(wire.bytes, 0xee, sizeof(wire.bytes));
			wire.length = announce(&host, index, wire.bytes);
			assert_true(wire.length >= 60);
			assert_true(wire.length <= (index < host.address_count ? ANNOUNCEMENT_SIZE
									       : REPORT_SIZE));
			if (rows[i].tag != 0)
				assert_true(wire_untag(&wire, 1) == rows[i].tag);
			assert_int_equal(wire.length,
					plain.length == 60 && rows[i].tag != 0 ? 56 : plain.length);
			assert_memory_equal(wire.bytes, plain.bytes, wire.length);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_stepped_over),
		cmocka_unit_test(an_answer_has_the_tags_of_its_question),
		cmocka_unit_test(short_answers_are_padded_within_their_room),
		cmocka_unit_test(an_advertisement_needs_its_room_behind_the_tags),
		cmocka_unit_test(only_the_vlan_that_is_served_is_heard),
		cmocka_unit_test(what_is_wrong_inside_does_not_hide_the_vlan),
		cmocka_unit_test(every_truncation_is_dropped),
		cmocka_unit_test(what_we_send_of_our_own_accord_has_the_tag_of_the_vlan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
