// SPDX-License-Identifier: BSD-3-Clause
// The log files: lines byte for byte those that chronyd 4.3 wrote with the same values, banners, and files
// that are moved away or cannot be written.
#include "base/log.h"
#include "control/log_files.h"
#include "control/log_lines.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOMENT ((utc_t){ INT64_C(1795416614) * NS_PER_S + (NS_PER_S - 1) }) // 2026-11-23 06:50:14

static void measurements_are_chronyds(void **)
{
	struct log_measurement line = {
		.time = MOMENT,
		.source = "127.0.0.1",
		.leap = NTP_LEAP_NONE,
		.stratum = 3,
		.passed = { true, true, true, true, true, true, true, true, true, true },
		.local_poll = -2,
		.remote_poll = -2,
		.score = 0.81,
		.offset = -2.333e-06,
		.delay = 8.682e-06,
		.dispersion = 1.426e-07,
		.refid = 0x7f7f0101,
		.sent_by = STAMP_KERNEL,
		.received_by = STAMP_KERNEL,
	};
	char text[LOG_LINE_SIZE];
	size_t length;

	length = log_measurement_print(&line, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text,
			"2026-11-23 06:50:14 127.0.0.1       N  3 111 111 1111  -2 -2 0.81 -2.333e-06  8.682e-06  1.426e-07  0.000e+00  0.000e+00 7F7F0101 4B K K");
	line.passed[LOG_TEST_A] = false;
	line.score = 0.83;
	line.offset = 8.95e-07;
	line.delay = 2.465e-06;
	line.dispersion = 1.759e-04;
	line.interleaved = true;
	log_measurement_print(&line, text);
	assert_string_equal(text,
			"2026-11-23 06:50:14 127.0.0.1       N  3 111 111 0111  -2 -2 0.83  8.950e-07  2.465e-06  1.759e-04  0.000e+00  0.000e+00 7F7F0101 4I K K");
}

// The line of chrony.conf(5), whose score has one digit less than chronyd writes.
static void measurements_are_as_documented(void **)
{
	struct log_measurement line = {
		.time = { INT64_C(1478670050) * NS_PER_S },
		.source = "203.0.113.15",
		.stratum = 2,
		.passed = { true, true, true, true, true, true, true, true, true, true },
		.local_poll = 10,
		.remote_poll = 10,
		.score = 1,
		.offset = -4.966e-03,
		.delay = 2.296e-01,
		.dispersion = 1.577e-05,
		.root_delay = 1.615e-01,
		.root_dispersion = 7.446e-03,
		.refid = 0xcb00717b,
		.sent_by = STAMP_DAEMON,
		.received_by = STAMP_KERNEL,
	};
	char text[LOG_LINE_SIZE];

	log_measurement_print(&line, text);
	assert_string_equal(text,
			"2016-11-09 05:40:50 203.0.113.15    N  2 111 111 1111  10 10 1.00 -4.966e-03  2.296e-01  1.577e-05  1.615e-01  7.446e-03 CB00717B 4B D K");
	line.leap = NTP_LEAP_UNSYNCHRONISED;
	line.sent_by = STAMP_HARDWARE;
	line.source = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff";
	line.passed[LOG_TEST_2] = line.passed[LOG_TEST_7] = line.passed[LOG_TEST_D] = false;
	log_measurement_print(&line, text);
	assert_string_equal(text,
			"2016-11-09 05:40:50 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff ?  2 101 110 1110  10 10 1.00 -4.966e-03  2.296e-01  1.577e-05  1.615e-01  7.446e-03 CB00717B 4B H K");
}

static void statistics_are_chronyds(void **)
{
	struct log_statistics line = {
		.time = MOMENT,
		.source = "127.0.0.1",
		.deviation = 5.578e-07,
		.offset = -8.456e-07,
		.offset_deviation = 3.498e-07,
		.frequency = -2.515e-05,
		.skew = 4.465e-03,
		.stress = 1.3e-02,
		.samples = 3,
		.runs = 3,
	};
	char text[LOG_LINE_SIZE];
	size_t length;

	length = log_statistics_print(&line, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text,
			"2026-11-23 06:50:14 127.0.0.1        5.578e-07 -8.456e-07  3.498e-07 -2.515e-05  4.465e-03 1.3e-02   3   0   3  0.00");
	// The line of chrony.conf(5).
	line = (struct log_statistics){
		.time = { INT64_C(1470807650) * NS_PER_S },
		.source = "203.0.113.15",
		.deviation = 6.261e-03,
		.offset = -3.247e-03,
		.offset_deviation = 2.220e-03,
		.frequency = 1.874e-06,
		.skew = 1.080e-06,
		.stress = 7.8e-02,
		.samples = 16,
		.runs = 8,
	};
	log_statistics_print(&line, text);
	assert_string_equal(text,
			"2016-08-10 05:40:50 203.0.113.15     6.261e-03 -3.247e-03  2.220e-03  1.874e-06  1.080e-06 7.8e-02  16   0   8  0.00");
}

