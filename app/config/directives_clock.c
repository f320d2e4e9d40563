// SPDX-License-Identifier: BSD-3-Clause
// The directives about which time is served: clock, local, tempcomp.
#include "config/arguments.h"
#include "config/readers.h"
#include "config/shapes.h"

#define ORPHAN_WAIT_S 300.0
#define UNSET         -1.0

int clock_read(struct statement *statement)
{
	static const char *const names[] = {
		[CONFIG_CLOCK_SYSTEM] = "system",
		[CONFIG_CLOCK_FOLLOW] = "follow",
		NULL,
	};
	static const struct value_type clock = { .kind = VALUE_CHOICE, .choices = names };
	static const struct option options[] = {
		{ .name = "stratum",
				.type = &type_stratum,
				.offset = offsetof(struct config, follow_stratum) },
		{ 0 },
	};
	struct config *config = statement->config;
	int error = argument_read(statement, "clock", statement->words[0], &clock, &config->clock);

	if (error)
		return error;
	config->follow_stratum = CONFIG_FOLLOW_STRATUM;
	if (config->clock == CONFIG_CLOCK_FOLLOW)
		return options_read(statement, 1, options, config);
	if (statement->word_count > 1)
		return statement_refuse(statement, "system takes no options");
	return 0;
}

int local_read(struct statement *statement)
{
	static const struct option options[] = {
		{ .name = "activate",
				.type = &type_seconds,
				.offset = offsetof(struct config_local, activate) },
		{ .name = "distance",
				.type = &type_seconds,
				.offset = offsetof(struct config_local, distance) },
		{ .name = "orphan", .offset = offsetof(struct config_local, orphan) },
		{ .name = "stratum",
				.type = &type_stratum,
				.offset = offsetof(struct config_local, stratum) },
		{ .name = "waitsynced",
				.type = &type_seconds,
				.offset = offsetof(struct config_local, waitsynced) },
		{ .name = "waitunsynced",
				.type = &type_seconds,
				.offset = offsetof(struct config_local, waitunsynced) },
		{ 0 },
	};
	struct config_local local = {
		.enabled = true,
		.stratum = 10,
		.distance = 1.0,
		.waitsynced = UNSET,
		.waitunsynced = UNSET,
	};
	int error = options_read(statement, 0, options, &local);

	if (error)
		return error;
	if (local.waitsynced == UNSET)
		local.waitsynced = local.orphan ? ORPHAN_WAIT_S : 0.0;
	if (local.waitunsynced == UNSET)
		local.waitunsynced = local.orphan ? ORPHAN_WAIT_S : 0.0;
	statement->config->local = local;
	return 0;
}

// FILE INTERVAL POINTS, or FILE INTERVAL T0 k0 k1 k2.
int tempcomp_read(struct statement *statement)
{
	int error = 0;

	if (statement->word_count == 3)
		return 0;
	if (statement->word_count != 6)
		return statement_refuse(statement, "takes 3 or 6 arguments");
	for (unsigned i = 2; i < 6 && !error; i++)
		error = argument_read(statement, "tempcomp", statement->words[i], &type_real, NULL);
	return error;
}
