// SPDX-License-Identifier: BSD-3-Clause
// Samples as text and back, and from one process's free time to the next one's.
#include "control/sample_dump.h"
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define BOOT "6f0d2b8a-7c1e-4b58-9b3c-000000000001"

static struct sample make_sample(int64_t free_ns, int64_t offset_ns)
{
	return (struct sample){
		.free_ns = free_ns,
		.offset_ns = offset_ns,
		.delay_ns = 120'000,
		.dispersion_ns = 50,
		.leap = NTP_LEAP_INSERT,
		.stratum = 2,
		.refid = 0xfedcba98,
		.root_delay_ns = 1'000'000,
		.root_dispersion_ns = 2'000'000,
		.reference_time = { INT64_C(1'700'000'000'123'456'789) },
		.sent_by = STAMP_KERNEL,
		.received_by = STAMP_HARDWARE,
	};
}

static struct sample_dump make_dump(unsigned count)
{
	struct sample_dump dump = {
		.boot = BOOT,
		.local = { INT64_C(1'700'000'100'000'000'000) },
		.free_ns = 100 * NS_PER_S,
		.frequency = -1e-5 / 3,
	};

	for (unsigned i = 0; i < count; i++) {
		struct sample sample = make_sample((i + 1) * NS_PER_S / 2, -5'000 - (int64_t)i);

		sample_dump_add(&dump, &sample);
	}
	return dump;
}

static void assert_samples_equal(const struct sample *a, const struct sample *b)
{
	assert_int_equal(a->free_ns, b->free_ns);
	assert_int_equal(a->offset_ns, b->offset_ns);
	assert_int_equal(a->delay_ns, b->delay_ns);
	assert_int_equal(a->dispersion_ns, b->dispersion_ns);
	assert_int_equal(a->leap, b->leap);
	assert_int_equal(a->stratum, b->stratum);
	assert_int_equal(a->refid, b->refid);
	assert_int_equal(a->root_delay_ns, b->root_delay_ns);
	assert_int_equal(a->root_dispersion_ns, b->root_dispersion_ns);
	assert_int_equal(a->reference_time.ns, b->reference_time.ns);
	assert_int_equal(a->sent_by, b->sent_by);
	assert_int_equal(a->received_by, b->received_by);
}

static void what_is_printed_is_read_as_the_same(void **)
{
	static char text[SAMPLE_DUMP_TEXT_SIZE];
	static struct sample_dump dump, read;
	size_t length;

	for (unsigned count = 0; count <= SAMPLE_DUMP_SAMPLES; count++) {
		dump = make_dump(count);
		length = sample_dump_print(&dump, text);
		assert_int_equal(length, strlen(text));
		assert_int_equal(sample_dump_parse(text, &read), 0);
		assert_string_equal(read.boot, BOOT);
		assert_int_equal(read.local.ns, dump.local.ns);
		assert_int_equal(read.free_ns, dump.free_ns);
		assert_true(read.frequency == dump.frequency);
		assert_int_equal(read.count, count);
		for (unsigned i = 0; i < count; i++)
			assert_samples_equal(&read.samples[i], &dump.samples[i]);
	}
}

static void the_text_is_what_it_is_documented_to_be(void **)
{
	static char text[SAMPLE_DUMP_TEXT_SIZE];
	struct sample_dump dump = make_dump(1);

	dump.frequency = 0.5;
	sample_dump_print(&dump, text);
	assert_string_equal(text,
			"timeball samples 1\n"
			"boot " BOOT "\n"
			"clock 1700000100000000000 100000000000 0.5\n"
			"sample 500000000 -5000 120000 50 1 2 4275878552 1000000 2000000 "
			"1700000000123456789 1 2\n"
			"end 1\n");
}

static void the_largest_values_have_room(void **)
{
	static char text[SAMPLE_DUMP_TEXT_SIZE + 1];
	static struct sample_dump dump, read;
	struct sample sample = make_sample(-(INT64_C(1) << 58), -(INT64_C(1) << 61));

	sample.delay_ns = sample.dispersion_ns = INT64_C(1) << 61;
	sample.root_delay_ns = sample.root_dispersion_ns = INT64_C(1) << 61;
	sample.reference_time.ns = INT64_MIN;
	sample.refid = UINT32_MAX;
	dump = make_dump(0);
	dump.frequency = -0.49999999999999994;
	for (unsigned i = 0; i < SAMPLE_DUMP_SAMPLES + 7; i++)
		sample_dump_add(&dump, &sample);
	text[SAMPLE_DUMP_TEXT_SIZE] = 'x';
	assert_true(sample_dump_print(&dump, text) < SAMPLE_DUMP_TEXT_SIZE);
	assert_int_equal(text[SAMPLE_DUMP_TEXT_SIZE], 'x');
	assert_int_equal(sample_dump_parse(text, &read), 0);
	assert_int_equal(read.count, SAMPLE_DUMP_SAMPLES);
}

static void the_oldest_is_forgotten_first(void **)
{
	static struct sample_dump dump;

	dump = make_dump(SAMPLE_DUMP_SAMPLES + 3);
	assert_int_equal(dump.count, SAMPLE_DUMP_SAMPLES);
	assert_int_equal(dump.samples[0].free_ns, 4 * NS_PER_S / 2);
	assert_int_equal(dump.samples[SAMPLE_DUMP_SAMPLES - 1].free_ns,
			(SAMPLE_DUMP_SAMPLES + 3) * NS_PER_S / 2);
}

// Each from a good text by putting something else in a place.
static void what_is_no_dump_is_refused(void **)
{
	static const struct {
		const char *what, *instead;
	} rows[] = {
		{ "samples 1", "samples 2" }, { "timeball", "SRC0" }, { "boot " BOOT, "boot" },
		{ "boot " BOOT, "boot " BOOT "-" BOOT }, { "0.5\n", "0.6\n" }, { "0.5\n", "nan\n" },
		{ "0.5\n", "\n" }, { "0.5\n", "0.5 \n" }, { " 100000000000", " 100000000000x" },
		{ " 100000000000", "  100000000000" }, { " 100000000000", "" },
		{ " 50 1 ", " 50 4 " }, { " 120000 ", " 0 " }, { " 50 ", " -1 " },
		{ " 50 ", " 99999999999999999999 " }, { " 4275878552 ", " 4294967296 " },
		{ "789 1 2\n", "789 1 3\n" }, { "789 1 2\n", "789 1 2 0\n" },
		{ "789 1 2\n", "789 1\n" },
		{ "sample 1000000000", "sample 100000000001" }, // of the future
		{ "end 2\n", "end 1\n" }, { "end 2\n", "end 2" }, { "end 2\n", "" },
		{ "end 2\n", "end 2\nend 2\n" },
		{ "sample 1000000000", "sample 499999999" }, // out of order
	};
	static char text[SAMPLE_DUMP_TEXT_SIZE], broken[SAMPLE_DUMP_TEXT_SIZE];
	static struct sample_dump dump, read;

	dump = make_dump(2);
	dump.frequency = 0.5;
	sample_dump_print(&dump, text);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *place = strstr(text, rows[i].what);

		assert_non_null(place);
		snprintf(broken, sizeof(broken), "%.*s%s%s", (int)(place - text), text,
				rows[i].instead, place + strlen(rows[i].what));
		if (sample_dump_parse(broken, &read) != -EINVAL)
			fail_msg("%s", broken);
	}
	assert_int_equal(read.count, 0);
	// Torn anywhere.
	for (size_t length = 0; length < strlen(text); length++) {
		memcpy(broken, text, length);
		broken[length] = '\0';
		assert_int_equal(sample_dump_parse(broken, &read), -EINVAL);
	}
}

