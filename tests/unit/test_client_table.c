// SPDX-License-Identifier: BSD-3-Clause
// server/client_table: who is remembered, who is forgotten first, and that nobody without the seed
// can choose who meets. Interleaved mode has a file of its own, test_interleave.c.
#include "clients.h"

static const struct rate_limit_options default_limit = { 3, 8, 2, 0, 32, 128 };

static bool is_known(const struct world *world, struct address address)
{
	struct client client;

	client_table_expect(world->table, &address, 0, &client);
	return client_line_find(client.line, client.who) != NULL;
}

static size_t line_of(const struct world *world, struct address address)
{
	struct client client;

	client_table_expect(world->table, &address, 0, &client);
	return (size_t)(client.line - world->table->lines[0]) / CLIENTS_PER_LINE;
}

static unsigned count_answers(struct world *world, struct address from, unsigned requests)
{
	unsigned answers = 0;

	for (unsigned i = 0; i < requests; i++)
		answers += ask(world, from, 0).decision == RATE_ANSWER;
	return answers;
}

static void any_size_is_used_but_for_a_part_of_a_line(void **)
{
	size_t head = sizeof(struct client_table);

	assert_int_equal(sizeof(struct client_record), 16);
	assert_int_equal(head % 64, 0);
	for (size_t bytes = 0; bytes < head + 64; bytes++)
		assert_int_equal(client_table_size(bytes), 0);
	for (size_t bytes = head + 64; bytes < 20'000; bytes++) {
		size_t size = client_table_size(bytes);

		assert_true(size <= bytes && bytes - size < 64 && size % 64 == 0);
	}
	assert_int_equal(client_table_size(UINT64_C(3) << 30), UINT64_C(3) << 30);
}

// Not only a power of two: the first and the last line are used like the others.
static void all_lines_are_used_evenly(void **)
{
	uint64_t random = test_seed();
	unsigned counts[37] = { 0 };
	struct world world;

	world_open(&world, &default_limit, 37, random_next(&random));
	for (unsigned i = 0; i < 37 * 1000; i++)
		counts[line_of(&world, ipv4((uint32_t)random_next(&random)))]++;
	for (unsigned i = 0; i < 37; i++)
		assert_in_range(counts[i], 800, 1200); // 6 standard deviations
	world_close(&world);
}

// R1, F19
static void each_address_has_its_own_bucket(void **)
{
	const struct address addresses[] = { ipv4(0xc0000201), ipv4(0xc0000202), ipv4(0),
		ipv6(0, 0xc0000201), ipv6(0xc0000201, 0), ipv6(0, 0), ipv6(1, 2), ipv6(2, 1) };
	struct world world;

	world_open(&world, &default_limit, 1000, 1);
	for (unsigned round = 0; round < 3; round++) {
		world.limit.leak_mask = UINT32_MAX;
		for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++)
			assert_int_equal(count_answers(&world, addresses[i], 100), round ? 5 : 8);
		world_wait(&world, 5 * 8);
	}
	world_close(&world);
}

// A hot client's bucket survives a step of the clock, and nobody else's is emptied by one.
static void a_step_of_the_clock_is_no_time(void **)
{
	const int64_t steps[] = { -40, 40, -100'000, 100'000, -2'000'000'000, 2'000'000'000, 0 };
	struct address hot = ipv4(0xc0000201), rare = ipv4(0xc0000202);
	struct world world;

	world_open(&world, &default_limit, 1000, 1);
	world.limit.leak_mask = UINT32_MAX;
	assert_int_equal(count_answers(&world, hot, 100), 8);
	assert_int_equal(count_answers(&world, rare, 1), 1);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		world.now += (uint64_t)steps[i] << 32;
		world.epoch++;
		assert_int_equal(count_answers(&world, hot, 100), 0);
		world_wait(&world, 8.1);
		assert_int_equal(count_answers(&world, hot, 100), 1);
		assert_int_equal(count_answers(&world, rare, 1), 1);
	}
	world_close(&world);
}

// Readings of the clock that go back a little do not make full buckets of empty ones.
static void time_that_falters_is_not_long_ago(void **)
{
	struct address hot = ipv4(0xc0000201);
	struct world world;

	world_open(&world, &default_limit, 1000, 1);
	world_wait(&world, 100.001);
	assert_int_equal(count_answers(&world, hot, 8), 8);
	world.limit.leak_mask = 0;
	assert_int_equal(count_answers(&world, hot, 1), 1);
	world.limit.leak_mask = UINT32_MAX;
	world_wait(&world, -0.1);
	assert_int_equal(count_answers(&world, hot, 100), 0);
	world_close(&world);
}

