// SPDX-License-Identifier: BSD-3-Clause
// Reading configuration from lines in a test, good ones and bad.
#pragma once

#include "config/config.h"
#include "unit.h"

#include <errno.h>

// Reads lines up to NULL. Returns the configuration, or NULL with `problem` filled.
static inline struct config *config_read(const char *const *lines, struct config_problem *problem)
{
	struct config *config = config_new();
	int error = 0;

	assert_non_null(config);
	for (unsigned i = 0; lines[i] && !error; i++)
		error = config_read_argument(config, lines[i], i + 1, problem);
	if (!error)
		error = config_finish(config, problem);
	if (!error)
		return config;
	assert_int_equal(error, -EINVAL);
	config_free(config);
	return NULL;
}

static inline struct config *config_read_good(const char *const *lines)
{
	struct config_problem problem = { "" };
	struct config *config = config_read(lines, &problem);

	if (!config)
		fail_msg("%s", problem.text);
	return config;
}

static inline void assert_refused(const char *const *lines, const char *text)
{
	struct config_problem problem = { "" };
	struct config *config = config_read(lines, &problem);

	if (config)
		fail_msg("\"%s\" was accepted", lines[0]);
	assert_string_equal(problem.text, text);
}
