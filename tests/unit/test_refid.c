// SPDX-License-Identifier: BSD-3-Clause
// Addresses as others tell them in packets; the digests are of another implementation of MD5.
#include "control/refid.h"
#include "unit.h"

static void addresses_as_refids(void **)
{
	static const struct {
		const char *text;
		uint32_t refid;
	} rows[] = {
		{ "192.0.2.7", 0xc0000207 },
		{ "::1", 0xcf404dc8 },
		{ "2001:db8::7", 0xe1b2c29d },
		{ "fe80::1", 0x89e5301f },
	};
	struct address address;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(address_parse(rows[i].text, &address), 0);
		assert_int_equal(refid_of_address(&address), rows[i].refid);
	}
	address = (struct address){ 0 };
	assert_int_equal(refid_of_address(&address), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_as_refids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
