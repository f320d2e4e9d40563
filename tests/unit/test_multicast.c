// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/multicast.h"
#include "unit.h"

#include <rte_ether.h>

static void add(struct host *host, const char *text)
{
	struct address *address = &host->addresses[host->address_count++].address;

	assert_int_equal(address_parse(text, address), 0);
}

static void each_group_is_listed_once_beside_all_nodes(void **)
{
	static const uint8_t all[] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t first[] = { 0x33, 0x33, 0xff, 0x12, 0x34, 0x56 };
	static const uint8_t second[] = { 0x33, 0x33, 0xff, 0, 0, 0x10 };
	struct rte_ether_addr groups[MULTICAST_GROUPS];
	struct host host = { 0 };

	add(&host, "2001:db8::aa12:3456");
	add(&host, "192.168.1.10");
	add(&host, "fd00::10");
	add(&host, "fe80::bb12:3456");
	assert_int_equal(multicast_list(&host, groups), 3);
	assert_memory_equal(groups[0].addr_bytes, all, sizeof(all));
	assert_memory_equal(groups[1].addr_bytes, first, sizeof(first));
	assert_memory_equal(groups[2].addr_bytes, second, sizeof(second));
}

static void there_is_room_for_all(void **)
{
	struct rte_ether_addr groups[MULTICAST_GROUPS];
	struct host host = { 0 };

	for (unsigned i = 0; i < HOST_ADDRESSES; i++) {
		char text[40];

		snprintf(text, sizeof(text), "fd00::%x", i + 1);
		add(&host, text);
	}
	assert_int_equal(multicast_list(&host, groups), MULTICAST_GROUPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_group_is_listed_once_beside_all_nodes),
		cmocka_unit_test(there_is_room_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
