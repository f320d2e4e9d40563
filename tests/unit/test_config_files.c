// SPDX-License-Identifier: BSD-3-Clause
// app/config by files: lines and their limits, include and confdir, and the files that are shipped.
#include "config/config.h"
#include "config/directives.h"
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 512

// A folder that exists for one test.
struct folder {
	char path[64];
};

static int folder_open(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	if (!folder)
		return -1;
	strcpy(folder->path, "/tmp/timeball-config-XXXXXX");
	*state = folder;
	return mkdtemp(folder->path) ? 0 : -1;
}

static void folder_empty(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	char name[PATH_SIZE];

	while (stream && (entry = readdir(stream))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_DIR)
			folder_empty(name);
		remove(name);
	}
	if (stream)
		closedir(stream);
}

static int folder_close(void **state)
{
	struct folder *folder = *state;

	folder_empty(folder->path);
	remove(folder->path);
	free(folder);
	return 0;
}

static void file_write_bytes(
		const struct folder *folder, const char *name, const char *bytes, size_t size)
{
	char path[PATH_SIZE];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	stream = fopen(path, "w");
	assert_non_null(stream);
	assert_int_equal(fwrite(bytes, 1, size, stream), size);
	assert_int_equal(fclose(stream), 0);
}

// Each `@` in `text` becomes the folder's path.
static void file_write(const struct folder *folder, const char *name, const char *text)
{
	char *expanded = NULL;
	size_t size;
	FILE *stream = open_memstream(&expanded, &size);

	assert_non_null(stream);
	for (; *text; text++) {
		if (*text == '@')
			fputs(folder->path, stream);
		else
			fputc(*text, stream);
	}
	fclose(stream);
	file_write_bytes(folder, name, expanded, size);
	free(expanded);
}

static void folder_make(const struct folder *folder, const char *name)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static int file_read(const struct folder *folder, const char *name, struct config **config,
		struct config_problem *problem)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	*config = config_new();
	assert_non_null(*config);
	return config_read_file(*config, path, problem);
}

static void assert_file_prints(const struct folder *folder, const char *name, const char *expected)
{
	struct config_problem problem = { "" };
	struct config *config;
	char *text = NULL;
	size_t size;
	FILE *stream;

	if (file_read(folder, name, &config, &problem))
		fail_msg("%s", problem.text);
	stream = open_memstream(&text, &size);
	assert_non_null(stream);
	config_print(config, stream);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
	config_free(config);
}

// `text` with each `@` for the folder's path.
static void assert_file_refused(
		const struct folder *folder, const char *name, int error, const char *text)
{
	char expected[1024] = "";
	struct config_problem problem = { "" };
	struct config *config;

	for (; *text; text++) {
		char letter[2] = { *text, '\0' };

		strcat(expected, *text == '@' ? folder->path : letter);
	}
	assert_int_equal(file_read(folder, name, &config, &problem), error);
	assert_string_equal(problem.text, expected);
	config_free(config);
}

static void lines_are_read_whatever_their_end(void **state)
{
	const struct folder *folder = *state;

	file_write(folder, "a", "# comment\r\n\r\nport 1\r\n\n   \n! x\ndscp 2");
	assert_file_prints(folder, "a", "port 1\ndscp 2\n");
	file_write(folder, "empty", "");
	assert_file_prints(folder, "empty", "");
	file_write(folder, "blank", "\n\n");
	assert_file_prints(folder, "blank", "");
}

static void errors_name_file_and_line(void **state)
{
	const struct folder *folder = *state;

	file_write(folder, "a", "port 1\n\n# x\nprot 2\n");
	assert_file_refused(folder, "a", -EINVAL,
			"Invalid directive prot at line 4 in file @/a (did you mean \"port\"?)");
	file_write(folder, "b", "port 1\nport\n");
	assert_file_refused(folder, "b", -EINVAL,
			"Missing arguments for port directive at line 2 in file @/b");
	file_write(folder, "c", "include @/a\n");
	assert_file_refused(folder, "c", -EINVAL,
			"Invalid directive prot at line 4 in file @/a (did you mean \"port\"?)");
}

static void notices_name_file_and_line(void **state)
{
	const struct folder *folder = *state;
	struct config_problem problem;
	struct config *config;
	char expected[PATH_SIZE];

	file_write(folder, "b", "keyfile /x\n");
	file_write(folder, "a", "\ninclude @/b\nkeyfile /x\nallow 1.2.3.4\n");
	assert_int_equal(file_read(folder, "a", &config, &problem), 0);
	assert_int_equal(config->notice_count, 1);
	snprintf(expected, sizeof(expected), "%s/b:1: keyfile: accepted, has no effect yet",
			folder->path);
	assert_string_equal(config->notices[0], expected);
	snprintf(expected, sizeof(expected), "%s/a:4", folder->path);
	assert_string_equal(config->access[0].where, expected);
	config_free(config);
}

