// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/clock/rival.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMM_SIZE      17 // with its newline
#define ARGUMENTS_SIZE 4096
#define STATUS_SIZE    4096
#define LINK_SIZE      64

// The argument after `from` (NULL: the first), or NULL.
static const char *next_argument(const char *arguments, size_t length, const char *from)
{
	const char *end = arguments + length;
	const char *next = from ? from + strnlen(from, (size_t)(end - from)) + 1 : arguments;

	return next < end ? next : NULL;
}

// Whether the single-letter option is there, alone or among others (`-ar`).
static bool has_option(const char *arguments, size_t length, char letter)
{
	const char *word = next_argument(arguments, length, NULL); // the program itself

	while (word && (word = next_argument(arguments, length, word)))
		if (word[0] == '-' && isalpha((unsigned char)word[1]) && strchr(word, letter))
			return true;
	return false;
}

static bool has_word(const char *arguments, size_t length, const char *wanted)
{
	const char *word = next_argument(arguments, length, NULL);

	while (word && (word = next_argument(arguments, length, word)))
		if (!strcmp(word, wanted))
			return true;
	return false;
}

// phc2sys steers the system clock unless told to steer another; with -a only when told to.
static bool phc2sys_steers(const char *arguments, size_t length)
{
	if (has_option(arguments, length, 'a'))
		return has_option(arguments, length, 'r');
	return !has_option(arguments, length, 'c') || has_word(arguments, length, "CLOCK_REALTIME")
			|| has_word(arguments, length, "-cCLOCK_REALTIME");
}

bool rival_steers(const char *comm, const char *arguments, size_t length)
{
	if (!strcmp(comm, "chronyd"))
		return !has_option(arguments, length, 'x');
	if (!strcmp(comm, "phc2sys"))
		return phc2sys_steers(arguments, length);
	// With hardware stamps ptp4l steers the card's clock, with software stamps ours.
	if (!strcmp(comm, "ptp4l"))
		return has_option(arguments, length, 'S');
	return !strcmp(comm, "systemd-timesyn") || !strcmp(comm, "ntpd")
			|| !strcmp(comm, "ntpd-rs");
}

// At most size - 1 octets, with a NUL behind them. Returns how many, 0 when it cannot be read.
static size_t file_read(int folder, const char *name, char *text, size_t size)
{
	int file = openat(folder, name, O_RDONLY | O_CLOEXEC);
	ssize_t length = file < 0 ? 0 : read(file, text, size - 1);

	if (file >= 0)
		close(file);
	length = length < 0 ? 0 : length;
	text[length] = '\0';
	return (size_t)length;
}

static void link_read(int folder, const char *name, char text[LINK_SIZE])
{
	ssize_t length = readlinkat(folder, name, text, LINK_SIZE - 1);

	text[length < 0 ? 0 : length] = '\0';
}

// Whether a process with this /proc/PID/status may set the clock; yes, where it does not tell.
static bool may_set_clock(const char *status)
{
	static const char field[] = "\nCapEff:";
	const char *line = strstr(status, field);

	return !line || strtoull(line + strlen(field), NULL, 16) >> CAP_SYS_TIME & 1;
}

static bool process_is_rival(
		int processes, const char *number, const char *own_network, char comm[COMM_SIZE])
{
	char arguments[ARGUMENTS_SIZE], status[STATUS_SIZE], network[LINK_SIZE];
	int folder = openat(processes, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t length;

	if (folder < 0)
		return false;
	file_read(folder, "comm", comm, COMM_SIZE);
	comm[strcspn(comm, "\n")] = '\0';
	length = file_read(folder, "cmdline", arguments, sizeof(arguments));
	file_read(folder, "status", status, sizeof(status));
	link_read(folder, "ns/net", network);
	close(folder);
	return !strcmp(network, own_network) && rival_steers(comm, arguments, length)
			&& may_set_clock(status);
}

int rival_find(const char *proc, char *problem, size_t size)
{
	DIR *stream = opendir(proc);
	char own_network[LINK_SIZE], comm[COMM_SIZE];
	struct dirent *entry;
	int error = 0;

	if (!stream)
		return 0;
	link_read(dirfd(stream), "self/ns/net", own_network);
	while (!error && (entry = readdir(stream))) {
		if (!isdigit((unsigned char)entry->d_name[0])
				|| !process_is_rival(
						dirfd(stream), entry->d_name, own_network, comm))
			continue;
		snprintf(problem, size,
				"%s (process %s) keeps the system clock: stop it, or write `clock follow` to serve its time",
				comm, entry->d_name);
		error = -EBUSY;
	}
	closedir(stream);
	return error;
}
