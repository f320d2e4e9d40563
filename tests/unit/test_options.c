// SPDX-License-Identifier: BSD-3-Clause
// timeballd's command line: every letter, what is refused, and that one reading leaves no trace for
// the next.
#include "timeballd/options.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

#define ARGUMENTS 16

struct command {
	char text[256];
	char *argv[ARGUMENTS];
	struct options options;
	char message[128];
	int result;
};

// Cuts `line` at its blanks; `_` stands for a blank inside an argument.
static void command_run(struct command *command, const char *line)
{
	char *rest = command->text;
	int argc = 0;

	memset(command, 0, sizeof(*command));
	snprintf(command->text, sizeof(command->text), "timeballd %s", line);
	while (argc < ARGUMENTS - 1 && (command->argv[argc] = strsep(&rest, " ")))
		argc += *command->argv[argc] != '\0';
	command->argv[argc] = NULL;
	for (int i = 0; i < argc; i++)
		for (char *blank = command->argv[i]; (blank = strchr(blank, '_'));)
			*blank = ' ';
	command->result = options_parse(argc, command->argv, &command->options, command->message,
			sizeof(command->message));
}

static struct options options_of(struct command *command, const char *line)
{
	command_run(command, line);
	if (command->result)
		fail_msg("%s: %s", line, command->message);
	return command->options;
}

static void nothing_given_means_a_daemon_with_the_default_file(void **)
{
	struct command command;
	struct options options = options_of(&command, "");

	assert_int_equal(options.action, OPTIONS_RUN);
	assert_string_equal(options.config_path, "/etc/timeball/timeball.conf");
	assert_null(options.config_lines);
	assert_int_equal(options.config_line_count, 0);
	assert_int_equal(options.family, ADDRESS_NONE);
	assert_false(options.foreground);
	assert_int_equal(options.log_target, LOG_TO_SYSLOG);
	assert_null(options.log_path);
	assert_int_equal(options.log_severity, LOG_SEVERITY_INFO);
	assert_false(options.lock_all);
	assert_int_equal(options.sched_priority, -1);
	assert_int_equal(options.exit_after_s, 0);
	assert_null(options.user);
	assert_true(options.needs_root);
	assert_false(options.null_clock);
}

static void letters_that_take_nothing_set_their_flag(void **)
{
	struct command command;

	assert_true(options_of(&command, "-m").lock_all);
	assert_true(options_of(&command, "-x").null_clock);
	assert_true(options_of(&command, "-r").recall);
	assert_false(options_of(&command, "-R").recall);
	assert_false(options_of(&command, "-U").needs_root);
	assert_true(options_of(&command, "-n").foreground);
	assert_int_equal(options_of(&command, "-n").log_target, LOG_TO_SYSLOG);
	assert_int_equal(options_of(&command, "-4").family, ADDRESS_IPV4);
	assert_int_equal(options_of(&command, "-4 -6").family, ADDRESS_IPV6);
	assert_int_equal(options_of(&command, "-p").action, OPTIONS_PRINT_CONFIG);
	assert_int_equal(options_of(&command, "-v").action, OPTIONS_PRINT_VERSION);
	assert_int_equal(options_of(&command, "-h").action, OPTIONS_PRINT_USAGE);
	assert_int_equal(options_of(&command, "-r -R -s -F 1 -F -1").action, OPTIONS_RUN);
	assert_true(options_of(&command, "-mxUn").null_clock);
}

static void whoever_sets_or_prints_once_waits_for_it(void **)
{
	struct command command;
	struct options options = options_of(&command, "-q");

	assert_int_equal(options.mode, OPTIONS_SET_ONCE);
	assert_true(options.foreground);
	assert_int_equal(options.log_target, LOG_TO_STDERR);
	assert_true(options.needs_root);
	options = options_of(&command, "-Q server_a -d");
	assert_int_equal(options.mode, OPTIONS_PRINT_ONCE);
	assert_false(options.needs_root);
	assert_int_equal(options.log_severity, LOG_SEVERITY_INFO);
	assert_int_equal(options.config_line_count, 1);
	assert_int_equal(options_of(&command, "-Q -l /log").log_target, LOG_TO_FILE);
	assert_int_equal(options_of(&command, "-d").mode, OPTIONS_STEER);
}

