// SPDX-License-Identifier: BSD-3-Clause
#include "base/verdict.h"
#include "unit.h"

#include <string.h>

static void manual_explains_every_counter(void **)
{
	char *manual = read_manual("timeballd.8");

	for (int v = VERDICT_PENDING + 1; v < VERDICT_COUNT; v++) {
		char entry[200];

		snprintf(entry, sizeof(entry), ".It Cm %s\n%s.\n", verdict_name(v),
				verdict_help(v));
		if (!strstr(manual, entry))
			fail_msg("timeballd.8 lacks %s", entry);
	}
	free(manual);
}

static void names_are_told_apart(void **)
{
	for (int a = 0; a < VERDICT_COUNT; a++) {
		for (int b = 0; b < a; b++)
			assert_string_not_equal(verdict_name(a), verdict_name(b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manual_explains_every_counter),
		cmocka_unit_test(names_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
