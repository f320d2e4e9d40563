// SPDX-License-Identifier: BSD-3-Clause
// The log files that `log` asks for: `logdir`/NAME.log, each with a banner over its columns now and then.
// The control thread's.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum log_file {
	LOG_FILE_MEASUREMENTS,
	LOG_FILE_SELECTION,
	LOG_FILE_STATISTICS,
	LOG_FILE_TRACKING,
	LOG_FILES,
};

struct log_files {
	const char *folder;
	unsigned banner; // lines between two, 0: none
	struct {
		int file; // -1: not wanted
		unsigned lines;
		bool failing;
	} files[LOG_FILES];
};

// Opens those that are wanted, and makes the folder if there is none. Returns 0 or -errno, then with
// nothing left open and the file that failed in `which` (LOG_FILES: the folder).
int log_files_open(struct log_files *logs, const char *folder, unsigned banner,
		const bool wanted[LOG_FILES], enum log_file *which);
void log_files_close(struct log_files *logs); // also half-opened ones, or twice
// After the files have been moved away: opens new ones. One that cannot be opened is told in the log and
// written no more.
void log_files_reopen(struct log_files *logs);

static inline bool log_files_want(const struct log_files *logs, enum log_file which)
{
	return logs->files[which].file >= 0;
}

// Adds a line, without its newline and not longer than LOG_LINE_SIZE. A disk that is full is told once.
void log_files_write(struct log_files *logs, enum log_file which, const char *line);
// As in `logdir`/NAME.log.
const char *log_file_name(enum log_file which);
