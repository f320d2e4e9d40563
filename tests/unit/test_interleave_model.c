// SPDX-License-Identifier: BSD-3-Clause
// Interleaved mode over server/client_table against an exact map of all stamps, with clients that ask
// for anything at any time: as long as nothing has to be forgotten they agree, and a table that forgets
// is never wrong.
#include "clients.h"

static const struct rate_limit_options generous_limit = { -2, 255, 2, 0, 32, 128 };
static const struct rate_limit_options default_limit = { 3, 8, 2, 0, 32, 128 };

#define ADDRESSES 12
#define ANSWERS   400

struct given {
	struct answer answer;
	unsigned address;
	uint64_t epoch;
	bool asked, used;
};

struct model {
	struct world world;
	struct address addresses[ADDRESSES];
	struct given given[ANSWERS]; // a ring
	unsigned count;
	uint64_t random;
	uint64_t interleaved, missed;
};

static ntp64_t choose_origin(struct model *model, const struct answer *any)
{
	switch (random_below(&model->random, 10)) {
	case 0:
		return 0;
	case 1:
		return random_next(&model->random) | 1;
	case 2:
		return any->transmit & ~UINT64_C(1);
	case 3:
		return any->receive + ((random_below(&model->random, 9) - 4) << 42);
	case 4:
		return any->receive ^ UINT64_C(1) << (1 + random_below(&model->random, 63));
	default:
		return any->receive;
	}
}

static struct given *find_given(struct model *model, unsigned address, ntp64_t origin)
{
	for (unsigned i = 0; i < ANSWERS && origin != 0; i++) {
		struct given *given = &model->given[i];

		if (given->address == address && given->answer.receive == origin && given->asked
				&& given->epoch == model->world.epoch && !given->used)
			return given;
	}
	return NULL;
}

static void step_model(struct model *model, bool forgetful)
{
	const struct given *any = &model->given[random_below(&model->random, ANSWERS)];
	unsigned address = random_below(&model->random, 5)
			? any->address
			: (unsigned)random_below(&model->random, ADDRESSES);
	ntp64_t origin = choose_origin(model, &any->answer);
	struct given *expected = find_given(model, address, origin);
	struct answer answer;

	if (random_below(&model->random, 2000) == 0) {
		model->world.epoch++;
		model->world.now += ((int64_t)random_next(&model->random)) >> 20;
	} else if (random_below(&model->random, 3) == 0) {
		model->world.now += random_next(&model->random)
				>> (18 + random_below(&model->random, 30));
	}
	if (expected && expected->epoch != model->world.epoch)
		expected = NULL;
	model->world.delay = (uint32_t)random_below(&model->random, 1 << 24) | 3;
	answer = ask(&model->world, model->addresses[address], origin);
	if (answer.decision != RATE_ANSWER)
		return;
	if (!(forgetful && answer.departed == 0))
		assert_int_equal(answer.departed, expected ? expected->answer.transmit : 0);
	model->interleaved += answer.departed != 0;
	model->missed += expected && answer.departed == 0;
	if (expected)
		expected->used = true;
	model->given[model->count++ % ANSWERS] = (struct given){ answer, address,
		model->world.epoch, (origin & 1) != 0, false };
}

static void run_model(const struct rate_limit_options *options, size_t lines, bool forgetful)
{
	static struct model model;

	model = (struct model){ .random = test_seed() };
	world_open(&model.world, options, lines, random_next(&model.random));
	for (unsigned i = 0; i < ADDRESSES; i++)
		model.addresses[i] = i % 2 ? ipv4(random_next(&model.random) & 0xff)
					   : ipv6(1, random_next(&model.random) & 0xff);
	// Two that are the same would be one.
	for (unsigned i = 0; i < ADDRESSES; i++)
		model.addresses[i].bytes[2] = (uint8_t)i;
	for (unsigned i = 0; i < 15'000; i++)
		step_model(&model, forgetful);
	assert_true(model.interleaved > 1000);
	assert_int_equal(model.missed > 0, forgetful);
	assert_int_equal(replaced(&model.world) > 0, forgetful);
	world_close(&model.world);
}

static void it_is_an_exact_map_while_nothing_is_forgotten(void **)
{
	const struct rate_limit_options by_prefix = { 0, 20, 2, 0, 20, 56 };
	const struct rate_limit_options long_limit = { 8, 255, 1, 0, 32, 128 };

	run_model(&default_limit, 300'000, false);
	run_model(&generous_limit, 300'000, false);
	run_model(&by_prefix, 300'000, false);
	run_model(&long_limit, 300'000, false);
	run_model(NULL, 300'000, false);
}

// I10
static void a_table_that_forgets_is_never_wrong(void **)
{
	run_model(&default_limit, 50, true);
	run_model(NULL, 100, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_an_exact_map_while_nothing_is_forgotten),
		cmocka_unit_test(a_table_that_forgets_is_never_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