static void selection_is_chronyds(void **)
{
	struct log_selection line = {
		.time = MOMENT,
		.source = "127.0.0.1",
		.state = 'M',
		.reach = 3,
		.score = 1,
		.last_sample = 6.539e-05,
		.low = -2.281e-06,
		.high = 6.947e-06,
	};
	char text[LOG_LINE_SIZE];
	size_t length;

	length = log_selection_print(&line, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text,
			"2026-11-23 06:50:14 127.0.0.1       M -----    3  1.00  6.539e-05 -2.281e-06  6.947e-06");
	// The line of chrony.conf(5).
	line = (struct log_selection){
		.time = { INT64_C(1651370480) * NS_PER_S },
		.source = "203.0.113.15",
		.state = '*',
		.reach = 0377,
		.score = 1,
		.last_sample = 4.228e+01,
		.low = -1.575e-04,
		.high = 1.239e-04,
	};
	log_selection_print(&line, text);
	assert_string_equal(text,
			"2022-05-01 02:01:20 203.0.113.15    * -----  377  1.00  4.228e+01 -1.575e-04  1.239e-04");
	line.noselect = line.prefer = line.trust = line.require = true;
	line.reach = 0x1ff; // eight polls count
	log_selection_print(&line, text);
	assert_string_equal(text,
			"2022-05-01 02:01:20 203.0.113.15    * NPTR-  377  1.00  4.228e+01 -1.575e-04  1.239e-04");
}

static void tracking_is_chronyds(void **)
{
	struct log_tracking line = {
		.time = MOMENT,
		.source = "127.0.0.1",
		.stratum = 4,
		.frequency_ppm = 1.013,
		.skew_ppm = 222.304,
		.offset = 2.556e-06,
		.combined = 2,
		.offset_deviation = 1.825e-06,
		.remaining = 2.584e-06,
		.root_delay = 2.324e-06,
		.root_dispersion = 1.098e-04,
		.max_error = 4.667e-01,
	};
	char text[LOG_LINE_SIZE];
	size_t length;

	length = log_tracking_print(&line, text);
	assert_int_equal(length, strlen(text));
	assert_string_equal(text,
			"2026-11-23 06:50:14 127.0.0.1        4      1.013    222.304  2.556e-06 N  2  1.825e-06  2.584e-06  2.324e-06  1.098e-04  4.667e-01");
	line = (struct log_tracking){
		.time = MOMENT,
		.source = "0.0.0.0",
		.skew_ppm = 1'000'000,
		.leap = NTP_LEAP_UNSYNCHRONISED,
		.remaining = -0.0,
		.root_delay = 1,
		.root_dispersion = 1,
		.max_error = 1.5,
	};
	log_tracking_print(&line, text);
	assert_string_equal(text,
			"2026-11-23 06:50:14 0.0.0.0          0      0.000 1000000.000  0.000e+00 ?  0  0.000e+00 -0.000e+00  1.000e+00  1.000e+00  1.500e+00");
	// The line of chrony.conf(5).
	line = (struct log_tracking){
		.time = { INT64_C(1503408156) * NS_PER_S },
		.source = "203.0.113.15",
		.stratum = 2,
		.frequency_ppm = -3.541,
		.skew_ppm = 0.075,
		.offset = -8.621e-06,
		.combined = 2,
		.offset_deviation = 2.940e-03,
		.remaining = -2.084e-04,
		.root_delay = 1.534e-02,
		.root_dispersion = 3.472e-04,
		.max_error = 8.304e-03,
	};
	log_tracking_print(&line, text);
	assert_string_equal(text,
			"2017-08-22 13:22:36 203.0.113.15     2     -3.541      0.075 -8.621e-06 N  2  2.940e-03 -2.084e-04  1.534e-02  3.472e-04  8.304e-03");
}

static void large_corrections_are_told(void **)
{
	char text[LOG_LINE_SIZE];

	assert_false(log_change_print(1.0, 1.0, text));
	assert_false(log_change_print(-0.5, 1.0, text));
	assert_true(log_change_print(-1.5, 1.0, text));
	assert_string_equal(text, "System clock wrong by -1.500000 seconds");
	assert_true(log_change_print(1e-9, 0, text));
}

static int folder_make(void **state)
{
	char *folder = strdup("/tmp/timeball-log-XXXXXX");

	*state = folder;
	return mkdtemp(folder) ? log_open(LOG_TO_FILE, "/dev/null", LOG_SEVERITY_INFO) : -1;
}

static int folder_remove(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", (char *)*state);
	if (system(command))
		return -1;
	log_close();
	free(*state);
	return 0;
}

static char *read_file(const char *folder, const char *name)
{
	static char text[8192];
	char path[160];
	size_t length;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "r");

	if (!file)
		return NULL;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	return text;
}

#define SELECTION_RULE                                                                             \
	"=======================================================================================\n"
#define SELECTION_BANNER                                                                           \
	SELECTION_RULE                                                                             \
	"   Date (UTC) Time     IP Address   S EOpts Reach Score Last sample  Low end   High end\n" SELECTION_RULE

