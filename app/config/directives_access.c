// SPDX-License-Identifier: BSD-3-Clause
// Who is answered: allow, deny and their command siblings, `[all] [subnet|name]`; and how often:
// ratelimit, noclientlog.
#include "config/readers.h"
#include "config/shapes.h"
#include "config/text_list.h"
#include "config/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Fills the rule but for `where`; `host` is still the statement's word.
static int rule_read(const struct statement *statement, struct config_access *rule)
{
	bool all = statement->word_count && !strcasecmp(statement->words[0], "all");
	unsigned subnets = statement->word_count - all;
	char *word;

	rule->all = all;
	if (!subnets)
		return 0;
	word = statement->words[statement->word_count - 1];
	if (subnets > 1)
		return statement_refuse(statement, "unexpected \"%.64s\"", word);
	if (!value_parse_subnet(word, &rule->subnet))
		return 0;
	if (!value_is_host_name(word))
		return statement_refuse(
				statement, "\"%.64s\" is neither a subnet nor a host name", word);
	rule->host = word;
	return 0;
}

static int rule_store(const struct statement *statement, const struct config_access *rule)
{
	struct config *config = statement->config;
	struct config_access *rules, stored = *rule;

	stored.where = statement_place(statement);
	stored.host = rule->host ? strdup(rule->host) : NULL;
	rules = array_grow(config->access, config->access_count, sizeof(*rules));
	if (rules)
		config->access = rules;
	if (!rules || !stored.where || (rule->host && !stored.host)) {
		free(stored.where);
		free(stored.host);
		return statement_out_of_memory(statement);
	}
	rules[config->access_count++] = stored;
	return 0;
}

static int access_read(const struct statement *statement, bool allow)
{
	struct config_access rule = { .allow = allow };
	int error = rule_read(statement, &rule);

	return error ? error : rule_store(statement, &rule);
}

int allow_read(struct statement *statement)
{
	return access_read(statement, true);
}

int deny_read(struct statement *statement)
{
	return access_read(statement, false);
}

int command_access_read(struct statement *statement)
{
	struct config_access rule = { 0 };

	return rule_read(statement, &rule);
}

// An IP address, or the absolute path of a Unix socket.
int command_address_read(struct statement *statement)
{
	const char *word = statement->words[0];

	if (*word == '/')
		return 0;
	return argument_read(statement, "bindcmdaddress", word, &type_address, NULL);
}

int ratelimit_read(struct statement *statement)
{
	struct config_ratelimit *limit = &statement->config->ratelimit;
	struct config_ratelimit read = {
		.enabled = true,
		.interval = 3,
		.burst = 8,
		.leak = 2,
		.ipv4_bits = 32,
		.ipv6_bits = 128,
	};
	int error = options_read(statement, 0, options_ratelimit, &read);

	if (error)
		return error;
	read.where = statement_place(statement);
	if (!read.where)
		return statement_out_of_memory(statement);
	free(limit->where);
	*limit = read;
	return 0;
}

int noclientlog_read(struct statement *statement)
{
	statement->config->noclientlog = true;
	return 0;
}
