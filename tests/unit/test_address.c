// SPDX-License-Identifier: BSD-3-Clause
// base/address: reading, printing, masking and comparing.
#include "base/address.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static struct address address_of(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return address;
}

static struct address random_address(uint64_t *random)
{
	struct address address = { .family = random_below(random, 2) ? ADDRESS_IPV4
								     : ADDRESS_IPV6 };

	for (size_t i = 0; i < address_size(address.family); i++)
		address.bytes[i] = (uint8_t)random_next(random);
	return address;
}

static void numeric_addresses_are_read(void **)
{
	static const struct {
		const char *text;
		struct address address;
	} rows[] = {
		{ "192.0.2.1", { ADDRESS_IPV4, { 192, 0, 2, 1 } } },
		{ "0.0.0.0", { ADDRESS_IPV4, { 0 } } },
		{ "::", { ADDRESS_IPV6, { 0 } } },
		{ "2001:db8::1", { ADDRESS_IPV6, { 0x20, 1, 0x0d, 0xb8, [15] = 1 } } },
		{ "::ffff:192.0.2.1", { ADDRESS_IPV6, { [10] = 0xff, 0xff, 192, 0, 2, 1 } } },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct address address = address_of(rows[i].text);

		assert_memory_equal(&address, &rows[i].address, sizeof(address));
	}
}

static void anything_else_is_refused_and_nothing_written(void **)
{
	static const char *const texts[] = { "", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ",
		" 1.2.3.4", "1.2.3.4/24", ":::", "1:2:3:4:5:6:7:8:9", "fe80::1%eth0", "localhost" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct address address, untouched;

		memset(&address, 0x5a, sizeof(address));
		memset(&untouched, 0x5a, sizeof(untouched));
		assert_int_equal(address_parse(texts[i], &address), -EINVAL);
		assert_memory_equal(&address, &untouched, sizeof(address));
	}
}

static void what_is_printed_reads_back(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 10'000; round++) {
		struct address address = random_address(&random);
		char text[ADDRESS_TEXT_SIZE];

		assert_ptr_equal(address_print(&address, text), text);
		assert_true(strlen(text) < sizeof(text));

		struct address back = address_of(text);

		assert_memory_equal(&back, &address, sizeof(back));
	}
}

static void addresses_and_subnets_print_as_operators_write_them(void **)
{
	const struct address none = { 0 };
	const struct subnet host = { address_of("192.0.2.77"), 24 };
	const struct subnet everything = { address_of("::"), 0 };
	const struct subnet longest = { address_of("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"),
		128 };
	char text[SUBNET_TEXT_SIZE];

	assert_string_equal(address_print(&none, text), "none");
	assert_string_equal(subnet_print(&host, text), "192.0.2.77/24");
	assert_string_equal(subnet_print(&everything, text), "::/0");
	assert_string_equal(subnet_print(&longest, text),
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
}

static void families_have_their_sizes(void **)
{
	assert_int_equal(address_bits(ADDRESS_NONE), 0);
	assert_int_equal(address_bits(ADDRESS_IPV4), 32);
	assert_int_equal(address_bits(ADDRESS_IPV6), 128);
	assert_int_equal(address_size(ADDRESS_NONE), 0);
	assert_int_equal(address_size(ADDRESS_IPV4), 4);
	assert_int_equal(address_size(ADDRESS_IPV6), 16);
}

static bool has_bit(const struct address *address, unsigned bit)
{
	return address->bytes[bit / 8] & 0x80 >> bit % 8;
}

static void mask_keeps_the_prefix_and_clears_the_rest(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 2'000; round++) {
		struct address address = random_address(&random);
		unsigned bits = address_bits(address.family);

		for (unsigned prefix = 0; prefix <= bits; prefix++) {
			struct subnet subnet = { address, (uint8_t)prefix };

			subnet_mask(&subnet);
			assert_int_equal(subnet.prefix_bits, prefix);
			assert_int_equal(subnet.address.family, address.family);
			for (unsigned bit = 0; bit < bits; bit++)
				assert_int_equal(has_bit(&subnet.address, bit),
						bit < prefix && has_bit(&address, bit));
		}
	}
}

static void families_do_not_mix(void **)
{
	const struct address ipv4 = address_of("0.0.0.0"), ipv6 = address_of("::");

	assert_false(address_equals(&ipv4, &ipv6));
}

static void equal_addresses_differ_in_no_octet(void **)
{
	struct address one = address_of("2001:db8::1");

	for (size_t i = 0; i < 16; i++) {
		struct address other = one;

		assert_true(address_equals(&one, &other));
		other.bytes[i] ^= 0x40;
		assert_false(address_equals(&one, &other));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numeric_addresses_are_read),
		cmocka_unit_test(anything_else_is_refused_and_nothing_written),
		cmocka_unit_test(what_is_printed_reads_back),
		cmocka_unit_test(addresses_and_subnets_print_as_operators_write_them),
		cmocka_unit_test(families_have_their_sizes),
		cmocka_unit_test(mask_keeps_the_prefix_and_clears_the_rest),
		cmocka_unit_test(families_do_not_mix),
		cmocka_unit_test(equal_addresses_differ_in_no_octet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
