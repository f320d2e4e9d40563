// SPDX-License-Identifier: BSD-3-Clause
#include "config/arguments.h"

#include "config/suggest.h"
#include "config/values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COMPLAINT_SIZE 192

static int whole_number_read(const struct value_type *type, const char *word, void *place,
		char complaint[COMPLAINT_SIZE])
{
	int64_t number;

	if (value_parse_integer(word, (int64_t)type->min, (int64_t)type->max, &number)) {
		snprintf(complaint, COMPLAINT_SIZE,
				"\"%.64s\" is not a whole number from %.15g to %.15g", word,
				type->min, type->max);
		return -EINVAL;
	}
	if (place && type->kind == VALUE_UNSIGNED)
		*(unsigned *)place = (unsigned)number;
	else if (place && type->kind == VALUE_SIZE)
		*(uint64_t *)place = (uint64_t)number;
	else if (place)
		*(int *)place = (int)number;
	return 0;
}

static int real_number_read(const struct value_type *type, const char *word, void *place,
		char complaint[COMPLAINT_SIZE])
{
	double number;

	if (value_parse_real(word, type->min, type->max, &number)) {
		snprintf(complaint, COMPLAINT_SIZE, "\"%.64s\" is not a number from %.10g to %.10g",
				word, type->min, type->max);
		return -EINVAL;
	}
	if (place)
		*(double *)place = number;
	return 0;
}

static int text_read(const char *word, char **place)
{
	char *copy;

	if (!place)
		return 0;
	copy = strdup(word);
	if (!copy)
		return -ENOMEM;
	free(*place);
	*place = copy;
	return 0;
}

static int choice_read(const struct value_type *type, const char *word, void *place,
		char complaint[COMPLAINT_SIZE])
{
	struct suggestion suggestion = suggestion_for(word);
	char nearest[SUGGESTION_TEXT_SIZE];

	for (unsigned i = 0; type->choices[i]; i++) {
		if (strcasecmp(type->choices[i], word))
			continue;
		if (place)
			*(unsigned *)place = i;
		return 0;
	}
	for (unsigned i = 0; type->choices[i]; i++)
		suggestion_consider(&suggestion, type->choices[i]);
	snprintf(complaint, COMPLAINT_SIZE, "\"%.64s\" is unknown%s", word,
			suggestion_print(&suggestion, nearest));
	return -EINVAL;
}

static int address_check(
		const struct value_type *type, const char *word, char complaint[COMPLAINT_SIZE])
{
	struct address address;

	if (!address_parse(word, &address))
		return 0;
	if (type->kind == VALUE_HOST && value_is_host_name(word))
		return 0;
	snprintf(complaint, COMPLAINT_SIZE, "\"%.64s\" is not %s", word,
			type->kind == VALUE_HOST ? "a host name or an IP address"
						 : "an IP address");
	return -EINVAL;
}

static int word_read(const struct value_type *type, const char *word, void *place,
		char complaint[COMPLAINT_SIZE])
{
	switch (type->kind) {
	case VALUE_UNSIGNED:
	case VALUE_INTEGER:
	case VALUE_SIZE:
		return whole_number_read(type, word, place, complaint);
	case VALUE_REAL:
		return real_number_read(type, word, place, complaint);
	case VALUE_CHOICE:
		return choice_read(type, word, place, complaint);
	case VALUE_ADDRESS:
	case VALUE_HOST:
		return address_check(type, word, complaint);
	case VALUE_TEXT:
		return text_read(word, place);
	}
	return -EINVAL;
}

int argument_read(const struct statement *statement, const char *what, const char *word,
		const struct value_type *type, void *place)
{
	char complaint[COMPLAINT_SIZE];
	int error = word_read(type, word, place, complaint);

	if (error == -ENOMEM)
		return statement_out_of_memory(statement);
	if (error)
		return statement_refuse(statement, "%s %s", what, complaint);
	return 0;
}

static const struct option *option_find(
		const struct statement *statement, const char *word, const struct option *options)
{
	struct suggestion suggestion = suggestion_for(word);
	char nearest[SUGGESTION_TEXT_SIZE];

	for (const struct option *option = options; option->name; option++)
		if (!strcasecmp(option->name, word))
			return option;
	for (const struct option *option = options; option->name; option++)
		suggestion_consider(&suggestion, option->name);
	statement_refuse(statement, "unknown option \"%.64s\"%s", word,
			suggestion_print(&suggestion, nearest));
	return NULL;
}

// Reads the option at word `*index` and moves `*index` behind it.
static int option_read(const struct statement *statement, unsigned *index,
		const struct option *options, void *target)
{
	const struct option *option = option_find(statement, statement->words[*index], options);
	const char *word;
	void *place;

	if (!option)
		return -EINVAL;
	*index += 1;
	place = target ? (char *)target + option->offset : NULL;
	if (!option->type && !option->read) {
		if (place)
			*(bool *)place = true;
		return 0;
	}
	if (*index == statement->word_count)
		return statement_refuse(statement, "%s needs a value", option->name);
	word = statement->words[*index];
	*index += 1;
	if (option->read)
		return option->read(statement, word, target);
	return argument_read(statement, option->name, word, option->type, place);
}

int options_read(const struct statement *statement, unsigned index, const struct option *options,
		void *target)
{
	int error = 0;

	while (index < statement->word_count && !error)
		error = option_read(statement, &index, options, target);
	return error;
}