static void letters_that_take_a_value_store_it(void **)
{
	struct command command;

	assert_string_equal(options_of(&command, "-f a -f b").config_path, "b");
	assert_string_equal(options_of(&command, "-u _chrony").user, " chrony");
	assert_int_equal(options_of(&command, "-P 50").sched_priority, 50);
	assert_int_equal(options_of(&command, "-P 0").sched_priority, 0);
	assert_int_equal(options_of(&command, "-P100").sched_priority, 99);
	assert_int_equal(options_of(&command, "-t 10").exit_after_s, 10);
	assert_int_equal(options_of(&command, "-L -1").log_severity, LOG_SEVERITY_DEBUG);
	assert_int_equal(options_of(&command, "-L 3").log_severity, LOG_SEVERITY_FATAL);
}

static void the_log_goes_where_chronyds_would(void **)
{
	struct command command;
	struct options options = options_of(&command, "-d");

	assert_true(options.foreground);
	assert_int_equal(options.log_target, LOG_TO_STDERR);
	assert_int_equal(options.log_severity, LOG_SEVERITY_INFO);
	assert_int_equal(options_of(&command, "-d -d").log_severity, LOG_SEVERITY_DEBUG);
	assert_int_equal(options_of(&command, "-dd").log_severity, LOG_SEVERITY_DEBUG);

	options = options_of(&command, "-l /log");
	assert_false(options.foreground);
	assert_int_equal(options.log_target, LOG_TO_FILE);
	assert_string_equal(options.log_path, "/log");
	options = options_of(&command, "-l /log -d");
	assert_true(options.foreground);
	assert_int_equal(options.log_target, LOG_TO_FILE);
}

static void other_arguments_are_lines_of_configuration(void **)
{
	struct command command;
	struct options options = options_of(&command, "-x server_a_iburst allow -d");

	assert_true(options.null_clock);
	assert_true(options.foreground);
	assert_int_equal(options.config_line_count, 2);
	assert_string_equal(options.config_lines[0], "server a iburst");
	assert_string_equal(options.config_lines[1], "allow");
	options = options_of(&command, "-- -x");
	assert_false(options.null_clock);
	assert_int_equal(options.config_line_count, 1);
	assert_string_equal(options.config_lines[0], "-x");
	assert_int_equal(options_of(&command, "-v -z").action, OPTIONS_PRINT_VERSION);
}

static void what_is_wrong_is_said(void **)
{
	static const struct {
		const char *line, *message;
	} rows[] = {
		{ "-z", "-z: unknown option" },
		{ "-N 3", "-N: unknown option" },
		{ "--help", "--: unknown option" },
		{ "-x -f", "-f: needs an argument" },
		{ "-P x", "-P: \"x\" is not a whole number from 0 to 100" },
		{ "-P 101", "-P: \"101\" is not a whole number from 0 to 100" },
		{ "-L 4", "-L: \"4\" is not a whole number from -1 to 3" },
		{ "-F 9", "-F: \"9\" is not a whole number from -2 to 2" },
		{ "-t -1", "-t: \"-1\" is not a whole number from 0 to 2147483647" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct command command;

		command_run(&command, rows[i].line);
		assert_int_equal(command.result, -EINVAL);
		assert_string_equal(command.message, rows[i].message);
		assert_null(command.options.config_path);
	}
}

static void the_usage_names_every_letter(void **)
{
	for (const char *letter = "46dfFhlLmnpPqQrRstuUvx"; *letter; letter++) {
		char option[3] = { '-', *letter, '\0' };

		assert_non_null(strstr(options_usage(), option));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_given_means_a_daemon_with_the_default_file),
		cmocka_unit_test(letters_that_take_nothing_set_their_flag),
		cmocka_unit_test(whoever_sets_or_prints_once_waits_for_it),
		cmocka_unit_test(letters_that_take_a_value_store_it),
		cmocka_unit_test(the_log_goes_where_chronyds_would),
		cmocka_unit_test(other_arguments_are_lines_of_configuration),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(the_usage_names_every_letter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
