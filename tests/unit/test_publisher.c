// SPDX-License-Identifier: BSD-3-Clause
// The publisher's thread on the real counter and a software clock: what it publishes is that clock,
// and it stops believing itself when nobody speaks to it any more.
#include "control/publisher.h"
#include "drivers/drivers.h"
#include "timing/time_page.h"
#include "unit.h"

#include <unistd.h>

struct fixture {
	_Alignas(64) struct latch page;
	struct local_clock clock;
	const struct counter *counter;
	struct publisher *publisher;
};

static const struct reference claim = {
	.stratum = 7,
	.refid = REFID_LOCAL,
	.root_delay_ns = NS_PER_S,
	.root_dispersion_ns = 1000,
	.root_dispersion_rate_ppb = 1'000'000, // 1 ms a second, to be seen
};

static void say(struct fixture *fixture)
{
	struct reference reference = claim;

	reference.as_of = fixture->clock.driver->now(&fixture->clock);
	reference.time = reference.as_of;
	publisher_say(fixture->publisher, &reference);
}

static int set_up(void **state)
{
	struct fixture *fixture = aligned_alloc(64, sizeof(*fixture));

	*fixture = (struct fixture){
		.clock.driver = &local_clock_null,
		.counter = counter_choose(),
	};
	local_clock_null.open(&fixture->clock);
	struct publisher_options options = {
		.counter = fixture->counter,
		.clock = &fixture->clock,
		.page = &fixture->page,
	};

	*state = fixture;
	return publisher_open(&fixture->publisher, &options);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	publisher_close(fixture->publisher);
	local_clock_null.close(&fixture->clock);
	free(fixture);
	return 0;
}

// Within a second, or the test fails.
static struct time_page wait_for_page(struct fixture *fixture)
{
	struct time_page page;

	for (int i = 0; i < 1000; i++) {
		if (time_page_read(&fixture->page, &page))
			return page;
		usleep(1000);
	}
	fail_msg("nothing published");
	return page;
}

static bool is_expired(struct fixture *fixture)
{
	struct time_page page = wait_for_page(fixture);

	return time_page_expired(&page, fixture->counter->read());
}

static void nothing_is_published_before_control_spoke(void **state)
{
	struct fixture *fixture = *state;
	struct time_page page;

	usleep(20'000);
	assert_false(time_page_read(&fixture->page, &page));
	say(fixture);
	page = wait_for_page(fixture);
	assert_int_equal(page.head[1], claim.stratum);
}

static void page_is_the_clocks_time_also_after_a_step(void **state)
{
	struct fixture *fixture = *state;
	struct time_page page;
	uint64_t epoch;

	say(fixture);
	page = wait_for_page(fixture);
	epoch = page.epoch;
	fixture->clock.driver->step(&fixture->clock, INT64_C(-7'000'000'000));
	for (int i = 0; i < 1000 && page.epoch == epoch; i++) {
		usleep(1000);
		page = wait_for_page(fixture);
	}
	assert_int_equal(page.epoch, epoch + 1);

	uint64_t before = fixture->counter->read();
	utc_t now = fixture->clock.driver->now(&fixture->clock);
	uint64_t after = fixture->counter->read();

	// Bounds, as the machine may take us off the CPU between any two lines.
	page = wait_for_page(fixture);
	assert_true(utc_diff_ns(now, time_map_utc(&page.map, before)) > -5'000);
	assert_true(utc_diff_ns(time_map_utc(&page.map, after), now) > -5'000);
}

static void page_expires_when_control_is_silent_and_recovers(void **state)
{
	struct fixture *fixture = *state;

	say(fixture);
	wait_for_page(fixture);
	usleep((useconds_t)(PAGE_LIFETIME_NS / 1000) + 100'000);
	// The publisher goes on with the map, but not with the claim.
	assert_true(is_expired(fixture));
	say(fixture);
	for (int i = 0; i < 500 && is_expired(fixture); i++)
		usleep(1000);
	assert_false(is_expired(fixture));
}

static void dispersion_grows_while_control_is_silent(void **state)
{
	struct fixture *fixture = *state;
	int64_t first_ns, later_ns;
	struct time_page page;

	say(fixture);
	page = wait_for_page(fixture);
	first_ns = page.dispersion_ns;
	assert_true(first_ns >= claim.root_dispersion_ns);
	usleep(300'000);
	page = wait_for_page(fixture);
	later_ns = page.dispersion_ns - page.map_error_ns;
	assert_true(later_ns >= claim.root_dispersion_ns + 250'000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
				nothing_is_published_before_control_spoke, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
				page_is_the_clocks_time_also_after_a_step, set_up, tear_down),
		cmocka_unit_test_setup_teardown(page_expires_when_control_is_silent_and_recovers,
				set_up, tear_down),
		cmocka_unit_test_setup_teardown(
				dispersion_grows_while_control_is_silent, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