static void lines_of_2047_characters_are_the_longest(void **state)
{
	const struct folder *folder = *state;
	char text[CONFIG_LINE_SIZE + 1];

	memset(text, ' ', sizeof(text));
	memcpy(text, "port 1", strlen("port 1"));
	text[CONFIG_LINE_SIZE - 1] = '\n';
	file_write_bytes(folder, "a", text, CONFIG_LINE_SIZE);
	assert_file_prints(folder, "a", "port 1\n");
	text[CONFIG_LINE_SIZE - 1] = ' ';
	text[CONFIG_LINE_SIZE] = '\n';
	file_write_bytes(folder, "b", text, CONFIG_LINE_SIZE + 1);
	assert_file_refused(folder, "b", -EINVAL, "String too long at line 1 in file @/b");
}

static void bytes_that_are_no_text_are_refused(void **state)
{
	const struct folder *folder = *state;
	static const char with_nul[] = "port 1\nport\0 2\n";

	file_write_bytes(folder, "a", with_nul, sizeof(with_nul) - 1);
	assert_file_refused(folder, "a", -EINVAL, "Unexpected NUL byte at line 2 in file @/a");
	file_write_bytes(folder, "b",
			"\x7f"
			"ELF\xff\n",
			6);
	assert_file_refused(
			folder, "b", -EINVAL, "Invalid directive ?ELF\xff at line 1 in file @/b");
}

static void files_that_cannot_be_read_say_why(void **state)
{
	const struct folder *folder = *state;

	assert_file_refused(folder, "none", -ENOENT,
			"Could not open @/none: No such file or directory");
	assert_file_refused(folder, ".", -EISDIR, "Could not read @/.: Is a directory");
}

static void include_takes_a_pattern_that_must_match(void **state)
{
	const struct folder *folder = *state;

	file_write(folder, "b.conf", "port 2\n");
	file_write(folder, "a.conf", "port 1\n");
	file_write(folder, "c.txt", "port 3\n");
	file_write(folder, "all", "dscp 1\nInclude @/*.conf\ndscp 2\n");
	assert_file_prints(folder, "all", "dscp 1\nport 1\nport 2\ndscp 2\n");
	file_write(folder, "none", "include @/x*.conf\n");
	assert_file_refused(folder, "none", -EINVAL,
			"Could not parse include directive at line 1 in file @/none: "
			"nothing matches \"@/x*.conf\"");
}

static void include_ends_at_its_limit(void **state)
{
	const struct folder *folder = *state;
	char name[8], text[32];

	file_write(folder, "loop", "port 1\ninclude @/loop\n");
	assert_file_refused(folder, "loop", -EINVAL,
			"Maximum include level reached at line 2 in file @/loop");

	// Ten files inside the first are fine.
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%u", i);
		snprintf(text, sizeof(text), "include @/%u\n", i + 1);
		file_write(folder, name, text);
	}
	file_write(folder, "10", "port 7\n");
	assert_file_prints(folder, "0", "port 7\n");
	file_write(folder, "10", "include @/11\n");
	file_write(folder, "11", "port 7\n");
	assert_file_refused(folder, "0", -EINVAL,
			"Maximum include level reached at line 1 in file @/10");
}

static void confdir_reads_by_name_and_the_earlier_directory_wins(void **state)
{
	const struct folder *folder = *state;

	folder_make(folder, "etc");
	folder_make(folder, "run");
	file_write(folder, "etc/20.conf", "port 20\n");
	file_write(folder, "etc/40.conf", "port 40\n");
	file_write(folder, "run/10.conf", "port 10\n");
	file_write(folder, "run/20.conf", "port 21\n");
	file_write(folder, "run/30.conf", "port 30\n");
	file_write(folder, "run/.conf", "port 1\n");
	file_write(folder, "run/35.conf.bak", "port 2\n");
	file_write(folder, "run/36.config", "port 4\n");
	file_write(folder, "run/README", "port 3\n");
	file_write(folder, "a", "confdir @/etc @/absent @/run\n");
	assert_file_prints(folder, "a", "port 10\nport 20\nport 30\nport 40\n");
	file_write(folder, "none", "confdir @/absent\n");
	assert_file_prints(folder, "none", "");
	file_write(folder, "file", "confdir @/absent\nconfdir @/a\n");
	assert_file_refused(folder, "file", -ENOTDIR, "Could not open @/a: Not a directory");
	file_write(folder, "many", "confdir /a /b /c /d /e /f /g /h /i /j /k\n");
	assert_file_refused(folder, "many", -EINVAL,
			"Too many arguments for confdir directive at line 1 in file @/many");
}

