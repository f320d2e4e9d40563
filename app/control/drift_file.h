// SPDX-License-Identifier: BSD-3-Clause
// The drift file: how fast the clock goes wrong when nobody corrects it, from one run to the next. The
// format is chronyd's, and each reads what the other has written: ppm by which the clock gains, and how
// doubtful that is.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DRIFT_TEXT_SIZE 64

struct drift {
	double frequency; // the clock's correction, as local_clock's set_frequency() takes it: a clock that
			// gains has a negative one
	double skew; // a fraction too
};

// Pure. Returns 0, or -EINVAL for anything but two numbers that may be true of a clock.
int drift_parse(const char *text, struct drift *drift);
// Pure. Returns the length.
size_t drift_print(const struct drift *drift, char text[DRIFT_TEXT_SIZE]);

// Returns 0 or -errno: -EINVAL for bad content, -ENOENT when there is none yet.
int drift_file_read(const char *path, struct drift *drift);
int drift_file_write(const char *path, const struct drift *drift);

// When to write: at the first update that is `interval_s` after the last time, or after the start.
struct drift_file {
	const char *path; // NULL: never
	double interval_s;
	double written_s; // uptime, at first that of the start
};

// Writes it if it is due. Returns 1 if it was written, 0 if not, or -errno; then it is tried again after
// the next interval.
int drift_file_update(struct drift_file *file, const struct drift *drift, double uptime_s);
