// SPDX-License-Identifier: BSD-3-Clause
// The drift file: chronyd's format and sign, bad content, and that nobody ever finds half a file.
#include "control/drift_file.h"
#include "control/text_file.h"
#include "unit.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int folder_make(void **state)
{
	char *folder = strdup("/tmp/timeball-drift-XXXXXX");

	*state = folder;
	return mkdtemp(folder) ? 0 : -1;
}

static int folder_remove(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", (char *)*state);
	if (system(command))
		return -1;
	free(*state);
	return 0;
}

static const char *path_in(const char *folder, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void what_chronyd_wrote_is_read(void **)
{
	struct drift drift;

	// By chronyd 4.3, when tracking.log had -0.021 and 0.104 in its columns of ppm.
	assert_int_equal(drift_parse("           -0.021052             0.103688\n", &drift), 0);
	assert_true(fabs(drift.frequency - 0.021052e-6) < 1e-15);
	assert_true(fabs(drift.skew - 0.103688e-6) < 1e-15);
	// A clock that gains 100 us in a second is to be made slower.
	assert_int_equal(drift_parse("100.0 1\n", &drift), 0);
	assert_true(fabs(drift.frequency + 100e-6) < 1e-15);
}

static void what_is_written_is_chronyds_line(void **)
{
	char text[DRIFT_TEXT_SIZE];
	struct drift drift = { .frequency = 0.021052e-6, .skew = 0.103688e-6 };
	static const char expected[] = "           -0.021052             0.103688\n";

	assert_int_equal(drift_print(&drift, text), strlen(expected));
	assert_string_equal(text, expected);
	drift = (struct drift){ 0 };
	drift_print(&drift, text);
	assert_string_equal(text, "            0.000000             0.000001\n");
	drift = (struct drift){ .frequency = -1e300, .skew = 1e300 };
	drift_print(&drift, text);
	assert_string_equal(text, "       500000.000000       1000000.000000\n");
}

static void what_is_no_drift_is_refused(void **)
{
	static const char *const bad[] = { "", " ", "\n", "1", "1 ", "a b", "1 a", "a 1", "nan 1",
		"1 nan", "inf 1", "1 inf", "1 -1", "1e6 1", "-1e6 1", "1 1e7", "1 1 1", "1 1x",
		"1,1", "1.0+1.0", "1 1\n1 1\n" };
	struct drift drift = { .frequency = 7, .skew = 8 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (drift_parse(bad[i], &drift) != -EINVAL)
			fail_msg("\"%s\"", bad[i]);
	assert_true(drift.frequency == 7 && drift.skew == 8);
}

static void a_skew_is_never_zero(void **)
{
	struct drift drift;

	// Zero would stand for no knowledge at all.
	assert_int_equal(drift_parse("1 0.000000", &drift), 0);
	assert_true(drift.skew > 0 && drift.skew < 2e-12);
}

static void files_are_replaced_whole(void **state)
{
	const char *path = path_in(*state, "drift");
	struct drift drift = { .frequency = -12e-6, .skew = 1e-6 }, read;
	struct stat before, after;

	assert_int_equal(drift_file_read(path, &read), -ENOENT);
	assert_int_equal(drift_file_write(path, &drift), 0);
	assert_int_equal(drift_file_read(path, &read), 0);
	assert_true(fabs(read.frequency - drift.frequency) < 1e-15);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(drift_file_write(path, &drift), 0);
	assert_int_equal(stat(path, &after), 0);
	// Another file under the name, and nothing left beside it.
	assert_int_not_equal(before.st_ino, after.st_ino);
	assert_int_equal(access(path_in(*state, "drift.tmp"), F_OK), -1);
}

static void a_link_beside_the_file_is_not_followed(void **state)
{
	struct drift drift = { .skew = 1e-6 };
	char victim[128];

	strcpy(victim, path_in(*state, "victim"));
	assert_int_equal(text_file_replace(victim, "untouched", 9), 0);
	assert_int_equal(symlink(victim, path_in(*state, "drift.tmp")), 0);
	assert_int_equal(drift_file_write(path_in(*state, "drift"), &drift), 0);

	char text[32];

	assert_int_equal(text_file_read(victim, text, sizeof(text)), 9);
	assert_string_equal(text, "untouched");
}

static void bad_files_are_told_from_missing_ones(void **state)
{
	const char *path = path_in(*state, "drift");
	char large[1000];
	struct drift drift;

	assert_int_equal(text_file_replace(path, "bla\n", 4), 0);
	assert_int_equal(drift_file_read(path, &drift), -EINVAL);
	assert_int_equal(text_file_replace(path, "1 1\0001", 5), 0);
	assert_int_equal(drift_file_read(path, &drift), -EINVAL);
	assert_int_equal(text_file_replace(path, "", 0), 0);
	assert_int_equal(drift_file_read(path, &drift), -EINVAL);
	memset(large, ' ', sizeof(large));
	assert_int_equal(text_file_replace(path, large, sizeof(large)), 0);
	assert_int_equal(drift_file_read(path, &drift), -EINVAL);
	assert_int_equal(drift_file_read(*state, &drift), -EISDIR);
	assert_int_equal(drift_file_write("/nonexistent/drift", &drift), -ENOENT);
}

static void it_is_written_once_in_its_interval(void **state)
{
	struct drift_file file = {
		.path = path_in(*state, "drift"),
		.interval_s = 3600,
		.written_s = 100,
	};
	struct drift drift = { .skew = 1e-6 };
	unsigned written = 0;

	for (double uptime_s = 100; uptime_s < 10'000; uptime_s += 64)
		written += drift_file_update(&file, &drift, uptime_s) == 1;
	assert_int_equal(written, 2);
	assert_int_equal(access(file.path, F_OK), 0);
	file.path = NULL;
	assert_int_equal(drift_file_update(&file, &drift, 1e9), 0);
	file.path = "/nonexistent/drift";
	assert_int_equal(drift_file_update(&file, &drift, 1e9), -ENOENT);
	assert_int_equal(drift_file_update(&file, &drift, 1e9 + 1), 0);
}

#define folder_test(function) cmocka_unit_test_setup_teardown(function, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_chronyd_wrote_is_read),
		cmocka_unit_test(what_is_written_is_chronyds_line),
		cmocka_unit_test(what_is_no_drift_is_refused),
		cmocka_unit_test(a_skew_is_never_zero),
		folder_test(files_are_replaced_whole),
		folder_test(a_link_beside_the_file_is_not_followed),
		folder_test(bad_files_are_told_from_missing_ones),
		folder_test(it_is_written_once_in_its_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
