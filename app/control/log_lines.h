// SPDX-License-Identifier: BSD-3-Clause
// The lines of the log files, in the columns that chrony.conf(5) documents under `log`, for scripts that
// read chronyd's. Pure: struct in, text out. Seconds, and chrony's signs.
#pragma once

#include "base/utc.h"
#include "ntp/packet.h"
#include "sync/sample.h"

#include <stdbool.h>
#include <stddef.h>

#define LOG_LINE_SIZE 256

enum log_line_test { // of a measurement, RFC 5905's numbers and chrony's letters
	LOG_TEST_1,  // not a duplicate
	LOG_TEST_2,  // answers our request
	LOG_TEST_3,  // has all its timestamps
	LOG_TEST_5,  // authentic
	LOG_TEST_6,  // synchronised
	LOG_TEST_7,  // root distance and reference time
	LOG_TEST_A,  // maxdelay
	LOG_TEST_B,  // maxdelayratio
	LOG_TEST_C,  // maxdelaydevratio, maxdelayquant
	LOG_TEST_D,  // no synchronisation loop
	LOG_TESTS,
};

struct log_measurement {
	utc_t time;
	const char *source; // its address
	enum ntp_leap leap;
	unsigned stratum;
	bool passed[LOG_TESTS];
	int local_poll, remote_poll; // log2 s
	double score;                // of the choice of poll
	double offset;               // positive: our clock is slow
	double delay, dispersion, root_delay, root_dispersion;
	uint32_t refid;
	bool interleaved;
	enum stamp_level sent_by, received_by;
};

struct log_statistics {
	utc_t time;
	const char *source;
	double deviation; // of single measurements
	double offset;    // positive: our clock is fast
	double offset_deviation;
	double frequency; // s/s, positive: our clock gains
	double skew;
	double stress; // change of the frequency over its error before
	unsigned samples, dropped, runs;
	double asymmetry; // of the jitter, -0.5..0.5
};

struct log_selection {
	utc_t time;
	const char *source;
	char state; // * + - ? x ~ N s M d w S O T W P U D
	bool noselect, prefer, trust, require;
	unsigned reach; // of the last eight polls
	double score;
	double last_sample; // ago
	double low, high;   // ends of the interval that holds the true offset
};

struct log_tracking {
	utc_t time;
	const char *source;
	unsigned stratum;     // ours
	double frequency_ppm; // positive: the clock gains
	double skew_ppm;
	double offset; // positive: the clock is fast
	enum ntp_leap leap;
	unsigned combined; // sources
	double offset_deviation;
	double remaining; // correction, positive: the clock is slow
	double root_delay, root_dispersion;
	double max_error; // since the last update
};

// Each returns the length, without a newline.
size_t log_measurement_print(const struct log_measurement *from, char text[LOG_LINE_SIZE]);
size_t log_statistics_print(const struct log_statistics *from, char text[LOG_LINE_SIZE]);
size_t log_selection_print(const struct log_selection *from, char text[LOG_LINE_SIZE]);
size_t log_tracking_print(const struct log_tracking *from, char text[LOG_LINE_SIZE]);

// `logchange`: what the system log is told of a correction (positive: forward). False when it is not worth
// a word.
bool log_change_print(double correction, double threshold, char text[LOG_LINE_SIZE]);
