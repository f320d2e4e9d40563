// SPDX-License-Identifier: BSD-3-Clause
// What is written down of sources and clock: drift file, measurements, statistics, selection, tracking.
// The control thread's.
#pragma once

#include "control/drift_file.h"
#include "control/log_files.h"
#include "control/member.h"
#include "control/sources.h"

struct records_options {
	struct drift_file drift; // path and interval
	const char *log_folder;  // NULL: no log files
	unsigned log_banner;
	bool logs_wanted[LOG_FILES];
};

struct records {
	struct drift_file drift;
	struct log_files logs;
	struct discipline *discipline;
	unsigned updates_seen;
	int drift_error; // said once
};

// What cannot be opened is said in the log, and done without.
void records_open(struct records *records, const struct records_options *options,
		struct discipline *discipline);
// With what the drift file is to be left with, if the clock was corrected.
void records_close(struct records *records, utc_t now);
// After an answer was looked at and the clock steered by it. `before` is what was claimed last.
void records_answer(struct records *records, struct sources *sources, const struct member *member,
		enum association_verdict verdict, const struct reference *before);
