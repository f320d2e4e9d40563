// SPDX-License-Identifier: BSD-3-Clause
// control/dumps: what one run of the discipline leaves to the next, by way of files.
#include "control/dumps.h"
#include "unit.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START  ((utc_t){ INT64_C(1795392000) * NS_PER_S })
#define SERVER "192.0.2.7"

// What the clock shows, for want of one that runs.
static utc_t shown(const struct local_clock *clock)
{
	return *(const utc_t *)clock->private;
}

static utc_t shown_at(const struct local_clock *clock, utc_t)
{
	return shown(clock);
}

static const struct local_clock_driver kernels = { .name = "test", .now = shown };
static const struct local_clock_driver software = {
	.name = "test",
	.now = shown,
	.from_real = shown_at,
};

struct world {
	char folder[64], file[128];
	utc_t now;
	struct local_clock clock;
	struct discipline *discipline;
	struct dumps dumps;
	struct member_world members;
	struct member member;
};

// A run begins: at a frequency that the clock was left with.
static void begin(struct world *world, double frequency, bool recall)
{
	const struct discipline_options options = { .precision_s = 1e-8 };
	const struct source_options source = { .association = { .minpoll = 4, .maxpoll = 4 } };
	const struct dumps_options dumps = { .folder = world->folder, .recall = recall };

	world->clock.private = &world->now;
	world->discipline = discipline_open(&options, world->now, frequency, 1);
	assert_non_null(world->discipline);
	world->members.clock = &world->clock;
	world->members.discipline = world->discipline;
	world->member = (struct member){ .world = &world->members, .text = SERVER };
	world->member.source = discipline_add(world->discipline, &source);
	assert_int_equal(world->member.source, 0);
	dumps_open(&world->dumps, &dumps, &world->clock, world->discipline);
	dumps_recall(&world->dumps, &world->member);
}

static void end(struct world *world)
{
	dumps_write(&world->dumps, &world->member, world->now);
	discipline_close(world->discipline);
}

