// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/options.h"
#include "timeball-bench/outcome.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

#define WORDS 24

// Splits a line at its blanks and has it parsed.
static int parse(const char *line, struct options *options, char message[200])
{
	static char text[1000];
	char *argv[WORDS] = { "timeball-bench" };
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	message[0] = '\0';
	return options_parse(argc, argv, options, message, 200);
}

static struct options parsed(const char *line)
{
	struct options options;
	char message[200];

	if (parse(line, &options, message))
		fail_msg("%s: %s", line, message);
	return options;
}

static void defaults_search_with_ten_thousand_clients(void **)
{
	struct options options = parsed("net_null0 192.0.2.1");

	assert_string_equal(options.device, "net_null0");
	assert_true(options.search && options.min_rate == 1000 && options.max_rate == 20e6);
	assert_int_equal(options.count, 10'000);
	assert_true(options.ipv6 == 0);
	assert_int_equal(options.port, 123);
	assert_int_equal(options.version, 4);
}

static void rates_are_a_list_or_a_range(void **)
{
	struct options options = parsed("--rate 100,2k,1.5M d 192.0.2.1");

	assert_int_equal(options.rate_count, 3);
	assert_true(options.rates[0] == 100 && options.rates[1] == 2000
			&& options.rates[2] == 1'500'000);
	assert_false(options.search);
	options = parsed("--rate 1k-200k d 192.0.2.1");
	assert_true(options.rate_count == 0 && options.min_rate == 1000
			&& options.max_rate == 200'000);
	assert_false(options.search);
	assert_true(parsed("--rate 1k-200k --search d 192.0.2.1").search);
}

static void families_follow_the_servers(void **)
{
	assert_true(parsed("d 192.0.2.1 fd00::1").ipv6 == 0.5);
	assert_true(parsed("d fd00::1").ipv6 == 1);
	assert_true(parsed("--ipv6 20 d fd00::1 192.0.2.1").ipv6 == 0.2);
}

static void addresses_go_to_their_family(void **)
{
	struct options options =
			parsed("--clients 10.0.0.0/8 --clients fd00:5::/64 --address fd00::2 "
			       "--gateway 192.0.2.9 --mac 02:1:2:3:4:fF --count 16777214 "
			       "d 192.0.2.1 fd00::1");

	assert_int_equal(options.clients[FAMILY_IPV4].prefix_bits, 8);
	assert_int_equal(options.clients[FAMILY_IPV6].prefix_bits, 64);
	assert_int_equal(options.own[FAMILY_IPV4].family, ADDRESS_NONE);
	assert_int_equal(options.own[FAMILY_IPV6].bytes[15], 2);
	assert_int_equal(options.gateways[FAMILY_IPV4].bytes[3], 9);
	assert_true(options.has_mac);
	assert_int_equal(options.mac[5], 0xff);
	assert_int_equal(options.count, 16'777'214);
}

static void count_is_what_the_prefix_holds(void **)
{
	assert_int_equal(parsed("--clients 10.0.0.0/24 d 192.0.2.1").count, 254);
	// The prefix of a family that nobody asks over does not matter.
	assert_int_equal(parsed("--clients 10.0.0.0/24 d fd00::1").count, 10'000);
}

static void percents_become_shares(void **)
{
	struct options options = parsed("--interleaved 25 --loss 0.1 --resolution 5 d 192.0.2.1");

	assert_true(options.interleaved == 0.25 && options.loss == 0.001
			&& options.resolution == 0.05);
}

static void mistakes_are_told(void **)
{
	static const struct {
		const char *line;
		const char *says;
	} mistakes[] = {
		{ "", "needs a device and a server" },
		{ "d", "needs a device and a server" },
		{ "d host.example", "\"host.example\" is not an IP address" },
		{ "d 192.0.2.1 192.0.2.2", "more than one server of a family" },
		{ "--rates 5 d 192.0.2.1", "" }, // a prefix of nothing
		{ "--rate", "needs an argument" },
		{ "--rate 0 d 192.0.2.1", "--rate: \"0\" is not requests/s" },
		{ "--rate 5x d 192.0.2.1", "--rate:" },
		{ "--rate 5, d 192.0.2.1", "--rate:" },
		{ "--rate 9-5 d 192.0.2.1", "--rate:" },
		{ "--rate 5,6-7 d 192.0.2.1", "--rate:" },
		{ "--rate 5-6-7 d 192.0.2.1", "--rate:" },
		{ "--rate nan d 192.0.2.1", "--rate:" },
		{ "--search --rate 5 d 192.0.2.1", "--search needs a --rate of the form MIN-MAX" },
		{ "--ipv6 10 d 192.0.2.1", "--ipv6: there is no server for IPv6" },
		{ "--ipv6 10 d fd00::1", "--ipv6: there is no server for IPv4" },
		{ "--vlan 4095 d 192.0.2.1", "--vlan: \"4095\" is not a number from 1 to 4094" },
		{ "--vlan 1.5 d 192.0.2.1", "--vlan:" },
		{ "--mac 01:0:0:0:0:0 d 192.0.2.1", "--mac:" },
		{ "--mac 02:0:0:0:0 d 192.0.2.1", "--mac:" },
		{ "--mac 02:0:0:0:0:0:0 d 192.0.2.1", "--mac:" },
		{ "--clients 10.0.0.0 d 192.0.2.1", "--clients:" },
		{ "--clients 10.0.0.0/33 d 192.0.2.1", "--clients:" },
		{ "--clients 10.0.0.0/ d 192.0.2.1", "--clients:" },
		{ "--clients 10.0.0.0/24 --count 255 d 192.0.2.1",
				"--count: 10.0.0.0/24 has room for 254 clients" },
		{ "--plot a.pdf d 192.0.2.1", "--plot: \"a.pdf\" is not a file that ends in" },
		{ "--gaps random d 192.0.2.1", "--gaps:" },
		{ "-x d 192.0.2.1", "-x: unknown option" },
	};

	for (unsigned i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct options options;
		char message[200];

		if (parse(mistakes[i].line, &options, message) != -EINVAL)
			fail_msg("\"%s\" was taken", mistakes[i].line);
		if (!message[0] || !strstr(message, mistakes[i].says))
			fail_msg("\"%s\": %s", mistakes[i].line, message);
	}
}

static void usage_needs_nothing_else(void **)
{
	assert_true(parsed("--help").wants_usage);
	assert_true(parsed("--version").wants_version);
}

static void manual_explains_every_outcome(void **)
{
	char *manual = read_manual("timeball-bench.8");

	for (enum outcome i = 0; i < OUTCOME_COUNT; i++) {
		char entry[200];

		snprintf(entry, sizeof(entry), ".It Cm %s\n%s.\n", outcome_name(i),
				outcome_help(i));
		if (!strstr(manual, entry))
			fail_msg("timeball-bench.8 lacks %s", entry);
	}
	free(manual);
}

// Each option of the usage text, and no other, has its paragraph.
static void manual_explains_every_option(void **)
{
	char *manual = read_manual("timeball-bench.8");
	unsigned in_usage = 0, in_manual = 0;

	for (const char *at = options_usage(); (at = strstr(at, " --")); at += 3) {
		char entry[100];
		size_t length = strcspn(at + 3, " =,\n");

		// Only where one is introduced.
		if (at[-1] != ' ' && strncmp(at, " --version", 10) != 0)
			continue;
		snprintf(entry, sizeof(entry), ".It Fl \\-%.*s", (int)length, at + 3);
		if (!strstr(manual, entry))
			fail_msg("timeball-bench.8 lacks %s", entry);
		in_usage++;
	}
	for (const char *at = manual; (at = strstr(at, ".It Fl ")); at++)
		in_manual++;
	assert_int_equal(in_manual, in_usage);
	free(manual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_search_with_ten_thousand_clients),
		cmocka_unit_test(rates_are_a_list_or_a_range),
		cmocka_unit_test(families_follow_the_servers),
		cmocka_unit_test(addresses_go_to_their_family),
		cmocka_unit_test(count_is_what_the_prefix_holds),
		cmocka_unit_test(percents_become_shares),
		cmocka_unit_test(mistakes_are_told),
		cmocka_unit_test(usage_needs_nothing_else),
		cmocka_unit_test(manual_explains_every_outcome),
		cmocka_unit_test(manual_explains_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
