// SPDX-License-Identifier: BSD-3-Clause
// timeballd's command line: chronyd's letters with chronyd's meaning. Pure: reads argv, prints and
// opens nothing.
#pragma once

#include "base/address.h"
#include "base/log.h"

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_DEFAULT_CONFIG "/etc/timeball/timeball.conf"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_PRINT_CONFIG,  // -p: print what the configuration says and exit
	OPTIONS_PRINT_VERSION, // -v
	OPTIONS_PRINT_USAGE,   // -h
};

// What becomes of the clock.
enum options_mode {
	OPTIONS_STEER,
	OPTIONS_SET_ONCE,   // -q
	OPTIONS_PRINT_ONCE, // -Q
};

// Strings belong to argv.
struct options {
	enum options_action action;
	enum options_mode mode;
	const char *config_path;    // -f
	char *const *config_lines;  // the other arguments, each a line of configuration
	unsigned config_line_count; // 0: read the file
	enum address_family family; // -4, -6: resolve names to this one only; NONE: to either
	bool foreground;            // -d, -n, -q, -Q: do not become a daemon
	enum log_target log_target; // log_path with -l, else stderr with -d, -q, -Q, else syslog
	const char *log_path;       // -l
	enum log_severity log_severity; // -L, the least that is logged; a second -d: debug
	bool lock_all;                  // -m, as the directive lock_all
	int sched_priority;             // -P, overrides the directive; -1: not given
	unsigned exit_after_s;          // -t; 0: run on
	const char *user;               // -u, overrides the directive; NULL: not given
	bool needs_root;                // cleared by -U and -Q: start as whoever one is
	bool recall;                    // -r: what was measured before, see dumpdir
	bool null_clock;                // -x: never touch the system clock, steer one of our own
};

// Fills `options`. Accepts -F, -R and -s without effect. Returns 0, or -EINVAL with one line for
// the operator in `message`. Moves the arguments that are no options to the end of argv, as getopt().
int options_parse(int argc, char **argv, struct options *options, char *message, size_t size);
// What -h prints.
const char *options_usage(void);
