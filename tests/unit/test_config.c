// SPDX-License-Identifier: BSD-3-Clause
// app/config by single lines: what the struct holds afterwards, and what only the whole can show.
#include "config_lines.h"

#include <string.h>

static void comments_blanks_and_case_do_not_matter(void **)
{
	struct config *config = config_read_good((const char *const[]){ "", " \t\r", "# port 1",
			"  ! port 2", ";port 3", "\t%port 4", " PoRt\t 5 \r", NULL });

	assert_int_equal(config->port, 5);
	assert_int_equal(config->line_count, 1);
	assert_string_equal(config->lines[0], "port 5");
	config_free(config);
	// A comment sign later in a line is an ordinary word.
	assert_refused((const char *const[]){ "port 5 # five", NULL },
			"Too many arguments for port directive at line 1 of the command line");
}

static void defaults_hold_where_nothing_is_written(void **)
{
	struct config *config = config_read_good((const char *const[]){ NULL });

	assert_int_equal(config->serve_count, 0);
	assert_int_equal(config->cores.control, -1);
	assert_int_equal(config->cores.worker_count, 0);
	assert_int_equal(config->clock, CONFIG_CLOCK_SYSTEM);
	assert_false(config->local.enabled);
	assert_int_equal(config->access_count, 0);
	assert_false(config->ratelimit.enabled);
	assert_int_equal(config->clientloglimit, 0);
	assert_false(config->noclientlog);
	assert_int_equal(config->pollmode, CONFIG_POLLMODE_BUSY);
	assert_string_equal(config->pidfile, "/run/timeball/timeballd.pid");
	assert_null(config->user);
	assert_true(config->maxclockerror_ppm == 1.0);
	assert_true(config->clockprecision_s == 0.0);
	assert_int_equal(config->port, 123);
	assert_int_equal(config->dscp, 0);
	assert_int_equal(config->sched_priority, 0);
	assert_false(config->lock_all);
	assert_int_equal(config->line_count, 0);
	assert_int_equal(config->notice_count, 0);
	config_free(config);
}

static void single_values_are_stored_and_the_last_wins(void **)
{
	struct config *config = config_read_good((const char *const[]){ "port 124", "port 11123",
			"dscp 46", "maxclockerror 0.5", "clockprecision 1e-9", "lock_all",
			"sched_priority 100", "user a", NULL });

	assert_int_equal(config->port, 11123);
	assert_int_equal(config->dscp, 46);
	assert_true(config->maxclockerror_ppm == 0.5);
	assert_true(config->clockprecision_s == 1e-9);
	assert_true(config->lock_all);
	assert_int_equal(config->sched_priority, 99);
	assert_string_equal(config->user, "a");
	config_free(config);

	config = config_read_good(
			(const char *const[]){ "pidfile /", "pidfile /a", "pidfile /b", NULL });
	assert_string_equal(config->pidfile, "/b");
	config_free(config);
	config = config_read_good((const char *const[]){ "pidfile /b", "pidfile /", NULL });
	assert_null(config->pidfile);
	config_free(config);
}

static void local_takes_chronys_options_and_defaults(void **)
{
	struct config *config = config_read_good(
			(const char *const[]){ "local stratum 5 orphan", "local", NULL });

	assert_true(config->local.enabled);
	assert_false(config->local.orphan);
	assert_int_equal(config->local.stratum, 10);
	assert_true(config->local.distance == 1.0);
	assert_true(config->local.activate == 0.0);
	assert_true(config->local.waitsynced == 0.0);
	assert_true(config->local.waitunsynced == 0.0);
	config_free(config);

	config = config_read_good((const char *const[]){
			"local Stratum 1 orphan distance 0.25 activate 0.5 waitsynced 7", NULL });
	assert_true(config->local.orphan);
	assert_int_equal(config->local.stratum, 1);
	assert_true(config->local.distance == 0.25);
	assert_true(config->local.activate == 0.5);
	assert_true(config->local.waitsynced == 7.0);
	assert_true(config->local.waitunsynced == 300.0);
	config_free(config);
}