static void a_banner_is_repeated_as_configured(void **state)
{
	const bool wanted[LOG_FILES] = { [LOG_FILE_SELECTION] = true };
	char folder[128];
	struct log_files logs;
	enum log_file which;

	// The folder is made.
	snprintf(folder, sizeof(folder), "%s/logs", (char *)*state);
	assert_int_equal(log_files_open(&logs, folder, 2, wanted, &which), 0);
	assert_true(log_files_want(&logs, LOG_FILE_SELECTION));
	assert_false(log_files_want(&logs, LOG_FILE_TRACKING));
	for (int i = 0; i < 3; i++)
		log_files_write(&logs, LOG_FILE_SELECTION, "line");
	log_files_write(&logs, LOG_FILE_TRACKING, "line");
	assert_string_equal(read_file(folder, "selection.log"),
			SELECTION_BANNER "line\nline\n" SELECTION_BANNER "line\n");
	assert_null(read_file(folder, "tracking.log"));
	log_files_close(&logs);
	// Of an earlier run, nothing is lost.
	assert_int_equal(log_files_open(&logs, folder, 0, wanted, &which), 0);
	log_files_write(&logs, LOG_FILE_SELECTION, "more");
	assert_string_equal(read_file(folder, "selection.log"),
			SELECTION_BANNER "line\nline\n" SELECTION_BANNER "line\nmore\n");
	log_files_close(&logs);
	log_files_close(&logs);
}

static void files_moved_away_are_made_anew(void **state)
{
	const bool wanted[LOG_FILES] = { true, true, true, true };
	const char *folder = *state;
	char from[128], to[128];
	struct log_files logs;
	enum log_file which;

	assert_int_equal(log_files_open(&logs, folder, 32, wanted, &which), 0);
	log_files_write(&logs, LOG_FILE_SELECTION, "old");
	snprintf(from, sizeof(from), "%s/selection.log", folder);
	snprintf(to, sizeof(to), "%s/selection.log.1", folder);
	assert_int_equal(rename(from, to), 0);
	log_files_write(&logs, LOG_FILE_SELECTION, "still old");
	log_files_reopen(&logs);
	log_files_write(&logs, LOG_FILE_SELECTION, "new");
	assert_string_equal(read_file(folder, "selection.log"), SELECTION_BANNER "new\n");
	assert_string_equal(
			read_file(folder, "selection.log.1"), SELECTION_BANNER "old\nstill old\n");
	log_files_close(&logs);
}

static void every_banner_is_as_wide_as_its_rules(void **state)
{
	const bool wanted[LOG_FILES] = { true, true, true, true };
	// As chronyd 4.3's.
	static const size_t widths[LOG_FILES] = { 136, 87, 116, 131 };
	const char *folder = *state;
	struct log_files logs;
	enum log_file which;

	assert_int_equal(log_files_open(&logs, folder, 1, wanted, &which), 0);
	for (int i = 0; i < LOG_FILES; i++) {
		char name[32], *text;

		log_files_write(&logs, i, "x");
		snprintf(name, sizeof(name), "%s.log", log_file_name(i));
		text = read_file(folder, name);
		assert_int_equal(strspn(text, "="), widths[i]);
		text += widths[i] + 1;
		assert_int_equal(strcspn(text, "\n"), widths[i]);
		text += widths[i] + 1;
		assert_int_equal(strspn(text, "="), widths[i]);
		assert_string_equal(text + widths[i], "\nx\n");
	}
	log_files_close(&logs);
}

static void what_cannot_be_opened_is_named(void **state)
{
	const bool wanted[LOG_FILES] = { [LOG_FILE_SELECTION] = true, [LOG_FILE_TRACKING] = true };
	const char *folder = *state;
	char path[128];
	struct log_files logs;
	enum log_file which;

	assert_int_equal(log_files_open(&logs, "/nonexistent/logs", 32, wanted, &which), -ENOENT);
	assert_int_equal(which, LOG_FILES);
	snprintf(path, sizeof(path), "%s/tracking.log", folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(log_files_open(&logs, folder, 32, wanted, &which), -EISDIR);
	assert_int_equal(which, LOG_FILE_TRACKING);
	assert_false(log_files_want(&logs, LOG_FILE_SELECTION));
	// Not even after it was.
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(log_files_open(&logs, folder, 32, wanted, &which), 0);
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	log_files_reopen(&logs);
	assert_false(log_files_want(&logs, LOG_FILE_TRACKING));
	assert_true(log_files_want(&logs, LOG_FILE_SELECTION));
	log_files_close(&logs);
}

#define folder_test(function) cmocka_unit_test_setup_teardown(function, folder_make, folder_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measurements_are_chronyds),
		cmocka_unit_test(measurements_are_as_documented),
		cmocka_unit_test(statistics_are_chronyds),
		cmocka_unit_test(selection_is_chronyds),
		cmocka_unit_test(tracking_is_chronyds),
		cmocka_unit_test(large_corrections_are_told),
		folder_test(a_banner_is_repeated_as_configured),
		folder_test(files_moved_away_are_made_anew),
		folder_test(every_banner_is_as_wide_as_its_rules),
		folder_test(what_cannot_be_opened_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
