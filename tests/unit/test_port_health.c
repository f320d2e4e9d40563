// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/port_watch.h"
#include "unit.h"

struct look {
	double at_s;
	struct port_statistics statistics;
	bool stalled;
};

static void expect(const struct look *looks, unsigned count)
{
	struct port_health health = { 0 };

	for (unsigned i = 0; i < count; i++)
		assert_int_equal(port_health_stalled(&health, &looks[i].statistics, looks[i].at_s),
				looks[i].stalled);
}

static void losing_all_is_a_stall_whatever_the_loss_is_called(void **)
{
	static const struct port_statistics losses[] = {
		{ .received = 5, .missed = 1 },
		{ .received = 5, .errors = 1 },
		{ .received = 5, .no_buffer = 1 },
	};

	for (unsigned i = 0; i < 3; i++) {
		const struct look looks[] = {
			{ 10.0, { .received = 5 }, false },
			{ 11.0, losses[i], true },
		};

		expect(looks, 2);
	}
}

static void silence_and_overload_are_none(void **)
{
	static const struct look looks[] = {
		{ 10.0, { .received = 5, .missed = 3 }, false },
		{ 11.0, { .received = 5, .missed = 3 }, false },
		{ 12.0, { .received = 6, .missed = 900 }, false },
		{ 13.0, { .received = 6, .missed = 900, .send_errors = 9 }, false },
	};

	expect(looks, 4);
}

static void less_than_a_second_is_not_judged(void **)
{
	static const struct look looks[] = {
		{ 10.0, { .received = 5 }, false },
		{ 10.9, { .received = 5, .missed = 9 }, false },
		{ 11.0, { .received = 6, .missed = 9 }, false },
	};

	expect(looks, 3);
}

static void a_restart_is_given_ten_seconds(void **)
{
	static const struct look looks[] = {
		{ 10.0, { .received = 5, .missed = 0 }, false },
		{ 11.0, { .received = 5, .missed = 1 }, true },
		{ 12.0, { .received = 5, .missed = 2 }, false },
		{ 20.9, { .received = 5, .missed = 3 }, false },
		{ 21.9, { .received = 5, .missed = 4 }, true },
	};

	expect(looks, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losing_all_is_a_stall_whatever_the_loss_is_called),
		cmocka_unit_test(silence_and_overload_are_none),
		cmocka_unit_test(less_than_a_second_is_not_judged),
		cmocka_unit_test(a_restart_is_given_ten_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