static void ratelimit_takes_chronys_options_and_prefixes(void **)
{
	struct config *config = config_read_good((const char *const[]){
			"ratelimit interval -19 burst 255 leak 4 kod 4 ipv4mask /28 ipv6mask 64",
			NULL });
	const struct config_ratelimit *limit = &config->ratelimit;

	assert_true(limit->enabled);
	assert_int_equal(limit->interval, -19);
	assert_int_equal(limit->burst, 255);
	assert_int_equal(limit->leak, 4);
	assert_int_equal(limit->kod, 4);
	assert_int_equal(limit->ipv4_bits, 28);
	assert_int_equal(limit->ipv6_bits, 64);
	config_free(config);

	// The last wins whole: what it does not say is as if nothing had been said before.
	config = config_read_good((const char *const[]){
			"ratelimit interval 12 burst 1 leak 1 kod 1 ipv4mask 1 ipv6mask /1",
			"RateLimit", NULL });
	limit = &config->ratelimit;
	assert_true(limit->enabled);
	assert_int_equal(limit->interval, 3);
	assert_int_equal(limit->burst, 8);
	assert_int_equal(limit->leak, 2);
	assert_int_equal(limit->kod, 0);
	assert_int_equal(limit->ipv4_bits, 32);
	assert_int_equal(limit->ipv6_bits, 128);
	assert_string_equal(limit->where, "command line:2");
	config_free(config);
}

static void memory_for_clients_may_be_large_or_none(void **)
{
	struct config *config = config_read_good((const char *const[]){ "clientloglimit 1024",
			"clientloglimit 17179869184", "pollmode adaptive", NULL });

	assert_int_equal(config->clientloglimit, UINT64_C(16) << 30);
	assert_int_equal(config->pollmode, CONFIG_POLLMODE_ADAPTIVE);
	config_free(config);
	config = config_read_good((const char *const[]){ "noclientlog", "clientloglimit 4096",
			"pollmode adaptive", "pollmode busy", NULL });
	assert_true(config->noclientlog);
	assert_int_equal(config->pollmode, CONFIG_POLLMODE_BUSY);
	config_free(config);
}

static void a_rate_limit_needs_to_know_its_clients(void **)
{
	assert_refused((const char *const[]){ "noclientlog", "allow", "ratelimit burst 4", NULL },
			"command line:3: ratelimit: "
			"Rate limiting cannot be enabled with noclientlog");
	assert_refused((const char *const[]){ "ratelimit", "noclientlog", NULL },
			"command line:1: ratelimit: "
			"Rate limiting cannot be enabled with noclientlog");
}

static void the_last_clock_wins_whole(void **)
{
	struct config *config = config_read_good(
			(const char *const[]){ "clock follow stratum 7", "clock follow", NULL });

	assert_int_equal(config->clock, CONFIG_CLOCK_FOLLOW);
	assert_int_equal(config->follow_stratum, 2);
	config_free(config);
	config = config_read_good((const char *const[]){ "clock follow", "clock SYSTEM", NULL });
	assert_int_equal(config->clock, CONFIG_CLOCK_SYSTEM);
	config_free(config);
	config = config_read_good((const char *const[]){ "clock follow stratum 7", NULL });
	assert_int_equal(config->follow_stratum, 7);
	config_free(config);
}

static void the_last_cores_wins_whole(void **)
{
	struct config *config = config_read_good(
			(const char *const[]){ "cores control 3", "cores workers 1-3,5", NULL });

	assert_int_equal(config->cores.control, -1);
	assert_int_equal(config->cores.worker_count, 4);
	assert_int_equal(config->cores.workers[0], 1);
	assert_int_equal(config->cores.workers[3], 5);
	config_free(config);
	config = config_read_good((const char *const[]){ "cores control 1 workers 1", NULL });
	assert_int_equal(config->cores.control, 1);
	assert_int_equal(config->cores.workers[0], 1);
	config_free(config);
}

static void serve_lines_accumulate(void **)
{
	struct config *config = config_read_good((const char *const[]){
			"serve net_af_packet0,iface=eth1,qdisc_bypass=1 address 192.168.1.10/24",
			"serve 0000:03:00.0 address 10.0.0.1/8 address 2001:db8::7/64 workers 4 hwtimestamp "
			"require",
			"serve kernel", "serve net_af_xdp0,iface=eth0 shared workers 2", "allow",
			NULL });
	const struct config_serve *serve = config->serves;
	char text[SUBNET_TEXT_SIZE];

	assert_int_equal(config->serve_count, 4);
	assert_string_equal(serve[0].device, "net_af_packet0,iface=eth1,qdisc_bypass=1");
	assert_int_equal(serve[0].address_count, 1);
	assert_string_equal(subnet_print(&serve[0].addresses[0], text), "192.168.1.10/24");
	assert_int_equal(serve[0].workers, 1);
	assert_int_equal(serve[0].hwtimestamp, CONFIG_HWTIMESTAMP_AUTO);
	assert_string_equal(serve[0].where, "command line:1");
	assert_string_equal(serve[1].device, "0000:03:00.0");
	assert_int_equal(serve[1].address_count, 2);
	assert_string_equal(subnet_print(&serve[1].addresses[1], text), "2001:db8::7/64");
	assert_int_equal(serve[1].workers, 4);
	assert_int_equal(serve[1].hwtimestamp, CONFIG_HWTIMESTAMP_REQUIRE);
	assert_string_equal(serve[2].device, "kernel");
	assert_int_equal(serve[2].address_count, 0);
	assert_false(serve[2].shared);
	assert_true(serve[3].shared);
	assert_int_equal(serve[3].workers, 2);
	config_free(config);
}

