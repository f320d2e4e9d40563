// SPDX-License-Identifier: BSD-3-Clause
// config/values and config/suggest: single words of configuration, good and bad.
#include "config/suggest.h"
#include "config/values.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static void whole_numbers_are_read_within_their_range(void **)
{
	static const struct {
		const char *text;
		int64_t min, max;
		int result;
		int64_t value;
	} rows[] = {
		{ "0", 0, 10, 0, 0 },
		{ "10", 0, 10, 0, 10 },
		{ "+7", 0, 10, 0, 7 },
		{ "-7", -7, 24, 0, -7 },
		{ "007", 0, 10, 0, 7 },
		{ "4294967295", 0, UINT32_MAX, 0, UINT32_MAX },
		{ "11", 0, 10, -EINVAL, 0 },
		{ "-1", 0, 10, -EINVAL, 0 },
		{ "", 0, 10, -EINVAL, 0 },
		{ "-", -10, 10, -EINVAL, 0 },
		{ " 1", 0, 10, -EINVAL, 0 },
		{ "1 ", 0, 10, -EINVAL, 0 },
		{ "1.0", 0, 10, -EINVAL, 0 },
		{ "0x1", 0, 10, -EINVAL, 0 },
		{ "1e1", 0, 10, -EINVAL, 0 },
		{ "99999999999999999999", INT64_MIN, INT64_MAX, -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int64_t value = 42;
		int result = value_parse_integer(rows[i].text, rows[i].min, rows[i].max, &value);

		assert_int_equal(result, rows[i].result);
		assert_int_equal(value, result ? 42 : rows[i].value);
	}
}

static void real_numbers_are_finite_and_decimal(void **)
{
	static const struct {
		const char *text;
		int result;
		double value;
	} rows[] = {
		{ "0", 0, 0.0 },
		{ "1", 0, 1.0 },
		{ "0.5", 0, 0.5 },
		{ ".5", 0, 0.5 },
		{ "1e-9", 0, 1e-9 },
		{ "-2.5E1", 0, -25.0 },
		{ "+3.", 0, 3.0 },
		{ "", -EINVAL, 0 },
		{ ".", -EINVAL, 0 },
		{ "e", -EINVAL, 0 },
		{ "1e", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "nan", -EINVAL, 0 },
		{ "inf", -EINVAL, 0 },
		{ "0x1p3", -EINVAL, 0 },
		{ "1e999", -EINVAL, 0 },
		{ "101", -EINVAL, 0 },
		{ "-101", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		double value = 42.0;
		int result = value_parse_real(rows[i].text, -100, 100, &value);

		assert_int_equal(result, rows[i].result);
		assert_true(value == (result ? 42.0 : rows[i].value));
	}
}

static void subnets_are_read_in_all_of_chronys_spellings(void **)
{
	static const struct {
		const char *text, *subnet; // NULL: refused
	} rows[] = {
		{ "1.2.3.4", "1.2.3.4/32" },
		{ "3.4.5.0/24", "3.4.5.0/24" },
		{ "192.168.1.77/24", "192.168.1.0/24" },
		{ "192.168.1.77/29", "192.168.1.72/29" },
		{ "3.4.5", "3.4.5.0/24" },
		{ "3.4", "3.4.0.0/16" },
		{ "3", "3.0.0.0/8" },
		{ "10/8", "10.0.0.0/8" },
		{ "192.168/16", "192.168.0.0/16" },
		{ "172.16/12", "172.16.0.0/12" },
		{ "3.4.5/20", "3.4.0.0/20" },
		{ "0/0", "0.0.0.0/0" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "255.255.255.255/32", "255.255.255.255/32" },
		{ "::/0", "::/0" },
		{ "2001:db8::1", "2001:db8::1/128" },
		{ "2001:db8:ffff::1/33", "2001:db8:8000::/33" },
		{ "2001:DB8::/127", "2001:db8::/127" },
		{ "fe80::1/10", "fe80::/10" },
		{ "", NULL },
		{ "/", NULL },
		{ "/8", NULL },
		{ "1.2.3.4/", NULL },
		{ "1.2.3.4/33", NULL },
		{ "1.2.3.4/-1", NULL },
		{ "1.2.3.4/24/24", NULL },
		{ "1.2.3.4/x", NULL },
		{ "1.2.3.", NULL },
		{ ".1.2", NULL },
		{ "1..2", NULL },
		{ "1.2.3.4.5", NULL },
		{ "256", NULL },
		{ "1.256", NULL },
		{ "0x0a.1", NULL },
		{ "::/129", NULL },
		{ "fe80::1%eth0", NULL },
		{ "2001:db8:", NULL },
		{ "a.b.c", NULL },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/1", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct subnet subnet = { 0 };
		char text[SUBNET_TEXT_SIZE];
		int result = value_parse_subnet(rows[i].text, &subnet);

		assert_int_equal(result, rows[i].subnet ? 0 : -EINVAL);
		assert_string_equal(subnet_print(&subnet, text),
				rows[i].subnet ? rows[i].subnet : "none/0");
	}
}

static void any_subnet_survives_printing(void **)
{
	uint64_t random = test_seed();

	for (unsigned i = 0; i < 20000; i++) {
		struct subnet subnet = { 0 }, again;
		char text[SUBNET_TEXT_SIZE];

		subnet.address.family = random_below(&random, 2) ? ADDRESS_IPV4 : ADDRESS_IPV6;
		for (size_t j = 0; j < address_size(subnet.address.family); j++)
			subnet.address.bytes[j] = (uint8_t)random_next(&random);
		subnet.prefix_bits = (uint8_t)random_below(
				&random, address_bits(subnet.address.family) + 1);

		subnet_print(&subnet, text);
		assert_int_equal(value_parse_interface_address(text, &again), 0);
		assert_memory_equal(&again, &subnet, sizeof(subnet));
		assert_int_equal(value_parse_subnet(text, &again), 0);
		subnet_mask(&subnet);
		assert_memory_equal(&again, &subnet, sizeof(subnet));
	}
}

static void an_interface_address_keeps_its_host_bits_and_needs_a_length(void **)
{
	static const struct {
		const char *text, *subnet;
	} rows[] = {
		{ "192.168.1.10/24", "192.168.1.10/24" },
		{ "10.0.0.1/32", "10.0.0.1/32" },
		{ "2001:db8::7/64", "2001:db8::7/64" },
		{ "192.168.1.10", NULL },
		{ "192.168.1/24", NULL },
		{ "192.168.1.10/33", NULL },
		{ "2001:db8::7", NULL },
		{ "host/24", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct subnet subnet = { 0 };
		char text[SUBNET_TEXT_SIZE];
		int result = value_parse_interface_address(rows[i].text, &subnet);

		assert_int_equal(result, rows[i].subnet ? 0 : -EINVAL);
		assert_string_equal(subnet_print(&subnet, text),
				rows[i].subnet ? rows[i].subnet : "none/0");
	}
}

static void host_names_are_told_from_numbers_and_rubbish(void **)
{
	static const char *const names[] = { "a", "time.example.org", "2.debian.pool.ntp.org",
		"ntp-1", "under_score", "a.", "0x1", NULL };
	static const char *const others[] = { "", ".", "-a", ".a", "1", "1.2.3.4", "256.1", "a b",
		"a/24", "a:b", "fe80::1%eth0", "caf\xc3\xa9", "a\x1b", NULL };
	char longest[255];

	for (size_t i = 0; names[i]; i++)
		assert_true(value_is_host_name(names[i]));
	for (size_t i = 0; others[i]; i++)
		assert_false(value_is_host_name(others[i]));
	memset(longest, 'a', sizeof(longest));
	longest[254] = '\0';
	assert_false(value_is_host_name(longest));
	longest[253] = '\0';
	assert_true(value_is_host_name(longest));
}

static void lists_of_numbers_take_ranges(void **)
{
	static const struct {
		const char *text;
		int count;
		unsigned numbers[4];
	} rows[] = {
		{ "3", 1, { 3 } },
		{ "0-3", 4, { 0, 1, 2, 3 } },
		{ "1-3,5", 4, { 1, 2, 3, 5 } },
		{ "9,7,8", 3, { 9, 7, 8 } },
		{ "4-4", 1, { 4 } },
		{ "", -EINVAL, { 0 } },
		{ ",", -EINVAL, { 0 } },
		{ "1,", -EINVAL, { 0 } },
		{ "1-", -EINVAL, { 0 } },
		{ "-1", -EINVAL, { 0 } },
		{ "3-1", -EINVAL, { 0 } },
		{ "1,1", -EINVAL, { 0 } },
		{ "1-3,2", -EINVAL, { 0 } },
		{ "0-4", -EINVAL, { 0 } },
		{ "10", -EINVAL, { 0 } },
		{ "1-99999999999999999999", -EINVAL, { 0 } },
		{ "1-2-3", -EINVAL, { 0 } },
		{ "1 2", -EINVAL, { 0 } },
		{ "a", -EINVAL, { 0 } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned numbers[4];
		int count = value_parse_number_list(rows[i].text, 9, numbers, 4);

		assert_int_equal(count, rows[i].count);
		for (int j = 0; j < count; j++)
			assert_int_equal(numbers[j], rows[i].numbers[j]);
	}
}

static void the_nearest_word_is_suggested(void **)
{
	static const char *const words[] = { "server", "serve", "pool", "log", "logdir", "PPS",
		"iburst", "maxdelaydevratio" };
	static const struct {
		const char *word, *text;
	} rows[] = {
		{ "sever", " (did you mean \"server\"?)" },
		{ "serverr", " (did you mean \"server\"?)" },
		{ "SERVERS", " (did you mean \"server\"?)" },
		{ "ibrust", " (did you mean \"iburst\"?)" },
		{ "pol", " (did you mean \"pool\"?)" },
		{ "pss", " (did you mean \"PPS\"?)" },
		{ "maxdelaydevrati", " (did you mean \"maxdelaydevratio\"?)" },
		{ "lo", "" },
		{ "xyzzy", "" },
		{ "", "" },
		{ "an-absurdly-long-word-that-nobody-could-have-meant", "" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct suggestion suggestion = suggestion_for(rows[i].word);
		char text[SUGGESTION_TEXT_SIZE];

		for (size_t j = 0; j < sizeof(words) / sizeof(*words); j++)
			suggestion_consider(&suggestion, words[j]);
		assert_string_equal(suggestion_print(&suggestion, text), rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_read_within_their_range),
		cmocka_unit_test(real_numbers_are_finite_and_decimal),
		cmocka_unit_test(subnets_are_read_in_all_of_chronys_spellings),
		cmocka_unit_test(any_subnet_survives_printing),
		cmocka_unit_test(an_interface_address_keeps_its_host_bits_and_needs_a_length),
		cmocka_unit_test(host_names_are_told_from_numbers_and_rubbish),
		cmocka_unit_test(lists_of_numbers_take_ranges),
		cmocka_unit_test(the_nearest_word_is_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
