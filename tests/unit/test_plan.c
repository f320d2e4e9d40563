// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/plan.h"
#include "timeballd/shared.h"
#include "unit.h"

#include <errno.h>
#include <string.h>

static struct subnet subnet(const char *address, uint8_t bits)
{
	struct subnet subnet = { .prefix_bits = bits };

	assert_int_equal(address_parse(address, &subnet.address), 0);
	return subnet;
}

static struct config_serve serve_line(const char *device, const char *address)
{
	struct config_serve serve = { .device = (char *)device, .workers = 1 };

	if (address)
		serve.addresses[serve.address_count++] = subnet(address, 24);
	else
		serve.shared = true;
	return serve;
}

static struct plan plan_of(
		const struct config_serve *serve, const struct plan_host *host, const char *refusal)
{
	char problem[300] = "";
	struct plan plan;
	int error;

	plan_begin(&plan, serve);
	error = plan_finish(&plan, serve, host, problem, sizeof(problem));
	assert_string_equal(problem, refusal);
	assert_int_equal(error != 0, refusal[0] != '\0');
	return plan;
}

static void devices_without_an_interface_stay_as_written(void **)
{
	static const char *const devices[] = {
		"0000:03:00.0",
		"net_tap0,iface=timeball0",
		"net_null0",
		"net_pcap0,iface=eth0",
	};
	struct interface_address own = { "timeball0", subnet("192.168.1.10", 24) };
	struct plan_host host = { .addresses = &own, .address_count = 1, .queues = 4 };

	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		struct config_serve serve = serve_line(devices[i], "192.168.1.10");
		struct plan plan = plan_of(&serve, &host, "");

		assert_string_equal(plan.device, devices[i]);
		assert_int_equal(plan.queues, 1);
		assert_false(plan.xdp);
		assert_string_equal(plan.interface, "");
	}
}

static void af_xdp_takes_all_queues_of_its_interface(void **)
{
	struct config_serve serve = serve_line("net_af_xdp0,iface=eth1", "192.168.1.10");
	struct plan_host host = { .queues = 4, .filter_path = "/proc/self/fd/5" };
	struct plan plan = plan_of(&serve, &host, "");

	assert_string_equal(plan.device, "net_af_xdp0,iface=eth1,queue_count=4");
	assert_string_equal(plan.interface, "eth1");
	assert_int_equal(plan.queues, 4);
	assert_true(plan.xdp);

	serve = serve_line("net_af_xdp0,iface=eth1,queue_count=2", "192.168.1.10");
	plan = plan_of(&serve, &host, "");
	assert_string_equal(plan.device, "net_af_xdp0,iface=eth1,queue_count=2");
	assert_int_equal(plan.queues, 2);

	serve = serve_line("net_af_xdp0,iface=eth1", NULL);
	plan = plan_of(&serve, &host, "");
	assert_string_equal(plan.device,
			"net_af_xdp0,iface=eth1,queue_count=4,xdp_prog=/proc/self/fd/5");
}

static void workers_and_queues_must_match(void **)
{
	struct config_serve serve = serve_line("net_af_xdp0,iface=eth1", NULL);
	struct plan_host host = { .queues = 2, .filter_path = "" };

	serve.workers = 2;
	plan_of(&serve, &host, "");
	serve.workers = 3;
	plan_of(&serve, &host, "workers 3: eth1 has 2 queue(s)");
	host.queues = 0;
	serve.workers = 1;
	plan_of(&serve, &host,
			"eth1 has several receive queues apart from transmit queues, "
			"of which DPDK takes one: `ethtool -L eth1 rx 1`");
	host.queues = 17;
	plan_of(&serve, &host,
			"eth1 has 17 queues, and 1 to 16 can be served: `ethtool -L eth1 combined 16`");
}

static void af_packet_needs_a_queue_pair_for_each_worker(void **)
{
	struct config_serve serve =
			serve_line("net_af_packet0,iface=eth1,qpairs=2", "192.168.1.10");
	struct plan_host host = { .queues = 1 };

	serve.workers = 2;
	assert_int_equal(plan_of(&serve, &host, "").queues, 2);
	serve.workers = 1;
	plan_of(&serve, &host,
			"workers 1: net_af_packet wants as many queue pairs, and has 2: "
			"write `,qpairs=1` after the interface");
	serve = serve_line("net_af_packet0,iface=eth1", "192.168.1.10");
	serve.workers = 2;
	plan_of(&serve, &host,
			"workers 2: net_af_packet wants as many queue pairs, and has 1: "
			"write `,qpairs=2` after the interface");
}

