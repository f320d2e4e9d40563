// SPDX-License-Identifier: BSD-3-Clause
// What is done to the clock, and what is written down of it: the directives that a row of the table
// cannot store.
#include "config/readers.h"
#include "config/shapes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DRIFTFILE_INTERVAL_S 3600

int bindacqaddress_read(struct statement *statement)
{
	struct address address = { 0 };
	int error = argument_read(
			statement, "bindacqaddress", statement->words[0], &type_address, NULL);

	if (error)
		return error;
	address_parse(statement->words[0], &address);
	statement->config->upstream.bindacqaddress[address.family == ADDRESS_IPV6] = address;
	return 0;
}

int driftfile_read(struct statement *statement)
{
	static const struct option options[] = {
		{ .name = "interval",
				.type = &type_seconds,
				.offset = offsetof(struct config_driftfile, interval) },
		{ 0 },
	};
	struct config_driftfile *driftfile = &statement->config->upstream.driftfile;
	struct config_driftfile read = { .interval = DRIFTFILE_INTERVAL_S };
	int error = options_read(statement, 1, options, &read);

	if (error)
		return error;
	read.path = strdup(statement->words[0]);
	if (!read.path)
		return statement_out_of_memory(statement);
	free(driftfile->path);
	*driftfile = read;
	return 0;
}

// Several lines add up.
int log_read(struct statement *statement)
{
	static const char *const names[] = { "measurements", "rawmeasurements", "refclocks", "rtc",
		"selection", "statistics", "tempcomp", "tracking", NULL };
	static const struct value_type log_name = { .kind = VALUE_CHOICE, .choices = names };
	struct config_upstream *upstream = &statement->config->upstream;
	const struct {
		const char *name;
		bool *wanted;
	} logs[] = {
		{ "measurements", &upstream->log_measurements },
		{ "selection", &upstream->log_selection },
		{ "statistics", &upstream->log_statistics },
		{ "tracking", &upstream->log_tracking },
	};
	int error = 0;

	for (unsigned i = 0; i < statement->word_count && !error; i++) {
		const char *word = statement->words[i];
		bool known = false;
		unsigned choice;

		error = argument_read(statement, "log", word, &log_name, &choice);
		for (size_t j = 0; j < sizeof(logs) / sizeof(*logs) && !error; j++) {
			if (strcasecmp(word, logs[j].name))
				continue;
			*logs[j].wanted = true;
			known = true;
		}
		if (!error && !known)
			error = statement_notice(statement, " %s: accepted, has no effect yet",
					names[choice]);
	}
	return error;
}

int makestep_read(struct statement *statement)
{
	struct config_makestep read;
	int error = argument_read(
			statement, "makestep", statement->words[0], &type_seconds, &read.threshold);

	if (!error)
		error = argument_read(statement, "makestep", statement->words[1], &type_integer,
				&read.limit);
	if (!error)
		statement->config->upstream.makestep = read;
	return error;
}

int maxchange_read(struct statement *statement)
{
	struct config_maxchange read = { .enabled = true };
	int error = argument_read(
			statement, "maxchange", statement->words[0], &type_seconds, &read.offset);

	if (!error)
		error = argument_read(statement, "maxchange", statement->words[1], &type_integer,
				&read.start);
	if (!error)
		error = argument_read(statement, "maxchange", statement->words[2], &type_integer,
				&read.ignore);
	if (!error)
		statement->config->upstream.maxchange = read;
	return error;
}

int rtcsync_read(struct statement *statement)
{
	statement->config->upstream.rtcsync = true;
	return 0;
}
