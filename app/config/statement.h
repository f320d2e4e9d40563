// SPDX-License-Identifier: BSD-3-Clause
// One line of the configuration while it is read: its words, where it stands, and the two things
// that can be said about it: why it is refused, and what the operator should know.
#pragma once

#include "config/config.h"

#define STATEMENT_WORDS (CONFIG_LINE_SIZE / 2) // no line has more: words are apart

struct directive;

struct statement {
	struct config *config;
	struct config_problem *problem; // filled when the statement is refused
	const struct directive *directive;
	const char *file;             // NULL: the command line
	unsigned line;                // from 1
	unsigned depth;               // of include
	char *words[STATEMENT_WORDS]; // behind the directive's name
	unsigned word_count;
};

// `LEAD at line N in file FTAIL`. Returns -EINVAL.
int statement_fail(const struct statement *statement, const char *lead, const char *tail);
// `Could not parse X directive at line N in file F: ` and the formatted reason. Returns -EINVAL.
[[gnu::format(printf, 2, 3)]] int statement_refuse(
		const struct statement *statement, const char *format, ...);
// Returns -ENOMEM and says so.
int statement_out_of_memory(const struct statement *statement);

// `file:line`, in memory of the caller's, or NULL.
char *statement_place(const struct statement *statement);
// Adds `file:line: X` and the formatted text, unless a notice says the same of an earlier line.
// Returns 0 or -ENOMEM.
[[gnu::format(printf, 2, 3)]] int statement_notice(
		const struct statement *statement, const char *format, ...);