// A clock whose crystal is 40 ppm fast, watched by one process, then by another: what a sample says of true
// time is the same in both free times.
static void samples_mean_the_same_in_another_free_time(void **)
{
	static struct sample_dump dump;
	const long double crystal = 1 + 40e-6L, frequency = -40e-6L + 3e-9L;
	const int64_t start_ns = INT64_C(1'700'000'000'000'000'000);
	// Process 1 begins at true 0; dumps at true 1000 s; process 2 begins at true 1900 s.
	const long double dumped_free = 1000e9L * crystal, began_free = 1900e9L * crystal;
	const long double correction = -40'000'000;
	int64_t local_at_dump = start_ns + llroundl(dumped_free + correction);
	int64_t local_at_start =
			local_at_dump + llroundl((began_free - dumped_free) * (1 + frequency));

	dump = (struct sample_dump){
		.boot = BOOT,
		.local = { local_at_dump },
		.free_ns = llroundl(dumped_free),
		.frequency = (double)frequency,
	};
	for (int i = 0; i < 50; i++) {
		long double free = (20.0L * i) * 1e9L * crystal;
		// True time less free time.
		struct sample sample = make_sample(
				llroundl(free), start_ns + llroundl(20.0L * i * 1e9L - free));

		sample_dump_add(&dump, &sample);
	}
	utc_t now = { local_at_start };

	assert_int_equal(sample_dump_rebase(&dump, "other", now), -ESTALE);
	assert_int_equal(sample_dump_rebase(&dump, BOOT, utc_add(dump.local, -1)), -ESTALE);
	assert_int_equal(sample_dump_rebase(&dump, BOOT, now), 0);
	for (int i = 0; i < 50; i++) {
		const struct sample *sample = &dump.samples[i];
		// Process 2's free time was 0 when the clock showed local_at_start.
		long double true_ns = 20.0L * i * 1e9L;
		long double free = true_ns * crystal - began_free;
		long double offset = start_ns + true_ns - free;

		assert_true(fabsl(sample->free_ns - free) < 10);
		assert_true(fabsl(sample->offset_ns - offset) < 10);
	}
}

static void files_are_read_and_refused_beyond_their_size(void **)
{
	char path[] = "/tmp/timeball-dump-XXXXXX", boot[SAMPLE_DUMP_BOOT_SIZE];
	static struct sample_dump dump, read;
	int file = mkstemp(path);

	assert_true(file >= 0);
	close(file);
	dump = make_dump(SAMPLE_DUMP_SAMPLES);
	assert_int_equal(sample_dump_boot(dump.boot), 0);
	assert_int_equal(strlen(dump.boot), 36);
	assert_int_equal(sample_dump_boot(boot), 0);
	assert_string_equal(boot, dump.boot);
	assert_int_equal(sample_dump_write(path, &dump), 0);
	assert_int_equal(sample_dump_read(path, &read), 0);
	assert_int_equal(read.count, SAMPLE_DUMP_SAMPLES);
	assert_samples_equal(&read.samples[63], &dump.samples[63]);
	assert_int_equal(truncate(path, SAMPLE_DUMP_TEXT_SIZE), 0);
	assert_int_equal(sample_dump_read(path, &read), -EFBIG);
	unlink(path);
	assert_int_equal(sample_dump_read(path, &read), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_read_as_the_same),
		cmocka_unit_test(the_text_is_what_it_is_documented_to_be),
		cmocka_unit_test(the_largest_values_have_room),
		cmocka_unit_test(the_oldest_is_forgotten_first),
		cmocka_unit_test(what_is_no_dump_is_refused),
		cmocka_unit_test(samples_mean_the_same_in_another_free_time),
		cmocka_unit_test(files_are_read_and_refused_beyond_their_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