static void an_address_the_kernel_has_is_refused(void **)
{
	struct interface_address list[] = {
		{ "lo", subnet("127.0.0.1", 8) },
		{ "eth0", subnet("192.168.1.10", 16) },
		{ "eth2", subnet("fd00::10", 64) },
	};
	struct plan_host host = { .addresses = list, .address_count = 3, .queues = 1 };
	struct config_serve serve = serve_line("net_af_packet0,iface=eth1", "192.168.1.10");

	plan_of(&serve, &host,
			"the kernel has 192.168.1.10/16 on eth0 and would answer for it too: "
			"`ip address del 192.168.1.10/16 dev eth0`");
	serve = serve_line("net_af_xdp0,iface=eth1", "fd00::10");
	plan_of(&serve, &host,
			"the kernel has fd00::10/64 on eth2 and would answer for it too: "
			"`ip address del fd00::10/64 dev eth2`");
	serve = serve_line("net_af_packet0,iface=eth0", "192.168.1.11");
	plan_of(&serve, &host, "");
}

static void a_card_with_flow_rules_shares_its_own_addresses_only(void **)
{
	static const char kept[][IF_NAMESIZE] = { "eth1", "eth2" };
	struct interface_address list[] = {
		{ "eth2", subnet("192.168.1.10", 24) },
		{ "eth0", subnet("10.0.0.1", 8) },
	};
	struct plan_host host = {
		.addresses = list,
		.address_count = 2,
		.kept = kept,
		.kept_count = 2,
		.flows = true,
	};
	struct config_serve serve = serve_line("0000:03:00.0", "192.168.1.10");
	struct plan plan = plan_of(&serve, &host, "");

	assert_string_equal(plan.device, "0000:03:00.0");
	host.flows = false;
	plan_of(&serve, &host,
			"the kernel has 192.168.1.10/24 on eth2 and would answer for it too: "
			"`ip address del 192.168.1.10/24 dev eth2`");
	host.flows = true;
	serve = serve_line("0000:03:00.0", "10.0.0.1");
	plan_of(&serve, &host,
			"the kernel has 10.0.0.1/8 on eth0 and would answer for it too: "
			"`ip address del 10.0.0.1/8 dev eth0`");
}

static void af_xdp_does_not_cut_off_the_kernel(void **)
{
	struct interface_address list[] = {
		{ "eth1", subnet("fe80::1", 64) },
		{ "eth10", subnet("192.168.1.5", 24) },
		{ "eth1", subnet("192.168.1.6", 24) },
	};
	struct plan_host host = { .addresses = list, .address_count = 2, .queues = 1 };
	struct config_serve serve = serve_line("net_af_xdp0,iface=eth1", "192.168.1.10");

	plan_of(&serve, &host, ""); // every interface has a link-local address
	host.address_count = 3;
	plan_of(&serve, &host,
			"eth1 would be cut off from the kernel, which has 192.168.1.6/24 there: "
			"write `shared` instead of addresses, or `ip address del 192.168.1.6/24 dev eth1`");
	serve = serve_line("net_af_xdp0,iface=eth1", NULL);
	host.filter_path = "";
	plan_of(&serve, &host, "");
}

static void a_device_that_does_not_fit_is_refused(void **)
{
	char device[PLAN_DEVICE_SIZE] = "net_af_xdp0,iface=eth1,busy_budget=";
	struct plan_host host = { .queues = 1, .filter_path = "" };
	size_t used = strlen(device);

	memset(device + used, '0', sizeof(device) - 1 - used);
	device[sizeof(device) - 1] = '\0';
	struct config_serve serve = serve_line(device, NULL);

	plan_of(&serve, &host, "arguments of the device are too long");
}

static void a_shared_port_has_the_addresses_of_its_interface(void **)
{
	struct interface_address list[HOST_ADDRESSES + 3] = {
		{ "eth10", subnet("10.0.0.1", 8) },
		{ "eth1", subnet("192.168.1.5", 24) },
		{ "eth1", subnet("fe80::1", 64) },
	};
	struct subnet own[HOST_ADDRESSES] = { 0 };

	assert_int_equal(shared_pick(list, 3, "eth1", own), 2);
	assert_true(address_equals(&own[0].address, &list[1].subnet.address));
	assert_int_equal(own[0].prefix_bits, 24);
	assert_true(address_equals(&own[1].address, &list[2].subnet.address));
	assert_int_equal(shared_pick(list, 3, "eth", own), 0);
	for (unsigned i = 0; i < HOST_ADDRESSES + 3; i++)
		list[i] = (struct interface_address){ "eth1", subnet("10.0.0.1", 8) };
	assert_int_equal(shared_pick(list, HOST_ADDRESSES + 3, "eth1", own), HOST_ADDRESSES + 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_without_an_interface_stay_as_written),
		cmocka_unit_test(af_xdp_takes_all_queues_of_its_interface),
		cmocka_unit_test(workers_and_queues_must_match),
		cmocka_unit_test(af_packet_needs_a_queue_pair_for_each_worker),
		cmocka_unit_test(an_address_the_kernel_has_is_refused),
		cmocka_unit_test(a_card_with_flow_rules_shares_its_own_addresses_only),
		cmocka_unit_test(af_xdp_does_not_cut_off_the_kernel),
		cmocka_unit_test(a_device_that_does_not_fit_is_refused),
		cmocka_unit_test(a_shared_port_has_the_addresses_of_its_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
