// SPDX-License-Identifier: BSD-3-Clause
#include "config/statement.h"

#include "config/directives.h"
#include "config/text_list.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The configuration is quoted in messages; it shall not move the terminal's cursor.
static void text_make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

int statement_fail(const struct statement *statement, const char *lead, const char *tail)
{
	char *text = statement->problem->text;
	size_t size = sizeof(statement->problem->text);

	if (statement->file)
		snprintf(text, size, "%s at line %u in file %s%s", lead, statement->line,
				statement->file, tail);
	else
		snprintf(text, size, "%s at line %u of the command line%s", lead, statement->line,
				tail);
	text_make_printable(text);
	return -EINVAL;
}

int statement_refuse(const struct statement *statement, const char *format, ...)
{
	char lead[96], tail[256] = ": ";
	va_list arguments;

	snprintf(lead, sizeof(lead), "Could not parse %s directive", statement->directive->name);
	va_start(arguments, format);
	vsnprintf(tail + 2, sizeof(tail) - 2, format, arguments);
	va_end(arguments);
	return statement_fail(statement, lead, tail);
}

int statement_out_of_memory(const struct statement *statement)
{
	statement_fail(statement, "Out of memory", "");
	return -ENOMEM;
}

char *statement_place(const struct statement *statement)
{
	const char *file = statement->file ? statement->file : "command line";
	char *place;

	return asprintf(&place, "%s:%u", file, statement->line) < 0 ? NULL : place;
}

// Notices are equal when they are so behind the place where they arose.
static bool notice_is_known(const struct config *config, const char *text)
{
	for (unsigned i = 0; i < config->notice_count; i++) {
		const char *notice = config->notices[i];
		size_t length = strlen(notice);

		if (length >= strlen(text) && !strcmp(notice + length - strlen(text), text))
			return true;
	}
	return false;
}

int statement_notice(const struct statement *statement, const char *format, ...)
{
	struct config *config = statement->config;
	char text[256], *place, *notice;
	va_list arguments;
	int length;

	length = snprintf(text, sizeof(text), ": %s", statement->directive->name);
	va_start(arguments, format);
	vsnprintf(text + length, sizeof(text) - (size_t)length, format, arguments);
	va_end(arguments);
	if (notice_is_known(config, text))
		return 0;
	place = statement_place(statement);
	if (!place || asprintf(&notice, "%s%s", place, text) < 0)
		notice = NULL;
	free(place);
	if (text_list_append(&config->notices, &config->notice_count, notice))
		return statement_out_of_memory(statement);
	return 0;
}