static void set_up(struct world *world, const struct local_clock_driver *driver)
{
	*world = (struct world){ .now = START, .clock.driver = driver };
	strcpy(world->folder, "/tmp/timeball-dumps-XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	strcat(world->folder, "/dump"); // made when there is something to put into it
	snprintf(world->file, sizeof(world->file), "%s/" SERVER ".samples", world->folder);
}

static void tear_down(struct world *world)
{
	unlink(world->file);
	rmdir(world->folder);
	*strrchr(world->folder, '/') = '\0';
	assert_int_equal(rmdir(world->folder), 0);
}

// Samples at a second's distance, the last one now; UTC is `ahead_ns` of free time and gains 10 ppm.
static void measure(struct world *world, unsigned count, int64_t ahead_ns)
{
	const struct timeline *timeline = discipline_timeline(world->discipline);

	for (unsigned i = 0; i < count; i++) {
		world->now = utc_add(world->now, NS_PER_S);
		int64_t free_ns = timeline_free_ns(timeline, world->now);
		struct sample sample = {
			.free_ns = free_ns,
			.offset_ns = START.ns + ahead_ns + free_ns / 100000,
			.delay_ns = 100000 + i,
			.stratum = 2,
		};

		discipline_recall(world->discipline, 0, &sample, 1);
	}
}

static unsigned samples_of(const struct world *world, struct sample samples[64])
{
	return discipline_samples(world->discipline, 0, samples, 64);
}

// Of the estimate, now; samples began `ahead_ns` ahead of free time that is now `more_ns` less.
static int64_t error_ns(const struct world *world, int64_t ahead_ns, int64_t more_ns)
{
	struct source_report report;

	discipline_describe(world->discipline, 0, world->now, &report);
	return report.estimate.offset_ns - START.ns - ahead_ns - more_ns - more_ns / 100000;
}

static void last_samples_live_on(void **)
{
	struct world world;
	struct sample samples[64], before[64];

	set_up(&world, &kernels);
	begin(&world, 0, true);
	assert_int_equal(access(world.folder, F_OK), -1);
	measure(&world, 50, 5000);
	assert_int_equal(samples_of(&world, before), 32);
	assert_int_equal(discipline_samples(world.discipline, 0, samples, 5), 5);
	assert_memory_equal(samples, before + 27, 5 * sizeof(samples[0]));
	end(&world);
	assert_int_equal(access(world.file, F_OK), 0);

	world.now = utc_add(world.now, 7 * NS_PER_S);
	begin(&world, 0, true);
	assert_int_equal(samples_of(&world, samples), 32);
	for (unsigned i = 0; i < 32; i++) {
		// 57 s lie between the two starts; nobody has touched the clock.
		assert_int_equal(samples[i].free_ns, before[i].free_ns - 57 * NS_PER_S);
		assert_int_equal(samples[i].offset_ns, before[i].offset_ns + 57 * NS_PER_S);
		assert_int_equal(samples[i].delay_ns, before[i].delay_ns);
	}
	struct source_report report;

	discipline_describe(world.discipline, 0, world.now, &report);
	assert_int_equal(report.samples, 32);
	assert_in_range(llabs(error_ns(&world, 5000, 57 * NS_PER_S)), 0, 2000);
	assert_int_equal(report.state, SOURCE_UNREACHABLE);
	// Read once.
	assert_int_equal(access(world.file, F_OK), -1);
	end(&world);
	tear_down(&world);
}

// By our own doing the clock shows 3 ms more and goes 20 ppm faster than by itself.
static void corrections_live_on_in_the_kernels_clock_alone(void **)
{
	for (unsigned is_software = 0; is_software < 2; is_software++) {
		struct sample samples[64], before[64];
		struct world world;

		set_up(&world, is_software ? &software : &kernels);
		begin(&world, 20e-6, true);
		measure(&world, 10, 0);
		discipline_did(world.discipline, world.now, 3'000'000, 20e-6);
		world.now = utc_add(world.now, 3'000'000);
		measure(&world, 10, 0);
		assert_int_equal(samples_of(&world, before), 20);
		int64_t free_ns =
				timeline_free_ns(discipline_timeline(world.discipline), world.now);
		int64_t left_ns[] = { before[19].offset_ns - (world.now.ns - free_ns),
			before[19].offset_ns - START.ns };

		end(&world);
		// It began as the kernel's, which goes by free time, and does so again.
		if (is_software)
			world.now = utc_add(START, free_ns);
		begin(&world, is_software ? 0 : 20e-6, true);
		assert_int_equal(samples_of(&world, samples), 20);
		assert_int_equal(samples[19].free_ns, 0);
		// True time is as far ahead of the clock as it was: of the kernel's, or of the untouched one.
		int64_t ahead_ns = samples[19].offset_ns - world.now.ns;

		assert_in_range(llabs(ahead_ns - left_ns[is_software]), 0, 10);
		end(&world);
		tear_down(&world);
	}
}

static void without_r_files_are_only_removed(void **)
{
	struct sample samples[64];
	struct world world;

	set_up(&world, &kernels);
	begin(&world, 0, false);
	measure(&world, 3, 0);
	end(&world);
	assert_int_equal(access(world.file, F_OK), 0);
	begin(&world, 0, false);
	assert_int_equal(samples_of(&world, samples), 0);
	assert_int_equal(access(world.file, F_OK), -1);
	end(&world);
	// Nothing measured, nothing written.
	assert_int_equal(access(world.file, F_OK), -1);
	tear_down(&world);
}

static void what_is_not_true_any_more_is_not_taken(void **)
{
	struct sample samples[64];

	for (unsigned which = 0; which < 4; which++) {
		struct world world;

		set_up(&world, &kernels);
		begin(&world, 0, true);
		measure(&world, 3, 0);
		if (which == 0)
			memset(world.dumps.boot, 'x', 36); // of another boot
		end(&world);
		if (which == 1)
			world.now = utc_add(world.now, -1);
		if (which == 2)
			assert_int_equal(truncate(world.file, 200), 0);
		// Somebody else has steered it in the last case.
		begin(&world, which == 3 ? 1e-6 : 0, true);
		assert_int_equal(samples_of(&world, samples), 0);
		assert_int_equal(access(world.file, F_OK), -1);
		end(&world);
		tear_down(&world);
	}
}

static void no_folder_no_file(void **)
{
	struct sample samples[64];
	struct world world;

	set_up(&world, &kernels);
	begin(&world, 0, true);
	world.dumps.options.folder = NULL;
	measure(&world, 3, 0);
	end(&world);
	assert_int_equal(access(world.file, F_OK), -1);
	// Nor where none can be made.
	begin(&world, 0, true);
	world.dumps.options.folder = "/proc/nowhere";
	measure(&world, 3, 0);
	assert_int_equal(samples_of(&world, samples), 3);
	end(&world);
	assert_true(world.dumps.failed);
	rmdir(world.folder);
	*strrchr(world.folder, '/') = '\0';
	assert_int_equal(rmdir(world.folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_samples_live_on),
		cmocka_unit_test(corrections_live_on_in_the_kernels_clock_alone),
		cmocka_unit_test(without_r_files_are_only_removed),
		cmocka_unit_test(what_is_not_true_any_more_is_not_taken),
		cmocka_unit_test(no_folder_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
