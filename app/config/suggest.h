// SPDX-License-Identifier: BSD-3-Clause
// "Did you mean ...?": the nearest of the words that would have been valid.
#pragma once

#include <stddef.h>

struct suggestion {
	const char *word;    // as the operator wrote it
	const char *nearest; // NULL while nothing is near enough
	unsigned distance;   // in edits; only a nearer candidate takes the place of `nearest`
};

#define SUGGESTION_TEXT_SIZE 64

struct suggestion suggestion_for(const char *word);
void suggestion_consider(struct suggestion *suggestion, const char *candidate);
// Fills `text` with ` (did you mean "..."?)`, or with nothing, and returns it.
const char *suggestion_print(const struct suggestion *suggestion, char text[SUGGESTION_TEXT_SIZE]);
