// SPDX-License-Identifier: BSD-3-Clause
// Which configurations make a server, a client, or nothing.
#include "config_lines.h"
#include "timeballd/supported.h"

#include <string.h>

static void servers_and_clients_are_told_apart(void **)
{
	static const char serve[] = "serve net_tap0 address 198.18.0.1/24";
	static const struct {
		const char *lines[4];
		bool is_client;
		const char *problem; // part of it, NULL: none
	} rows[] = {
		{ { "local" }, false, "nobody to follow" },
		{ { "local", "server 127.127.1.1" }, false, "nobody to follow" },
		{ { serve, "allow" }, false, NULL },
		{ { serve, "allow", "server a" }, false, NULL },
		{ { serve, "allow", "port 0" }, false, "`port 0`" },
		{ { serve, "server a", "port 0" }, true, NULL },
		{ { "server a" }, true, NULL },
		{ { "pool a iburst", "local" }, true, NULL },
		{ { "serve kernel", "server a" }, false, "`serve kernel`" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct config *config = config_read_good(rows[i].lines);
		char problem[256] = "";
		int error = supported_check(config, problem, sizeof(problem));

		assert_int_equal(supported_is_client(config), rows[i].is_client);
		assert_int_equal(error, rows[i].problem ? -EINVAL : 0);
		if (rows[i].problem && !strstr(problem, rows[i].problem))
			fail_msg("%s", problem);
		config_free(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_and_clients_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
