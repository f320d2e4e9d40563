// SPDX-License-Identifier: BSD-3-Clause
#include "config/suggest.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WORD_LENGTH 31 // longer words get no suggestion: no name is that long

// A third of the letters may be wrong, up to three; "pol" is near "pool", not near "log".
static unsigned distance_limit(const char *word)
{
	size_t length = strlen(word);

	return length < 3 ? 0 : length < 6 ? 1 : length < 9 ? 2 : 3;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static bool letters_equal(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
// edits[i][j] does so for the first i letters of `a` and the first j of `b`.
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned edits[WORD_LENGTH + 1][WORD_LENGTH + 1];
	size_t rows = strlen(a), columns = strlen(b);

	for (size_t i = 0; i <= rows; i++)
		edits[i][0] = (unsigned)i;
	for (size_t j = 0; j <= columns; j++)
		edits[0][j] = (unsigned)j;
	for (size_t i = 1; i <= rows; i++) {
		for (size_t j = 1; j <= columns; j++) {
			unsigned replaced =
					edits[i - 1][j - 1] + !letters_equal(a[i - 1], b[j - 1]);

			edits[i][j] = least(replaced, least(edits[i - 1][j], edits[i][j - 1]) + 1);
			if (i > 1 && j > 1 && letters_equal(a[i - 1], b[j - 2])
					&& letters_equal(a[i - 2], b[j - 1]))
				edits[i][j] = least(edits[i][j], edits[i - 2][j - 2] + 1);
		}
	}
	return edits[rows][columns];
}

struct suggestion suggestion_for(const char *word)
{
	return (struct suggestion){ .word = word, .distance = distance_limit(word) + 1 };
}

void suggestion_consider(struct suggestion *suggestion, const char *candidate)
{
	size_t length = strlen(suggestion->word), other = strlen(candidate);
	unsigned distance;

	// The words are at least as far apart as their lengths.
	if (length > WORD_LENGTH || other > WORD_LENGTH || length + suggestion->distance <= other
			|| other + suggestion->distance <= length)
		return;
	distance = edit_distance(suggestion->word, candidate);
	if (distance >= suggestion->distance)
		return;
	suggestion->distance = distance;
	suggestion->nearest = candidate;
}

const char *suggestion_print(const struct suggestion *suggestion, char text[SUGGESTION_TEXT_SIZE])
{
	text[0] = '\0';
	if (suggestion->nearest)
		snprintf(text, SUGGESTION_TEXT_SIZE, " (did you mean \"%s\"?)",
				suggestion->nearest);
	return text;
}
