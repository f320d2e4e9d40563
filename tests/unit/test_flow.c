// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/flow.h"
#include "frame/host.h"
#include "unit.h"

#include <string.h>

#define MAC 0x02, 0, 0, 0, 0, 0x0a

static const uint8_t ones[16] = { [0 ... 15] = 0xff };

static struct host host_with(const char *const *addresses, int vlan)
{
	struct host host = { .mac = { MAC }, .ntp_port = 123, .vlan = vlan };

	for (; addresses[host.address_count]; host.address_count++)
		assert_int_equal(address_parse(addresses[host.address_count],
						 &host.addresses[host.address_count].address),
				0);
	return host;
}

// What an item should be: one field of its header, matched whole, and nothing else.
struct field {
	enum rte_flow_item_type type;
	size_t offset, size, header_size;
	const uint8_t *value, *mask;
};

#define FIELD(item, header, member, ...)                                                           \
	{                                                                                          \
		RTE_FLOW_ITEM_TYPE_##item, offsetof(struct header, member),                        \
				sizeof(((struct header *)NULL)->member), sizeof(struct header),    \
				(const uint8_t[]){ __VA_ARGS__ }, ones                             \
	}
#define NOTHING(item, header)                                                                      \
	{                                                                                          \
		RTE_FLOW_ITEM_TYPE_##item, 0, 0, sizeof(struct header), ones, ones                 \
	}
#define VLAN_20                                                                                    \
	{                                                                                          \
		RTE_FLOW_ITEM_TYPE_VLAN, 0, 2, sizeof(struct rte_flow_item_vlan),                  \
				(const uint8_t[]){ 0x00, 20 }, (const uint8_t[])                   \
		{                                                                                  \
			0x0f, 0xff                                                                 \
		}                                                                                  \
	}
#define ETHERNET_TO(...) FIELD(ETH, rte_flow_item_eth, hdr.dst_addr, __VA_ARGS__)
#define IPV4_TO(...)     FIELD(IPV4, rte_flow_item_ipv4, hdr.dst_addr, __VA_ARGS__)
#define IPV6_TO(...)     FIELD(IPV6, rte_flow_item_ipv6, hdr.dst_addr, __VA_ARGS__)
#define TO_NTP           FIELD(UDP, rte_flow_item_udp, hdr.dst_port, 0, 123)
#define SOLICITATION     FIELD(ICMP6, rte_flow_item_icmp6, type, 135)
#define ARP_FOR(...)     FIELD(ARP_ETH_IPV4, rte_flow_item_arp_eth_ipv4, tpa, __VA_ARGS__)

static void check(const struct host *host, unsigned index, enum flow_kind kind,
		const struct field *fields, size_t count)
{
	struct flow_pattern pattern;

	memset(&pattern, 0xa5, sizeof(pattern));
	flow_write(&pattern, host, &host->addresses[index].address, kind);
	for (size_t i = 0; i < count; i++) {
		const struct rte_flow_item *item = &pattern.items[i];
		const struct field *field = &fields[i];
		uint8_t spec[64] = { 0 }, mask[64] = { 0 };

		assert_int_equal(item->type, field->type);
		assert_null(item->last);
		memcpy(spec + field->offset, field->value, field->size);
		memcpy(mask + field->offset, field->mask, field->size);
		assert_memory_equal(item->spec, spec, field->header_size);
		assert_memory_equal(item->mask, mask, field->header_size);
	}
	assert_int_equal(pattern.items[count].type, RTE_FLOW_ITEM_TYPE_END);
}

#define CHECK(host, index, kind, ...)                                                              \
	check(host, index, kind, (const struct field[]){ __VA_ARGS__ },                            \
			sizeof((const struct field[]){ __VA_ARGS__ }) / sizeof(struct field))

static const char *const addresses[] = { "192.168.1.10", "fd00:1::12:3456", "10.0.0.7", NULL };

#define FD00_1_12_3456 0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56
#define ITS_GROUP      0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0x12, 0x34, 0x56