static void access_rules_keep_their_order(void **)
{
	struct config *config = config_read_good((const char *const[]){ "allow", "deny all 10/8",
			"allow ntp.example.net", "cmdallow 1.2.3.4", "deny all",
			"allow 192.168.1.77/24", NULL });
	const struct config_access *rule = config->access;
	char text[SUBNET_TEXT_SIZE];

	assert_int_equal(config->access_count, 5);
	assert_true(rule[0].allow && !rule[0].all && !rule[0].host);
	assert_int_equal(rule[0].subnet.address.family, ADDRESS_NONE);
	assert_true(!rule[1].allow && rule[1].all);
	assert_string_equal(subnet_print(&rule[1].subnet, text), "10.0.0.0/8");
	assert_string_equal(rule[2].host, "ntp.example.net");
	assert_string_equal(rule[2].where, "command line:3");
	assert_true(!rule[3].allow && rule[3].all);
	assert_int_equal(rule[3].subnet.address.family, ADDRESS_NONE);
	assert_string_equal(subnet_print(&rule[4].subnet, text), "192.168.1.0/24");
	config_free(config);
}

static void eal_arguments_accumulate_word_by_word(void **)
{
	struct config *config = config_read_good(
			(const char *const[]){ "ealarg --no-huge", "ealarg -m  512", NULL });

	assert_int_equal(config->ealarg_count, 3);
	assert_string_equal(config->ealargs[0], "--no-huge");
	assert_string_equal(config->ealargs[1], "-m");
	assert_string_equal(config->ealargs[2], "512");
	config_free(config);
}

static void a_port_serves_any_vlan_or_one(void **)
{
	struct config *config = config_read_good((const char *const[]){
			"serve net_tap0 address 10.0.0.1/8",
			"serve net_tap1 vlan 0 address 10.0.0.2/8",
			"serve net_tap2 address 10.0.0.3/8 VLAN 4094 workers 2", "allow", NULL });
	const struct config_serve *serve = config->serves;

	assert_int_equal(serve[0].vlan, -1);
	assert_int_equal(serve[1].vlan, 0);
	assert_int_equal(serve[1].address_count, 1);
	assert_int_equal(serve[2].vlan, 4094);
	assert_int_equal(serve[2].workers, 2);
	config_free(config);
}

