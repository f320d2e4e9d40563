// SPDX-License-Identifier: BSD-3-Clause
#include "control/log_lines.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define MOMENT_SIZE 32

static void moment_print(utc_t moment, char text[MOMENT_SIZE])
{
	uint32_t rest_ns;
	time_t seconds = utc_seconds(moment, &rest_ns);
	struct tm parts;

	gmtime_r(&seconds, &parts);
	strftime(text, MOMENT_SIZE, "%Y-%m-%d %H:%M:%S", &parts);
}

static char leap_letter(enum ntp_leap leap)
{
	static const char letters[] = "N+-?";

	return letters[leap & 3];
}

static char level_letter(enum stamp_level level)
{
	static const char letters[] = {
		[STAMP_DAEMON] = 'D', [STAMP_KERNEL] = 'K', [STAMP_HARDWARE] = 'H'
	};

	return letters[level];
}

static size_t ended(int length)
{
	return length < LOG_LINE_SIZE ? (size_t)length : LOG_LINE_SIZE - 1;
}

static void tests_print(const bool *passed, unsigned count, char *text)
{
	for (unsigned i = 0; i < count; i++)
		text[i] = passed[i] ? '1' : '0';
	text[count] = '\0';
}

size_t log_measurement_print(const struct log_measurement *from, char text[LOG_LINE_SIZE])
{
	char moment[MOMENT_SIZE], on_wire[4], claims[4], delays[5];

	moment_print(from->time, moment);
	tests_print(&from->passed[LOG_TEST_1], 3, on_wire);
	tests_print(&from->passed[LOG_TEST_5], 3, claims);
	tests_print(&from->passed[LOG_TEST_A], 4, delays);
	return ended(snprintf(text, LOG_LINE_SIZE,
			"%s %-15s %c %2u %s %s %s  %2d %2d %4.2f %10.3e %10.3e %10.3e %10.3e %10.3e %08X 4%c %c %c",
			moment, from->source, leap_letter(from->leap), from->stratum, on_wire,
			claims, delays, from->local_poll, from->remote_poll, from->score,
			from->offset, from->delay, from->dispersion, from->root_delay,
			from->root_dispersion, from->refid, from->interleaved ? 'I' : 'B',
			level_letter(from->sent_by), level_letter(from->received_by)));
}

size_t log_statistics_print(const struct log_statistics *from, char text[LOG_LINE_SIZE])
{
	char moment[MOMENT_SIZE];

	moment_print(from->time, moment);
	return ended(snprintf(text, LOG_LINE_SIZE,
			"%s %-15s %10.3e %10.3e %10.3e %10.3e %10.3e %7.1e %3u %3u %3u %5.2f",
			moment, from->source, from->deviation, from->offset, from->offset_deviation,
			from->frequency, from->skew, from->stress, from->samples, from->dropped,
			from->runs, from->asymmetry));
}

size_t log_selection_print(const struct log_selection *from, char text[LOG_LINE_SIZE])
{
	char moment[MOMENT_SIZE];
	const char options[] = { from->noselect ? 'N' : '-', from->prefer ? 'P' : '-',
		from->trust ? 'T' : '-', from->require ? 'R' : '-', '-', '\0' };

	moment_print(from->time, moment);
	return ended(snprintf(text, LOG_LINE_SIZE, "%s %-15s %c %s %4o %5.2f %10.3e %10.3e %10.3e",
			moment, from->source, from->state, options, from->reach & 0xff, from->score,
			from->last_sample, from->low, from->high));
}

size_t log_tracking_print(const struct log_tracking *from, char text[LOG_LINE_SIZE])
{
	char moment[MOMENT_SIZE];

	moment_print(from->time, moment);
	return ended(snprintf(text, LOG_LINE_SIZE,
			"%s %-15s %2u %10.3f %10.3f %10.3e %c %2u %10.3e %10.3e %10.3e %10.3e %10.3e",
			moment, from->source, from->stratum, from->frequency_ppm, from->skew_ppm,
			from->offset, leap_letter(from->leap), from->combined,
			from->offset_deviation, from->remaining, from->root_delay,
			from->root_dispersion, from->max_error));
}

bool log_change_print(double correction, double threshold, char text[LOG_LINE_SIZE])
{
	if (!(fabs(correction) > threshold))
		return false;
	snprintf(text, LOG_LINE_SIZE, "System clock wrong by %.6f seconds", correction);
	return true;
}
