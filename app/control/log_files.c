// SPDX-License-Identifier: BSD-3-Clause
#include "control/log_files.h"

#include "base/log.h"
#include "control/log_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Three lines; the middle one is as wide as the lines of signs.
static const struct {
	const char *name, *columns;
} kinds[LOG_FILES] = {
	[LOG_FILE_MEASUREMENTS] = { "measurements",
			"   Date (UTC) Time     IP Address   L St 123 567 ABCD  LP RP Score    Offset  Peer del. Peer disp.  Root del. Root disp. Refid     MTxRx" },
	[LOG_FILE_SELECTION] = { "selection",
			"   Date (UTC) Time     IP Address   S EOpts Reach Score Last sample  Low end   High end" },
	[LOG_FILE_STATISTICS] = { "statistics",
			"   Date (UTC) Time     IP Address    Std dev'n Est offset  Offset sd  Diff freq   Est skew  Stress  Ns  Bs  Nr  Asym" },
	[LOG_FILE_TRACKING] = { "tracking",
			"   Date (UTC) Time     IP Address   St   Freq ppm   Skew ppm     Offset L Co  Offset sd Rem. corr. Root delay Root disp. Max. error" },
};

const char *log_file_name(enum log_file which)
{
	return kinds[which].name;
}

static int file_open(const struct log_files *logs, enum log_file which)
{
	char path[PATH_MAX];
	int file;

	if (snprintf(path, sizeof(path), "%s/%s.log", logs->folder, kinds[which].name)
			>= (int)sizeof(path))
		return -ENAMETOOLONG;
	file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	return file < 0 ? -errno : file;
}

void log_files_close(struct log_files *logs)
{
	for (int i = 0; i < LOG_FILES; i++) {
		if (logs->files[i].file >= 0)
			close(logs->files[i].file);
		logs->files[i].file = -1;
	}
}

int log_files_open(struct log_files *logs, const char *folder, unsigned banner,
		const bool wanted[LOG_FILES], enum log_file *which)
{
	*logs = (struct log_files){ .folder = folder, .banner = banner };
	for (int i = 0; i < LOG_FILES; i++)
		logs->files[i].file = -1;
	*which = LOG_FILES;
	if (mkdir(folder, 0750) && errno != EEXIST)
		return -errno;
	for (int i = 0; i < LOG_FILES; i++) {
		int file = wanted[i] ? file_open(logs, i) : -1;

		if (wanted[i] && file < 0) {
			*which = i;
			log_files_close(logs);
			return file;
		}
		logs->files[i].file = file;
	}
	return 0;
}

void log_files_reopen(struct log_files *logs)
{
	for (int i = 0; i < LOG_FILES; i++) {
		int file;

		if (logs->files[i].file < 0)
			continue;
		file = file_open(logs, i);
		if (file < 0)
			log_error("%s/%s.log: %s", logs->folder, kinds[i].name, strerror(-file));
		close(logs->files[i].file);
		logs->files[i].file = file < 0 ? -1 : file;
		logs->files[i].lines = 0;
	}
}

// The column names between two lines of signs. Returns the length.
static size_t banner_print(const char *columns, char *text)
{
	size_t width = strlen(columns);
	char *end = text;

	memset(end, '=', width);
	end[width] = '\n';
	end = stpcpy(end + width + 1, columns);
	*end++ = '\n';
	memset(end, '=', width);
	end[width] = '\n';
	return (size_t)(end + width + 1 - text);
}

void log_files_write(struct log_files *logs, enum log_file which, const char *line)
{
	char text[4 * LOG_LINE_SIZE];
	size_t length = 0;
	ssize_t written;

	if (!log_files_want(logs, which))
		return;
	if (logs->banner && logs->files[which].lines++ % logs->banner == 0)
		length = banner_print(kinds[which].columns, text);
	length += (size_t)snprintf(text + length, LOG_LINE_SIZE, "%.*s\n", LOG_LINE_SIZE - 2, line);
	written = write(logs->files[which].file, text, length);
	if (written != (ssize_t)length && !logs->files[which].failing)
		log_error("%s/%s.log: %s", logs->folder, kinds[which].name,
				written < 0 ? strerror(errno) : "the disk is full");
	logs->files[which].failing = written != (ssize_t)length;
}
