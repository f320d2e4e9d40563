// SPDX-License-Identifier: BSD-3-Clause
// The one table of directives: what chrony.conf and timeball know, what each must look like, and
// what it does here.
#pragma once

#include "config/arguments.h"

enum directive_effect {
	EFFECT_NOW,
	EFFECT_INCLUDE,  // like EFFECT_NOW, but what it names is printed in its place
	EFFECT_LATER,    // chrony's meaning, one day
	EFFECT_NEVER,    // makes no sense here
	EFFECT_OBSOLETE, // chrony itself no longer supports it
};

#define DIRECTIVE_TOLD 1

struct directive {
	const char *name;
	enum directive_effect effect;
	unsigned min_words;
	unsigned max_words;
	// What the words must be. With `options` they follow the words that have a type; without, the
	// last type holds for all further words. None at all: left to `read`, or anything goes.
	const struct value_type *types[4]; // up to NULL
	const struct option *options;      // only checked
	size_t offset; // in struct config, where the first word goes; 0: nowhere
	// What a table cannot say; called when the words have passed. Returns 0, DIRECTIVE_TOLD when
	// the operator need hear no more about it, or -errno with the statement refused.
	int (*read)(struct statement *statement);
	// Of EFFECT_LATER, NULL: "has no effect yet". Of EFFECT_NEVER, NULL: nothing is said.
	const char *reason;
};

// Finds the directive named `name` in any case, or NULL with the statement refused.
const struct directive *directive_find(const struct statement *statement, const char *name);
// Checks the words, takes their effect, and says what has none. Returns 0 or -errno.
int directive_read(struct statement *statement);

// The n-th directive of the table in alphabetical order, NULL behind the last.
const struct directive *directive_at(unsigned index);
