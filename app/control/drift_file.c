// SPDX-License-Identifier: BSD-3-Clause
#include "control/drift_file.h"

#include "control/text_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PPM         1e-6
#define DRIFT_MOST  500'000 // ppm; no clock that is one gains or loses more
#define SKEW_MOST   1'000'000
#define SKEW_LEAST  1e-6 // the last digit that is written: less is no knowledge
#define WHITE_SPACE " \t\r\n"

// Returns 0 and moves `*at` behind the number, or -EINVAL.
static int take_number(const char **at, double least, double most, double *number)
{
	char *end;

	*number = strtod(*at, &end);
	// Not a number fails the comparison too.
	if (end == *at || !(*number >= least && *number <= most))
		return -EINVAL;
	*at = end;
	return 0;
}

int drift_parse(const char *text, struct drift *drift)
{
	double gain_ppm, skew_ppm;

	if (take_number(&text, -DRIFT_MOST, DRIFT_MOST, &gain_ppm) || strspn(text, WHITE_SPACE) == 0
			|| take_number(&text, 0, SKEW_MOST, &skew_ppm)
			|| text[strspn(text, WHITE_SPACE)] != '\0')
		return -EINVAL;
	*drift = (struct drift){
		.frequency = -gain_ppm * PPM,
		.skew = fmax(skew_ppm, SKEW_LEAST) * PPM,
	};
	return 0;
}

static double bounded(double number, double least, double most)
{
	return fmin(fmax(number, least), most);
}

size_t drift_print(const struct drift *drift, char text[DRIFT_TEXT_SIZE])
{
	// Zero without a sign.
	double gain_ppm = bounded(-drift->frequency / PPM, -DRIFT_MOST, DRIFT_MOST) + 0.0;
	double skew_ppm = bounded(drift->skew / PPM, SKEW_LEAST, SKEW_MOST);

	return (size_t)snprintf(text, DRIFT_TEXT_SIZE, "%20.6f %20.6f\n", gain_ppm, skew_ppm);
}

int drift_file_read(const char *path, struct drift *drift)
{
	char text[256];
	long length = text_file_read(path, text, sizeof(text));

	if (length == -EFBIG)
		return -EINVAL;
	return length < 0 ? (int)length : drift_parse(text, drift);
}

int drift_file_write(const char *path, const struct drift *drift)
{
	char text[DRIFT_TEXT_SIZE];
	size_t length = drift_print(drift, text);

	return text_file_replace(path, text, length);
}

int drift_file_update(struct drift_file *file, const struct drift *drift, double uptime_s)
{
	int error;

	if (!file->path || uptime_s - file->written_s < file->interval_s)
		return 0;
	file->written_s = uptime_s;
	error = drift_file_write(file->path, drift);
	return error ? error : 1;
}
