// SPDX-License-Identifier: BSD-3-Clause
// Who else steers the system clock, by command lines and by a made-up /proc.
#include "drivers/clock/rival.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void commands_that_steer_are_told_from_those_that_do_not(void **)
{
	static const struct {
		const char *comm, *arguments; // words apart by blanks
		bool steers;
	} rows[] = {
		{ "systemd-timesyn", "/lib/systemd/systemd-timesyncd", true },
		{ "chronyd", "/usr/sbin/chronyd -F 1", true },
		{ "chronyd", "/usr/sbin/chronyd -d -x -f x", false },
		{ "chronyd", "chronyd -dx", false },
		{ "chronyd", "-x", true }, // the program's own name is no option
		{ "chronyd", "", true },
		{ "ntpd", "/usr/sbin/ntpd -x -g", true }, // ntpd's -x slews
		{ "ntpd-rs", "ntp-daemon", true },
		{ "ptp4l", "ptp4l -i eth0 -m", false },
		{ "ptp4l", "ptp4l -i eth0 -S", true },
		{ "phc2sys", "phc2sys -s eth0 -w", true },
		{ "phc2sys", "phc2sys -s eth0 -c CLOCK_REALTIME -w", true },
		{ "phc2sys", "phc2sys -s eth0 -cCLOCK_REALTIME", true },
		{ "phc2sys", "phc2sys -s CLOCK_REALTIME -c eth0", true }, // safe side
		{ "phc2sys", "phc2sys -s eth1 -c eth0", false },
		{ "phc2sys", "phc2sys -a", false },
		{ "phc2sys", "phc2sys -a -r", true },
		{ "phc2sys", "phc2sys -arr", true },
		{ "chronyc", "chronyc", false },
		{ "timeballd", "timeballd -n", false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t length = strlen(rows[i].arguments);
		// Exactly as long, for the sanitizer to see any reading beyond.
		char *arguments = malloc(length + 1);

		memcpy(arguments, rows[i].arguments, length + 1);
		for (size_t j = 0; j < length; j++)
			if (arguments[j] == ' ')
				arguments[j] = '\0';
		if (rival_steers(rows[i].comm, arguments, length ? length + 1 : 0)
				!= rows[i].steers)
			fail_msg("%s: %s", rows[i].comm, rows[i].arguments);
		free(arguments);
	}
}

struct proc {
	char path[64];
};

static void write_file(const char *path, const char *text, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	fclose(file);
}

static void add_process(
		const struct proc *proc, const char *name, const char *comm, const char *network)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", proc->path, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/ns", proc->path, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/ns/net", proc->path, name);
	assert_int_equal(symlink(network, path), 0);
	snprintf(path, sizeof(path), "%s/%s/comm", proc->path, name);
	write_file(path, comm, strlen(comm));
	snprintf(path, sizeof(path), "%s/%s/cmdline", proc->path, name);
	write_file(path, "daemon\0-n", sizeof("daemon\0-n"));
}

static void set_rights(const struct proc *proc, const char *name, const char *capabilities)
{
	char path[128], text[128];

	snprintf(path, sizeof(path), "%s/%s/status", proc->path, name);
	snprintf(text, sizeof(text), "Name:\tchronyd\nCapPrm:\t000001ffffffffff\n%s\n",
			capabilities);
	write_file(path, text, strlen(text));
}

static int make_proc(void **state)
{
	struct proc *proc = calloc(1, sizeof(*proc));

	strcpy(proc->path, "/tmp/timeball-proc-XXXXXX");
	*state = proc;
	if (!mkdtemp(proc->path))
		return -1;
	add_process(proc, "self", "test\n", "net:[1]");
	add_process(proc, "1", "systemd\n", "net:[1]");
	add_process(proc, "acpi", "chronyd\n", "net:[1]");
	return 0;
}

static int remove_proc(void **state)
{
	struct proc *proc = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", proc->path);
	if (system(command))
		return -1;
	free(proc);
	return 0;
}

static void a_rival_in_our_network_is_named(void **state)
{
	struct proc *proc = *state;
	char problem[160] = "";

	assert_int_equal(rival_find(proc->path, problem, sizeof(problem)), 0);
	add_process(proc, "77", "chronyd\n", "net:[2]");
	assert_int_equal(rival_find(proc->path, problem, sizeof(problem)), 0);
	add_process(proc, "78", "chronyd\n", "net:[1]");
	assert_int_equal(rival_find(proc->path, problem, sizeof(problem)), -EBUSY);
	assert_string_equal(problem,
			"chronyd (process 78) keeps the system clock: stop it, or write "
			"`clock follow` to serve its time");
}

static void who_may_not_set_the_clock_is_no_rival(void **state)
{
	static const struct {
		const char *capabilities;
		int error;
	} rows[] = {
		{ "CapEff:\t0000000000000000", 0 },
		{ "CapEff:\t000001fffdffffff", 0 }, // all but CAP_SYS_TIME
		{ "CapEff:\t0000000002000000", -EBUSY }, { "CapEff:\t000001ffffffffff", -EBUSY },
		{ "", -EBUSY }, // safe side
	};
	struct proc *proc = *state;
	char problem[160];

	add_process(proc, "78", "chronyd\n", "net:[1]");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		set_rights(proc, "78", rows[i].capabilities);
		if (rival_find(proc->path, problem, sizeof(problem)) != rows[i].error)
			fail_msg("%s", rows[i].capabilities);
	}
}

static void no_proc_is_no_rival(void **)
{
	char problem[160] = "";

	assert_int_equal(rival_find("/nonexistent/proc", problem, sizeof(problem)), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_that_steer_are_told_from_those_that_do_not),
		cmocka_unit_test_setup_teardown(
				a_rival_in_our_network_is_named, make_proc, remove_proc),
		cmocka_unit_test_setup_teardown(
				who_may_not_set_the_clock_is_no_rival, make_proc, remove_proc),
		cmocka_unit_test(no_proc_is_no_rival),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
