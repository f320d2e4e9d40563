// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/outcome.h"

const char *outcome_name(enum outcome outcome)
{
	static const char *const names[OUTCOME_COUNT] = {
#define OUTCOME_NAME(name, text, help) [OUTCOME_##name] = text,
		OUTCOME_ENDS(OUTCOME_NAME) OUTCOME_OTHERS(OUTCOME_NAME)
#undef OUTCOME_NAME
	};

	return names[outcome];
}

const char *outcome_help(enum outcome outcome)
{
	static const char *const helps[OUTCOME_COUNT] = {
#define OUTCOME_HELP(name, text, help) [OUTCOME_##name] = help,
		OUTCOME_ENDS(OUTCOME_HELP) OUTCOME_OTHERS(OUTCOME_HELP)
#undef OUTCOME_HELP
	};

	return helps[outcome];
}
