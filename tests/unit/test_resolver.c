// SPDX-License-Identifier: BSD-3-Clause
// Addresses are read as they are, names asked for on a thread; a name that there is not says why.
#include "control/resolver.h"
#include "unit.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#define WAITS 3000 // of 10 ms: a name server that does not answer takes its time

static unsigned count_threads(void)
{
	DIR *folder = opendir("/proc/self/task");
	unsigned count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static void resolve(const char *name, enum address_family family, struct resolver_result *result)
{
	struct resolver *resolver;

	assert_int_equal(resolver_start(&resolver, name, family), 0);
	for (int i = 0; i < WAITS; i++) {
		if (resolver_take(resolver, result))
			return;
		usleep(10'000);
	}
	fail_msg("%s: not resolved", name);
}

static void addresses_need_no_thread(void **)
{
	unsigned threads = count_threads();
	struct resolver_address address;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(resolver_read_address("192.0.2.7", &address), 0);
	assert_string_equal(address_print(&address.address, text), "192.0.2.7");
	assert_int_equal(address.scope, 0);
	assert_int_equal(resolver_read_address("2001:db8::7", &address), 0);
	assert_string_equal(address_print(&address.address, text), "2001:db8::7");
	assert_int_equal(resolver_read_address("fe80::7%lo", &address), 0);
	assert_string_equal(address_print(&address.address, text), "fe80::7");
	assert_int_equal(address.scope, 1);
	assert_int_equal(count_threads(), threads);
}

static void names_are_no_addresses(void **)
{
	static const char *const names[] = { "localhost", "192.0.2", "192.0.2.256", "0x7f000001",
		"192.0.2.7%lo", "2001:db8::x", "fe80::1%no-such-link", ":", "" };
	struct resolver_address address = { .scope = 4711 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_not_equal(resolver_read_address(names[i], &address), 0);
	assert_int_equal(address.scope, 4711);
}

static void addresses_may_be_asked_for(void **)
{
	struct resolver_result result;

	resolve("192.0.2.7", ADDRESS_NONE, &result);
	assert_int_equal(result.count, 1);
	assert_null(result.problem);
	assert_int_equal(result.addresses[0].address.bytes[3], 7);
	// Not of the family that was asked for.
	resolve("192.0.2.7", ADDRESS_IPV6, &result);
	assert_int_equal(result.count, 0);
	assert_non_null(result.problem);
}

static void names_of_this_host(void **)
{
	struct resolver_result result;

	resolve("localhost", ADDRESS_IPV4, &result);
	assert_in_range(result.count, 1, RESOLVER_ADDRESSES);
	for (unsigned i = 0; i < result.count; i++) {
		assert_int_equal(result.addresses[i].address.family, ADDRESS_IPV4);
		for (unsigned j = 0; j < i; j++)
			assert_false(address_equals(&result.addresses[i].address,
					&result.addresses[j].address));
	}
}

// RFC 6761: nobody has a name in "invalid".
static void a_name_that_there_is_not(void **)
{
	struct resolver_result result;

	resolve("nobody.invalid", ADDRESS_NONE, &result);
	assert_int_equal(result.count, 0);
	assert_non_null(result.problem);
	resolve("bad name", ADDRESS_NONE, &result);
	assert_int_equal(result.count, 0);
}

static void may_be_abandoned_at_any_time(void **)
{
	struct resolver *resolver;

	resolver_abandon(NULL);
	for (useconds_t wait_us = 0; wait_us < 2000; wait_us += 100) {
		assert_int_equal(resolver_start(&resolver, "localhost", ADDRESS_NONE), 0);
		usleep(wait_us);
		resolver_abandon(resolver);
	}
	// A thread that was left to itself is not to be taken for a leak.
	for (int i = 0; i < WAITS && count_threads() > 3; i++)
		usleep(10'000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_need_no_thread),
		cmocka_unit_test(names_are_no_addresses),
		cmocka_unit_test(addresses_may_be_asked_for),
		cmocka_unit_test(names_of_this_host),
		cmocka_unit_test(a_name_that_there_is_not),
		cmocka_unit_test(may_be_abandoned_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
