// SPDX-License-Identifier: BSD-3-Clause
// server, pool, peer: whom we ask for the time, and what an address of ntpd's for a reference clock
// means here.
#include "config/directives.h"
#include "config/readers.h"
#include "config/shapes.h"
#include "config/text_list.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct config_source source_defaults = {
	.port = 123,
	.maxsources = 4,
	.minpoll = 6,
	.maxpoll = 10,
	.presend = CONFIG_PRESEND_NEVER,
	.polltarget = 8,
	.version = 4,
	.maxunreach = 100'000,
	.maxdelay = 3.0,
	.maxdelaydevratio = 10.0,
	.asymmetry = CONFIG_ASYMMETRY_UNSAID,
	.ntsport = 4460,
};

static bool address_is_refclock(const struct address *address)
{
	return address->family == ADDRESS_IPV4 && address->bytes[0] == 127
			&& address->bytes[1] == 127;
}

// Values are numbers, so a word that is an option's name is that option.
static bool option_is_given(const struct statement *statement, const char *name)
{
	for (unsigned i = 1; i < statement->word_count; i++)
		if (!strcasecmp(statement->words[i], name))
			return true;
	return false;
}

static int options_without_effect_tell(const struct statement *statement)
{
	static const struct {
		const char *name, *why;
	} rows[] = {
		{ "key", "has no effect yet: without authentication it is never selected" },
		{ "nts", "has no effect yet: without authentication it is never selected" },
		{ "certset", "has no effect yet" },
		{ "copy", "has no effect yet" },
		{ "extfield", "has no effect yet" },
		{ "filter", "has no effect yet" },
		{ "offline", "has no effect yet" },
		{ "auto_offline", "has no effect yet" },
		{ "maxsamples", "ignored: the estimate has no window of samples to bound" },
		{ "minsamples", "ignored: the estimate has no window of samples to bound" },
	};
	int error = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && !error; i++)
		if (option_is_given(statement, rows[i].name))
			error = statement_notice(statement, " %.64s: %s: accepted, %s",
					statement->words[0], rows[i].name, rows[i].why);
	return error;
}

static int source_store(const struct statement *statement, const struct config_source *source)
{
	struct config_upstream *upstream = &statement->config->upstream;
	struct config_source *sources, stored = *source;

	stored.host = strdup(statement->words[0]);
	stored.where = statement_place(statement);
	sources = array_grow(upstream->sources, upstream->source_count, sizeof(*sources));
	if (sources)
		upstream->sources = sources;
	if (!sources || !stored.host || !stored.where) {
		free(stored.host);
		free(stored.where);
		return statement_out_of_memory(statement);
	}
	sources[upstream->source_count++] = stored;
	return 0;
}

// ntpd's driver 1 is the undisciplined local clock.
static int refclock_tell(const struct statement *statement, const struct address *address)
{
	const char *instead = address->bytes[2] == 1 ? "the local clock is served by \"local\""
						     : "reference clocks are given by \"refclock\"";

	return statement_notice(
			statement, " %s: accepted, ignored: %s", statement->words[0], instead);
}

int source_read(struct statement *statement)
{
	const char *name = statement->directive->name, *host = statement->words[0];
	struct config_source source = source_defaults;
	struct address address;
	int error = argument_read(statement, name, host, &type_host, NULL);

	if (!error)
		error = options_read(statement, 1, options_source, &source);
	if (error)
		return error;
	if (!address_parse(host, &address) && address_is_refclock(&address)) {
		error = refclock_tell(statement, &address);
		return error ? error : DIRECTIVE_TOLD;
	}
	if (statement->directive->effect != EFFECT_NOW)
		return 0;
	source.is_pool = !strcmp(name, "pool");
	source.noselect |= source.key || source.nts;
	if (source.maxpoll < source.minpoll)
		source.maxpoll = source.minpoll;
	error = options_without_effect_tell(statement);
	return error ? error : source_store(statement, &source);
}
