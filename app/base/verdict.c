// SPDX-License-Identifier: BSD-3-Clause
#include "base/verdict.h"

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[VERDICT_COUNT] = {
#define VERDICT_NAME(name, text, help) [VERDICT_##name] = text,
		VERDICTS(VERDICT_NAME)
#undef VERDICT_NAME
	};

	return names[verdict];
}

const char *verdict_help(enum verdict verdict)
{
	static const char *const helps[VERDICT_COUNT] = {
#define VERDICT_HELP(name, text, help) [VERDICT_##name] = help,
		VERDICTS(VERDICT_HELP)
#undef VERDICT_HELP
	};

	return helps[verdict];
}