static void ipv4(void **)
{
	struct host host = host_with(addresses, HOST_ANY_VLAN);

	CHECK(&host, 0, FLOW_NTP, ETHERNET_TO(MAC), IPV4_TO(192, 168, 1, 10), TO_NTP);
	CHECK(&host, 0, FLOW_NEIGHBOR, FIELD(ETH, rte_flow_item_eth, hdr.ether_type, 0x08, 0x06),
			ARP_FOR(192, 168, 1, 10));
}

static void ipv6(void **)
{
	struct host host = host_with(addresses, HOST_ANY_VLAN);

	CHECK(&host, 1, FLOW_NTP, ETHERNET_TO(MAC), IPV6_TO(FD00_1_12_3456), TO_NTP);
	CHECK(&host, 1, FLOW_NEIGHBOR, ETHERNET_TO(MAC), IPV6_TO(FD00_1_12_3456), SOLICITATION);
	CHECK(&host, 1, FLOW_NEIGHBOR_GROUP, ETHERNET_TO(0x33, 0x33, 0xff, 0x12, 0x34, 0x56),
			IPV6_TO(ITS_GROUP), SOLICITATION);
}

static void every_address_has_its_own(void **)
{
	struct host host = host_with(addresses, HOST_ANY_VLAN);

	host.ntp_port = 0x1234;
	CHECK(&host, 0, FLOW_NTP, ETHERNET_TO(MAC), IPV4_TO(192, 168, 1, 10),
			FIELD(UDP, rte_flow_item_udp, hdr.dst_port, 0x12, 0x34));
	CHECK(&host, 2, FLOW_NTP, ETHERNET_TO(MAC), IPV4_TO(10, 0, 0, 7),
			FIELD(UDP, rte_flow_item_udp, hdr.dst_port, 0x12, 0x34));
}

static void vlan_filter(void **)
{
	struct host host = host_with(addresses, 20);

	CHECK(&host, 2, FLOW_NTP, ETHERNET_TO(MAC), VLAN_20, IPV4_TO(10, 0, 0, 7), TO_NTP);
	CHECK(&host, 1, FLOW_NEIGHBOR, ETHERNET_TO(MAC), VLAN_20, IPV6_TO(FD00_1_12_3456),
			SOLICITATION);
	// Behind a tag the type is the tag's.
	CHECK(&host, 0, FLOW_NEIGHBOR, NOTHING(ETH, rte_flow_item_eth),
			{ RTE_FLOW_ITEM_TYPE_VLAN, 0, 4, sizeof(struct rte_flow_item_vlan),
					(const uint8_t[]){ 0, 20, 0x08, 0x06 },
					(const uint8_t[]){ 0x0f, 0xff, 0xff, 0xff } },
			ARP_FOR(192, 168, 1, 10));
}

// A priority tag is no VLAN, and a rule cannot say "untagged or this": the worker drops the rest.
static void no_vlan_is_no_item(void **)
{
	struct host host = host_with(addresses, 0);

	CHECK(&host, 0, FLOW_NTP, ETHERNET_TO(MAC), IPV4_TO(192, 168, 1, 10), TO_NTP);
}

static void drivers_that_leave_the_card_to_the_kernel(void **)
{
	char problem[80] = "";

	assert_true(flow_is_needed("mlx5_pci"));
	assert_true(flow_is_needed("mlx5_auxiliary"));
	assert_true(flow_is_needed("net_mlx4"));
	assert_false(flow_is_needed("net_e1000_em"));
	assert_false(flow_is_needed("net_af_packet"));
	assert_int_equal(flow_isolate(0, "net_ice", problem, sizeof(problem)), 0);
	// There is no port 0, which is as good as one that cannot be isolated.
	assert_true(flow_isolate(0, "mlx5_pci", problem, sizeof(problem)) < 0);
	assert_non_null(strstr(problem, "would take from the kernel more than NTP: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(every_address_has_its_own),
		cmocka_unit_test(vlan_filter),
		cmocka_unit_test(no_vlan_is_no_item),
		cmocka_unit_test(drivers_that_leave_the_card_to_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