static void debians_default_is_accepted(void **state)
{
	const struct folder *folder = *state;
	struct config_problem problem = { "" };
	struct config *config;

	file_write(folder, "a",
			"confdir /nonexistent/conf.d\n"
			"pool 2.debian.pool.ntp.org iburst\n"
			"sourcedir /run/chrony-dhcp\n"
			"sourcedir /etc/chrony/sources.d\n"
			"keyfile /etc/chrony/chrony.keys\n"
			"driftfile /var/lib/chrony/chrony.drift\n"
			"ntsdumpdir /var/lib/chrony\n"
			"#log tracking measurements statistics\n"
			"logdir /var/log/chrony\n"
			"maxupdateskew 100.0\n"
			"rtcsync\n"
			"makestep 1 3\n"
			"leapsectz right/UTC\n");
	if (file_read(folder, "a", &config, &problem) || config_finish(config, &problem))
		fail_msg("%s", problem.text);
	assert_int_equal(config->line_count, 11);
	assert_int_equal(config->notice_count, 4);
	config_free(config);
}

// TIMEBALL_SOURCE is the top of the source tree; the working directory, when it is not set.
static void source_path(char path[PATH_SIZE], const char *name)
{
	const char *top = getenv("TIMEBALL_SOURCE");

	snprintf(path, PATH_SIZE, "%s/%s", top ? top : ".", name);
}

static struct config *shipped_read(const char *path)
{
	struct config_problem problem = { "" };
	struct config *config = config_new();

	assert_non_null(config);
	if (config_read_file(config, path, &problem) || config_finish(config, &problem))
		fail_msg("%s", problem.text);
	return config;
}

static void the_shipped_configuration_serves_a_tap_port(void **)
{
	struct config *config;
	char path[PATH_SIZE], text[SUBNET_TEXT_SIZE];

	source_path(path, "config/timeball.conf");
	config = shipped_read(path);
	assert_int_equal(config->serve_count, 1);
	assert_string_equal(config->serves[0].device, "net_tap0,iface=timeball0");
	assert_string_equal(subnet_print(&config->serves[0].addresses[0], text), "198.18.123.1/24");
	assert_true(config->local.enabled);
	assert_int_equal(config->local.stratum, 10);
	assert_int_equal(config->access_count, 1);
	assert_string_equal(config->pidfile, "/run/timeball/timeballd.pid");
	assert_int_equal(config->notice_count, 0);
	config_free(config);
}

static void every_example_is_accepted_and_has_effect(void **)
{
	char folder[PATH_SIZE], path[2 * PATH_SIZE];
	struct dirent *entry;
	unsigned count = 0;
	DIR *stream;

	source_path(folder, "config/examples");
	stream = opendir(folder);
	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		struct config *config;

		if (!strstr(entry->d_name, ".conf"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		config = shipped_read(path);
		assert_true(config->serve_count > 0 || config->upstream.source_count > 0);
		assert_int_equal(config->notice_count, 0);
		config_free(config);
		count++;
	}
	closedir(stream);
	assert_true(count >= 3);
}

static void every_directive_is_in_the_manual(void **)
{
	char path[PATH_SIZE], *manual = NULL;
	size_t size = 0;
	FILE *stream;

	source_path(path, "docs/man/timeball.conf.5");
	stream = fopen(path, "r");
	assert_non_null(stream);
	assert_true(getdelim(&manual, &size, '\0', stream) > 0);
	fclose(stream);
	for (unsigned i = 0; directive_at(i); i++)
		if (!strstr(manual, directive_at(i)->name))
			fail_msg("%s is missing", directive_at(i)->name);
	free(manual);
}

#define folder_test(function) cmocka_unit_test_setup_teardown(function, folder_open, folder_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(lines_are_read_whatever_their_end),
		folder_test(errors_name_file_and_line),
		folder_test(notices_name_file_and_line),
		folder_test(lines_of_2047_characters_are_the_longest),
		folder_test(bytes_that_are_no_text_are_refused),
		folder_test(files_that_cannot_be_read_say_why),
		folder_test(include_takes_a_pattern_that_must_match),
		folder_test(include_ends_at_its_limit),
		folder_test(confdir_reads_by_name_and_the_earlier_directory_wins),
		folder_test(debians_default_is_accepted),
		cmocka_unit_test(the_shipped_configuration_serves_a_tap_port),
		cmocka_unit_test(every_directive_is_in_the_manual),
		cmocka_unit_test(every_example_is_accepted_and_has_effect),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