static void a_limit_by_prefix_counts_neighbours_together(void **)
{
	const struct rate_limit_options by_prefix = { 3, 8, 2, 0, 28, 64 };
	struct world world;

	world_open(&world, &by_prefix, 1000, 1);
	world.limit.leak_mask = UINT32_MAX;
	assert_int_equal(count_answers(&world, ipv4(0xc0000201), 5), 5);
	assert_int_equal(count_answers(&world, ipv4(0xc000020f), 5), 3);
	assert_int_equal(count_answers(&world, ipv4(0xc0000210), 9), 8);
	assert_int_equal(count_answers(&world, ipv6(7, 1), 5), 5);
	assert_int_equal(count_answers(&world, ipv6(7, UINT64_MAX), 5), 3);
	assert_int_equal(count_answers(&world, ipv6(8, 1), 9), 8);
	world_close(&world);

	for (uint8_t bits = 0; bits <= 128; bits++) {
		struct rate_limit_options options = { 3, 1, 2, 0, bits < 32 ? bits : 32, bits };
		struct address changed = ipv6(5, 5);

		world_open(&world, &options, 1000, 1);
		world.limit.leak_mask = UINT32_MAX;
		assert_int_equal(count_answers(&world, changed, 1), 1);
		if (bits > 0)
			changed.bytes[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
		assert_int_equal(count_answers(&world, changed, 1), bits > 0);
		if (bits < 128)
			changed.bytes[bits / 8] ^= (uint8_t)(0x80 >> bits % 8);
		assert_int_equal(count_answers(&world, changed, 1), 0);
		world_close(&world);
	}
}

// F11: the times in the table are of another unit, and none is taken for a bucket half empty.
static void a_new_limit_starts_everybody_afresh_or_goes_on(void **)
{
	struct world world;

	for (int8_t from = -19; from <= 12; from++) {
		for (int8_t to = -19; to <= 12; to++) {
			struct rate_limit_options options = { from, 200, 2, 0, 32, 128 };

			world_open(&world, &options, 50, 1);
			world_wait(&world, 1e6);
			for (uint32_t i = 0; i < 20; i++)
				count_answers(&world, ipv4(i), i * 10);

			uint8_t unit_bits = world.limit.unit_bits;

			options = (struct rate_limit_options){ to, 3, 2, 0, 32, 128 };
			rate_limit_init(&world.limit, &options);
			world.limit.leak_mask = UINT32_MAX;
			for (uint32_t i = 0; i < 20 && unit_bits != world.limit.unit_bits; i++)
				assert_in_range(count_answers(&world, ipv4(i), 4), 3, 4);
			world_close(&world);
		}
	}
	// The same interval: what was used stays used.
	world_open(&world, &default_limit, 50, 1);
	assert_int_equal(count_answers(&world, ipv4(1), 8), 8);
	world.limit.leak_mask = UINT32_MAX;
	assert_int_equal(count_answers(&world, ipv4(1), 8), 0);
	world_close(&world);
}

// B2.15, R3
static void kisses_are_capped(void **)
{
	const struct rate_limit_options options = { 3, 1, 4, 1, 32, 128 };
	struct world world;

	world_open(&world, &options, 1000, test_seed());
	for (unsigned second = 0; second < 3; second++) {
		unsigned kisses = 0;

		for (unsigned i = 0; i < 20'000; i++)
			kisses += ask(&world, ipv4(1), 0).decision == RATE_KISS;
		assert_int_equal(kisses, 1000);
		world_wait(&world, 1);
	}
	world_close(&world);
}

// One line of the table, by other means.
struct line_model {
	uint32_t address[CLIENTS_PER_LINE];
	uint64_t due[CLIENTS_PER_LINE]; // 0: free
};

static unsigned model_slot(struct line_model *line, uint32_t address)
{
	for (unsigned i = 0; i < CLIENTS_PER_LINE; i++)
		if (line->due[i] != 0 && line->address[i] == address)
			return i;
	return CLIENTS_PER_LINE;
}

static unsigned model_oldest(const struct line_model *line)
{
	unsigned oldest = 0;

	for (unsigned i = 1; i < CLIENTS_PER_LINE; i++)
		if (line->due[i] < line->due[oldest])
			oldest = i;
	return oldest;
}

// R5: the oldest is forgotten first, and each one forgotten is counted.
static void the_oldest_is_forgotten_and_counted(void **)
{
	uint64_t random = test_seed();
	uint64_t model_replaced = 0, model_forgotten = 0;
	struct line_model lines[16] = { 0 };
	struct world world;

	world_open(&world, &default_limit, 16, random_next(&random));
	world.limit.leak_mask = UINT32_MAX;
	for (unsigned i = 0; i < 100'000; i++) {
		uint32_t address = (uint32_t)random_below(&random, 90);
		struct line_model *line = &lines[line_of(&world, ipv4(address))];
		unsigned slot = model_slot(line, address);

		world_wait(&world, (double)random_below(&random, 100) / 128);

		enum rate_decision decision = ask(&world, ipv4(address), 0).decision;
		uint64_t now = world.table->clock >> world.limit.unit_bits;

		if (slot == CLIENTS_PER_LINE) {
			slot = model_oldest(line);
			model_replaced += line->due[slot] != 0;
			model_forgotten += line->due[slot] > now;
			line->address[slot] = address;
			line->due[slot] = now;
		}
		if (line->due[slot] < now)
			line->due[slot] = now;
		if (line->due[slot] - now <= 7 * world.limit.period) {
			line->due[slot] += world.limit.period;
			assert_int_equal(decision, RATE_ANSWER);
		} else {
			assert_int_equal(decision, RATE_DROP);
		}
		assert_int_equal(replaced(&world), model_replaced);
		assert_int_equal(forgotten(&world), model_forgotten);
	}
	printf("forgotten: %" PRIu64 " of %" PRIu64 "\n", model_forgotten, model_replaced);
	assert_true(model_forgotten > 100 && model_forgotten < model_replaced);
	world_close(&world);
}

// 16 Mi clients in 1 GiB, made smaller; tests/bench has the real size.
static void nearly_all_clients_are_known_at_64_bytes_each(void **)
{
	uint64_t random = test_seed(), seed = random;
	unsigned count = 1 << 16, known = 0;
	struct world world;

	world_open(&world, &default_limit, count - sizeof(struct client_table) / 64, random);
	for (unsigned i = 0; i < count; i++)
		ask(&world, ipv4((uint32_t)random_next(&random)), 0);
	for (unsigned i = 0; i < count; i++)
		known += is_known(&world, ipv4((uint32_t)random_next(&seed)));
	printf("known: %.2f %%\n", 100.0 * known / count);
	assert_true(known >= count / 100 * 95);
	world_close(&world);
}

static unsigned most_in_a_line(
		const struct world *world, const struct address *addresses, unsigned count)
{
	unsigned counts[256] = { 0 }, most = 0;

	for (unsigned i = 0; i < count; i++)
		counts[line_of(world, addresses[i])]++;
	for (unsigned i = 0; i < 256; i++)
		most = counts[i] > most ? counts[i] : most;
	return most;
}

#define FLOOD 2048

// R6, F20: who knows one seed and chooses addresses that meet in one line gains nothing elsewhere.
static void a_flood_made_for_one_seed_spreads_under_another(void **)
{
	static struct address flood[FLOOD];
	uint64_t random = test_seed();

	for (unsigned family = 0; family < 3; family++) {
		unsigned count = 0;
		struct world world;

		world_open(&world, NULL, 256, random_next(&random));
		for (uint32_t i = 0; count < FLOOD; i++) {
			struct address address = family == 0 ? ipv4(i)
					: family == 1        ? ipv6(i, 0x20010db8)
							     : ipv6(0x20010db8, i);

			if (line_of(&world, address) == 99)
				flood[count++] = address;
		}
		assert_int_equal(most_in_a_line(&world, flood, FLOOD), FLOOD);
		world_close(&world);
		for (unsigned i = 0; i < 50; i++) {
			world_open(&world, NULL, 256, random_next(&random));
			// 8 expected in each; 40 or more by chance once in 10^13.
			assert_true(most_in_a_line(&world, flood, FLOOD) < 40);
			world_close(&world);
		}
	}
}

// Neighbouring networks, as hosts really are, and steps of powers of two spread like random ones.
static void regular_addresses_spread(void **)
{
	static struct address regular[FLOOD];
	uint64_t random = test_seed();
	struct world world;

	for (unsigned shift = 0; shift <= 21; shift++) {
		for (unsigned kind = 0; kind < 3; kind++) {
			for (uint32_t i = 0; i < FLOOD; i++)
				regular[i] = kind == 0 ? ipv4(i << shift)
						: kind == 1
						? ipv6(UINT64_C(1) * i << shift << 21, 1)
						: ipv6(1, UINT64_C(1) * i << shift << 21);
			world_open(&world, NULL, 256, random_next(&random));
			assert_true(most_in_a_line(&world, regular, FLOOD) < 40);
			world_close(&world);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_size_is_used_but_for_a_part_of_a_line),
		cmocka_unit_test(all_lines_are_used_evenly),
		cmocka_unit_test(each_address_has_its_own_bucket),
		cmocka_unit_test(a_step_of_the_clock_is_no_time),
		cmocka_unit_test(time_that_falters_is_not_long_ago),
		cmocka_unit_test(a_limit_by_prefix_counts_neighbours_together),
		cmocka_unit_test(a_new_limit_starts_everybody_afresh_or_goes_on),
		cmocka_unit_test(kisses_are_capped),
		cmocka_unit_test(the_oldest_is_forgotten_and_counted),
		cmocka_unit_test(nearly_all_clients_are_known_at_64_bytes_each),
		cmocka_unit_test(a_flood_made_for_one_seed_spreads_under_another),
		cmocka_unit_test(regular_addresses_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
