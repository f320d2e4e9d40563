// SPDX-License-Identifier: BSD-3-Clause
// timeballd/clients and timeballd/policy: from directives to the size of tables, the limit, the rules.
#include "config_lines.h"
#include "server/acl.h"
#include "timeballd/clients.h"
#include "timeballd/policy.h"

#include <stdlib.h>
#include <string.h>

#define MEGABYTE (UINT64_C(1) << 20)

static int plan(struct clients *clients, const char *line, unsigned workers, char problem[256])
{
	struct config *config = config_read_good((const char *const[]){ line, NULL });
	int error = clients_plan(clients, config, workers, problem, 256);

	config_free(config);
	return error;
}

static void memory_is_shared_out_among_workers(void **)
{
	static const struct {
		const char *line;
		unsigned workers;
		uint64_t at_most; // each
	} rows[] = {
		{ "allow", 1, 64 * MEGABYTE },
		{ "allow", 7, 64 * MEGABYTE },
		{ "clientloglimit 536870912", 1, 512 * MEGABYTE },
		{ "clientloglimit 536870912", 3, 512 * MEGABYTE / 3 },
		{ "clientloglimit 17179869184", 2, 8192 * MEGABYTE },
		{ "clientloglimit 1024", 2, 512 },
		{ "noclientlog", 4, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct clients clients;
		char problem[256] = "";

		assert_int_equal(plan(&clients, rows[i].line, rows[i].workers, problem), 0);
		assert_int_equal(clients.count, rows[i].workers);
		assert_true(clients.size <= rows[i].at_most);
		assert_true(clients.size + 64 > rows[i].at_most || clients.size == 0);
		assert_true(clients.size != 0 || rows[i].at_most == 0);
		assert_true(clients_megabytes(&clients) * MEGABYTE
				>= clients.size * rows[i].workers);
		assert_string_equal(problem, "");
	}
}

static void too_little_for_a_line_is_an_error(void **)
{
	struct clients clients;
	char problem[256] = "", wanted[256];
	size_t least = sizeof(struct client_table) + 64;

	assert_int_equal(plan(&clients, "clientloglimit 1024", 100, problem), -EINVAL);
	snprintf(wanted, sizeof(wanted),
			"clientloglimit: 1024 bytes are not enough for 100 worker(s), "
			"at least %zu are, or `noclientlog`",
			100 * least);
	assert_string_equal(problem, wanted);
	snprintf(wanted, sizeof(wanted), "clientloglimit %zu", 100 * least);
	assert_int_equal(plan(&clients, wanted, 100, problem), 0);
	assert_int_equal(clients.size, least);
	snprintf(wanted, sizeof(wanted), "clientloglimit %zu", 100 * least - 1);
	assert_int_equal(plan(&clients, wanted, 100, problem), -EINVAL);
}

static struct policy *build(const char *const *lines, char text[POLICY_TEXT_SIZE])
{
	struct config *config = config_read_good(lines);
	char problem[256] = "";
	struct policy *policy = policy_build(config, ADDRESS_NONE, problem, sizeof(problem));

	assert_non_null(policy);
	policy_print_limit(&config->ratelimit, text);
	config_free(config);
	return policy;
}

static void the_limit_is_the_directives(void **)
{
	static const struct rate_limit_options wanted = {
		.interval = -3,
		.burst = 200,
		.leak = 3,
		.kod = 1,
		.ipv4_bits = 24,
		.ipv6_bits = 56,
	};
	struct rate_limit limit;
	char text[POLICY_TEXT_SIZE];
	struct policy *policy =
			build((const char *const[]){ "ratelimit interval -3 burst 200 leak 3 "
						     "kod 1 ipv4mask /24 ipv6mask /56",
					      NULL },
					text);

	rate_limit_init(&limit, &wanted);
	assert_memory_equal(&policy->limit, &limit, sizeof(limit));
	assert_string_equal(text,
			"rate limit interval -3 burst 200 leak 3 kod 1 "
			"ipv4mask /24 ipv6mask /56");
	policy_free(policy);

	policy = build((const char *const[]){ "allow", NULL }, text);
	rate_limit_init(&limit, NULL);
	assert_memory_equal(&policy->limit, &limit, sizeof(limit));
	assert_string_equal(text, "no rate limit");
	policy_free(policy);
}

// What is kept of the table is all that lookups read.
static void a_thousand_rules_are_kept_whole(void **)
{
	struct config *config = config_new();
	struct config_problem problem;
	char line[64];

	assert_non_null(config);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "allow 10.%u.%u.%u", i % 7, i % 251, i % 241);
		assert_int_equal(config_read_argument(config, line, i + 1, &problem), 0);
	}
	struct policy *policy = policy_build(config, ADDRESS_NONE, line, sizeof(line));

	assert_non_null(policy);
	for (unsigned i = 0; i < 1000; i++) {
		struct address address = config->access[i].subnet.address;

		assert_true(acl_allows(policy->access, &address));
		address.bytes[1] = 9;
		assert_false(acl_allows(policy->access, &address));
	}
	policy_free(policy);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_shared_out_among_workers),
		cmocka_unit_test(too_little_for_a_line_is_an_error),
		cmocka_unit_test(the_limit_is_the_directives),
		cmocka_unit_test(a_thousand_rules_are_kept_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
