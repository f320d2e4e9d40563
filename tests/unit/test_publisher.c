// SPDX-License-Identifier: BSD-3-Clause
// The publisher's thread on the real counter and a software clock: what it publishes is that clock,
// and it stops believing itself when nobody speaks to it any more.
#include "control/publisher.h"
#include "drivers/drivers.h"
#include "timing/time_page.h"
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
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

static void say_with_growth(struct fixture *fixture, int64_t root_dispersion_rate_ppb)
{
	struct reference reference = claim;

	reference.root_dispersion_rate_ppb = root_dispersion_rate_ppb;
	reference.as_of = fixture->clock.driver->now(&fixture->clock);
	reference.time = reference.as_of;
	publisher_say(fixture->publisher, &reference);
}

static void say(struct fixture *fixture)
{
	say_with_growth(fixture, claim.root_dispersion_rate_ppb);
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

// The page against the clock, by a reading of the clock between two of the counter.
static void assert_page_is_right(struct fixture *fixture, const struct time_page *page)
{
	uint64_t before = fixture->counter->read();
	utc_t now = fixture->clock.driver->now(&fixture->clock);
	uint64_t after = fixture->counter->read();
	// And what its slope may be off since, and what the map itself rounds.
	int64_t error_ns = page->map_error_ns + time_page_dispersion_ns(page, after)
			- page->dispersion_ns + 1;

	assert_true(utc_diff_ns(time_map_utc(&page->map, before), now) <= error_ns);
	assert_true(utc_diff_ns(now, time_map_utc(&page->map, after)) <= error_ns);
}

static void a_change_of_frequency_is_published_in_the_same_breath(void **state)
{
	static const double frequencies[] = { 1e-3, 80e-3, -80e-3, -1e-3, 0 };
	struct fixture *fixture = *state;
	struct time_page page, later;

	say_with_growth(fixture, 0);
	page = wait_for_page(fixture);
	for (int i = 0; i < 200; i++) {
		struct publisher_change change = { .frequency = frequencies[i % 5] };

		say_with_growth(fixture, 0);
		assert_int_equal(publisher_change(fixture->publisher, &change), 0);
		assert_true(time_page_read(&fixture->page, &later));
		assert_true(change.frequency == frequencies[i % 5]);
		assert_int_equal(change.step_ns, 0);
		assert_page_is_right(fixture, &later);
		assert_int_equal(later.epoch, page.epoch);
		assert_int_equal(later.head[1], claim.stratum);
		usleep(500);
		assert_true(time_page_read(&fixture->page, &later));
		assert_page_is_right(fixture, &later);
	}
}

// While another thread changes the clock the page is never off by more than it says, which grows by the
// difference of the slopes while it is not yet known that the change is done.
struct watcher {
	struct fixture *fixture;
	pthread_t thread;
	atomic_bool stop;
	unsigned looks, wrong;
};

static void *watch(void *argument)
{
	struct watcher *watcher = argument;
	struct fixture *fixture = watcher->fixture;

	while (!atomic_load(&watcher->stop)) {
		struct time_page page, same;
		uint64_t before, after;
		utc_t now;

		time_page_read(&fixture->page, &page);
		before = fixture->counter->read();
		now = fixture->clock.driver->now(&fixture->clock);
		after = fixture->counter->read();
		time_page_read(&fixture->page, &same);
		// Otherwise it may have changed hands just now.
		if (memcmp(&page, &same, sizeof(page)) || page.head[1] == 0)
			continue;
		watcher->looks++;
		int64_t error_ns = time_page_dispersion_ns(&page, after) - claim.root_dispersion_ns;

		watcher->wrong += utc_diff_ns(time_map_utc(&page.map, before), now) > error_ns
				|| utc_diff_ns(now, time_map_utc(&page.map, after)) > error_ns;
	}
	return NULL;
}

static void no_page_is_wrong_by_more_than_it_says(void **state)
{
	static const double frequencies[] = { 80e-3, -80e-3 };
	struct fixture *fixture = *state;
	struct watcher watcher = { .fixture = fixture };

	say_with_growth(fixture, 0);
	wait_for_page(fixture);
	assert_int_equal(pthread_create(&watcher.thread, NULL, watch, &watcher), 0);
	for (int i = 0; i < 2000; i++) {
		struct publisher_change change = { .frequency = frequencies[i % 2] };

		if (i % 100 == 0)
			say_with_growth(fixture, 0);
		assert_int_equal(publisher_change(fixture->publisher, &change), 0);
		usleep(100);
	}
	atomic_store(&watcher.stop, true);
	pthread_join(watcher.thread, NULL);
	print_message("%u looks\n", watcher.looks);
	assert_true(watcher.looks > 1000);
	assert_int_equal(watcher.wrong, 0);
}

static void a_step_is_published_at_once_and_disowns_what_was_said(void **state)
{
	static const int64_t steps[] = { INT64_C(-7'000'000'000), 1'000, NS_PER_S / 2 };
	struct fixture *fixture = *state;
	struct time_page page, before;

	for (int i = 0; i < 3; i++) {
		struct publisher_change change = { .step_ns = steps[i], .frequency = 1e-5 };
		utc_t now;

		say(fixture);
		before = wait_for_page(fixture);
		for (int j = 0; j < 1000 && before.head[1] == 0; j++) {
			usleep(1000);
			before = wait_for_page(fixture);
		}
		assert_int_equal(before.head[1], claim.stratum);
		now = fixture->clock.driver->now(&fixture->clock);
		assert_int_equal(publisher_change(fixture->publisher, &change), 0);
		assert_true(time_page_read(&fixture->page, &page));
		assert_int_equal(page.epoch, before.epoch + 1);
		assert_page_is_right(fixture, &page);
		assert_true(change.step_ns == steps[i] && change.frequency == 1e-5);
		assert_true(utc_diff_ns(change.before, now) >= 0);
		assert_true(utc_diff_ns(change.before, now) < NS_PER_S / 4);
		// Leap indicator 3 until control has thought about it.
		assert_int_equal(page.head[0] >> 6, 3);
		assert_int_equal(page.head[1], 0);
		usleep(20'000);
		page = wait_for_page(fixture);
		assert_int_equal(page.head[1], 0);
		assert_int_equal(page.epoch, before.epoch + 1);
	}
}

static void a_change_before_anything_was_said_is_done_all_the_same(void **state)
{
	struct fixture *fixture = *state;
	struct publisher_change change = { .frequency = 2e-3 };
	struct time_page page;

	assert_int_equal(publisher_change(fixture->publisher, &change), 0);
	assert_false(time_page_read(&fixture->page, &page));
	say_with_growth(fixture, 0);
	page = wait_for_page(fixture);
	assert_page_is_right(fixture, &page);
	assert_int_equal(page.epoch, 1);
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
		cmocka_unit_test_setup_teardown(
				a_change_of_frequency_is_published_in_the_same_breath, set_up,
				tear_down),
		cmocka_unit_test_setup_teardown(
				no_page_is_wrong_by_more_than_it_says, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
				a_step_is_published_at_once_and_disowns_what_was_said, set_up,
				tear_down),
		cmocka_unit_test_setup_teardown(
				a_change_before_anything_was_said_is_done_all_the_same, set_up,
				tear_down),
		cmocka_unit_test_setup_teardown(page_expires_when_control_is_silent_and_recovers,
				set_up, tear_down),
		cmocka_unit_test_setup_teardown(
				dispersion_grows_while_control_is_silent, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