static void devices_and_addresses_are_served_once(void **)
{
	static const struct {
		const char *first, *second, *text; // NULL: both are fine
	} rows[] = {
		{ "serve net_tap0,iface=a address 10.0.0.1/8",
				"serve net_tap1,iface=b address 10.0.0.2/8", NULL },
		{ "serve net_tap1 address 10.0.0.1/8", "serve net_tap10 address 10.0.0.2/8", NULL },
		{ "serve net_tap0,iface=a address 10.0.0.1/8",
				"serve net_tap0,iface=b address 10.0.0.2/8",
				"command line:2: device net_tap0,iface=b is served already at command line:1" },
		{ "serve 01:00.0 address 10.0.0.1/8", "serve 0000:01:00.0 address 10.0.0.2/8",
				"command line:2: device 0000:01:00.0 is served already at command line:1" },
		{ "serve kernel", "serve kernel",
				"command line:2: device kernel is served already at command line:1" },
		{ "serve net_tap0 address 10.0.0.1/8", "serve net_tap1 address 10.0.0.1/24",
				"command line:2: address 10.0.0.1 is served already at command line:1" },
		{ "serve net_tap0 address fd00::1/8 address fd00:0::1/9", NULL,
				"command line:1: address fd00::1 is served already at command line:1" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const char *const both[] = { rows[i].first, rows[i].second, "allow", NULL };

		if (rows[i].text)
			assert_refused(both, rows[i].text);
		else
			config_free(config_read_good(both));
	}
}

static void serving_nobody_is_worth_a_notice(void **)
{
	struct config *config = config_read_good((const char *const[]){
			"serve net_tap0 address 10.0.0.1/8", "deny 10.0.0.2", NULL });

	assert_int_equal(config->notice_count, 1);
	assert_string_equal(config->notices[0],
			"command line:1: serve: no \"allow\" directive, "
			"so nobody will be answered");
	config_free(config);
}

static void limits_of_lists_are_errors_not_overflows(void **)
{
	struct config_problem problem;
	char line[CONFIG_LINE_SIZE + 1] = "serve net_tap0";
	struct config *config = config_new();

	assert_non_null(config);
	for (unsigned i = 0; i < CONFIG_SERVE_ADDRESSES; i++)
		snprintf(line + strlen(line), 32, " address 10.0.0.%u/8", i + 1);
	assert_int_equal(config_read_argument(config, line, 1, &problem), 0);
	assert_int_equal(config->serves[0].address_count, CONFIG_SERVE_ADDRESSES);
	strcat(line, " address 10.0.0.99/8");
	assert_int_equal(config_read_argument(config, line, 1, &problem), -EINVAL);
	assert_int_equal(config_read_argument(config, "cores workers 0-127", 1, &problem), 0);
	assert_int_equal(config->cores.worker_count, CONFIG_CORES);
	assert_int_equal(config_read_argument(config, "cores workers 0-128", 1, &problem), -EINVAL);

	memset(line, ' ', sizeof(line));
	memcpy(line, "port 7", strlen("port 7"));
	line[CONFIG_LINE_SIZE - 1] = '\0';
	assert_int_equal(config_read_argument(config, line, 1, &problem), 0);
	line[CONFIG_LINE_SIZE - 1] = ' ';
	line[CONFIG_LINE_SIZE] = '\0';
	assert_int_equal(config_read_argument(config, line, 9, &problem), -EINVAL);
	assert_string_equal(problem.text, "String too long at line 9 of the command line");

	for (size_t i = 0; i < CONFIG_LINE_SIZE - 1; i++)
		line[i] = i % 2 ? ' ' : 'a';
	line[CONFIG_LINE_SIZE - 1] = '\0';
	memcpy(line, "log", strlen("log"));
	assert_int_equal(config_read_argument(config, line, 1, &problem), -EINVAL);
	config_free(config);
}

static void the_how_to_is_accepted(void **)
{
	struct config *config = config_read_good((const char *const[]){ "server 127.127.1.1 prefer",
			"local stratum 10", "allow 192.168.1.0/24", "cmdallow 192.168.1.0/24",
			"server 192.168.1.10 iburst minpoll 1 maxpoll 1", "makestep 1 3", "rtcsync",
			NULL });

	assert_true(config->local.enabled);
	assert_int_equal(config->local.stratum, 10);
	assert_int_equal(config->access_count, 1);
	assert_int_equal(config->upstream.source_count, 1);
	assert_int_equal(config->upstream.makestep.limit, 3);
	assert_int_equal(config->notice_count, 2);
	config_free(config);
}

static void what_is_printed_is_read_as_the_same(void **)
{
	struct config *config = config_read_good((const char *const[]){
			"  LOCAL  stratum\t10 ", "# no", "Allow all", "server 127.127.1.1", NULL });
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	config_print(config, stream);
	fclose(stream);
	assert_string_equal(text, "local stratum 10\nallow all\nserver 127.127.1.1\n");
	free(text);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comments_blanks_and_case_do_not_matter),
		cmocka_unit_test(defaults_hold_where_nothing_is_written),
		cmocka_unit_test(single_values_are_stored_and_the_last_wins),
		cmocka_unit_test(local_takes_chronys_options_and_defaults),
		cmocka_unit_test(ratelimit_takes_chronys_options_and_prefixes),
		cmocka_unit_test(memory_for_clients_may_be_large_or_none),
		cmocka_unit_test(a_rate_limit_needs_to_know_its_clients),
		cmocka_unit_test(the_last_clock_wins_whole),
		cmocka_unit_test(the_last_cores_wins_whole),
		cmocka_unit_test(serve_lines_accumulate),
		cmocka_unit_test(a_port_serves_any_vlan_or_one),
		cmocka_unit_test(access_rules_keep_their_order),
		cmocka_unit_test(eal_arguments_accumulate_word_by_word),
		cmocka_unit_test(devices_and_addresses_are_served_once),
		cmocka_unit_test(serving_nobody_is_worth_a_notice),
		cmocka_unit_test(limits_of_lists_are_errors_not_overflows),
		cmocka_unit_test(the_how_to_is_accepted),
		cmocka_unit_test(what_is_printed_is_read_as_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
