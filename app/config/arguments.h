// SPDX-License-Identifier: BSD-3-Clause
// What the words of a directive must be, as data: types of values, and options (`minpoll 4`,
// `iburst`). Checks them, and stores those that have a place to go.
#pragma once

#include "config/statement.h"

#include <stddef.h>

enum value_kind {
	VALUE_UNSIGNED, // unsigned, within min..max
	VALUE_INTEGER,  // int, within min..max
	VALUE_SIZE,     // uint64_t, within min..max
	VALUE_REAL,     // double, within min..max
	VALUE_TEXT,     // char *, anything; what it replaces is freed
	VALUE_CHOICE,   // unsigned, the index in `choices`
	VALUE_ADDRESS,  // checked only
	VALUE_HOST,     // a name or an address, checked only
};

struct value_type {
	enum value_kind kind;
	double min;
	double max;
	const char *const *choices; // ends with NULL
};

struct option {
	const char *name;              // NULL ends a list of options
	const struct value_type *type; // NULL: no value, the name alone sets a bool
	size_t offset;                 // of the member to fill
	// Instead of `type`, for what no type describes. Returns 0, or -errno with the statement refused.
	int (*read)(const struct statement *statement, const char *word, void *target);
};

// Checks one word and stores it at `place` (NULL: checks only). `what` names it in the message.
// Returns 0, or -errno with the statement refused.
int argument_read(const struct statement *statement, const char *what, const char *word,
		const struct value_type *type, void *place);
// Reads the options from word `index` to the last. `target` is the struct to fill, NULL: checks only.
// Returns as argument_read().
int options_read(const struct statement *statement, unsigned index, const struct option *options,
		void *target);
