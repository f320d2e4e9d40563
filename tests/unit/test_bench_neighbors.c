// SPDX-License-Identifier: BSD-3-Clause
// Asking where the server is, and being found at every client's address.
#include "bench_world.h"
#include "timeball-bench/neighbors.h"

#define ROOM 200

static struct neighbors neighbors_of(const struct world *world, int vlan)
{
	struct neighbors neighbors = {
		.clients = &world->clients,
		.own = { { { ADDRESS_IPV4, { 10, 9, 9, 1 } }, 24 },
				{ { ADDRESS_IPV6, { 0xfd, 9, [15] = 1 } }, 64 } },
		.vlan = vlan,
	};

	memcpy(neighbors.mac, world_mac, MAC_SIZE);
	return neighbors;
}

// As the server would ask; it is us with other addresses.
static uint16_t ask_as_server(const struct world *world, int vlan, const struct address *target,
		uint8_t frame[ROOM])
{
	struct neighbors server = neighbors_of(world, vlan);

	server.own[FAMILY_IPV4].address = world->receiver.servers[FAMILY_IPV4];
	server.own[FAMILY_IPV6].address = world->receiver.servers[FAMILY_IPV6];
	memcpy(server.mac, world_server_mac, MAC_SIZE);
	return neighbors_ask(&server, target, frame);
}

static bool is_found(const struct world *world, const struct address *target, int vlan)
{
	struct neighbors neighbors = neighbors_of(world, vlan);
	uint8_t frame[ROOM], mac[MAC_SIZE] = { 0 };
	uint16_t length = ask_as_server(world, vlan, target, frame);

	length = neighbors_answer(&neighbors, frame, length, sizeof(frame));
	if (length == 0 || !neighbors_hear(target, frame, length, mac))
		return false;
	assert_memory_equal(mac, world_mac, MAC_SIZE);
	assert_memory_equal(frame, world_server_mac, MAC_SIZE);
	return true;
}

static void all_clients_and_we_are_found(void **)
{
	struct world world;

	world_open(&world, 0);
	for (int vlan = 0; vlan < 20; vlan += 10) {
		struct neighbors neighbors = neighbors_of(&world, vlan);

		for (unsigned family = 0; family < FAMILIES; family++) {
			struct address address;

			assert_true(is_found(&world, &neighbors.own[family].address, vlan));
			for (uint32_t i = 0; i < WORLD_CLIENTS; i++) {
				client_address(&world.clients.ranges[family], i, &address);
				assert_true(is_found(&world, &address, vlan));
			}
			client_address(&world.clients.ranges[family], WORLD_CLIENTS, &address);
			assert_false(is_found(&world, &address, vlan));
		}
	}
	world_close(&world);
}

static void question_in_another_vlan_is_not_ours(void **)
{
	struct world world;
	uint8_t frame[ROOM];

	world_open(&world, 0);
	struct neighbors neighbors = neighbors_of(&world, 5);
	uint16_t length = ask_as_server(&world, 6, &neighbors.own[FAMILY_IPV4].address, frame);

	assert_int_equal(neighbors_answer(&neighbors, frame, length, sizeof(frame)), 0);
	world_close(&world);
}

static void replies_are_no_questions(void **)
{
	struct world world;

	world_open(&world, 0);
	struct neighbors neighbors = neighbors_of(&world, 0);
	struct flight flight = world_ask(&world, FAMILY_IPV4, 1, false);

	world_answer(&world, &flight);
	assert_int_equal(neighbors_answer(&neighbors, flight.frame, flight.length,
					 sizeof(flight.frame)),
			0);
	world_close(&world);
}

static void only_the_answer_about_the_target_counts(void **)
{
	struct world world;
	uint8_t frame[ROOM], mac[MAC_SIZE];

	world_open(&world, 0);
	struct neighbors neighbors = neighbors_of(&world, 0);

	for (unsigned family = 0; family < FAMILIES; family++) {
		struct address target = neighbors.own[family].address, other = target;
		uint16_t length = ask_as_server(&world, 0, &target, frame);

		assert_false(neighbors_hear(&target, frame, length, mac)); // it asks
		assert_false(neighbors_hear(&world.receiver.servers[family], frame, length, mac));
		length = neighbors_answer(&neighbors, frame, length, sizeof(frame));
		other.bytes[address_size(other.family) - 1] ^= 4;
		assert_false(neighbors_hear(&other, frame, length, mac));
		for (uint16_t cut = 0; cut < ETHERNET_SIZE + ARP_SIZE; cut++)
			assert_false(neighbors_hear(&target, frame, cut, mac));
		assert_true(neighbors_hear(&target, frame, length, mac));
	}
	world_close(&world);
}

static void survives_anything(void **)
{
	uint64_t random = test_seed();
	struct world world;

	world_open(&world, 0);
	struct neighbors neighbors = neighbors_of(&world, 0);

	for (unsigned i = 0; i < 100'000; i++) {
		struct address *target = &neighbors.own[i % FAMILIES].address;
		uint8_t frame[ROOM], mac[MAC_SIZE];
		uint16_t length = ask_as_server(&world, 0, target, frame);

		for (uint64_t n = random_below(&random, 5); n > 0; n--)
			frame[random_below(&random, length)] = (uint8_t)random_next(&random);
		if (random_below(&random, 2))
			length = (uint16_t)random_below(&random, length + 1);
		uint8_t *exact = malloc(length + 1);

		memcpy(exact, frame, length);
		neighbors_hear(target, exact, length, mac);
		assert_in_range(neighbors_answer(&neighbors, exact, length, length), 0, length);
		free(exact);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_clients_and_we_are_found),
		cmocka_unit_test(question_in_another_vlan_is_not_ours),
		cmocka_unit_test(replies_are_no_questions),
		cmocka_unit_test(only_the_answer_about_the_target_counts),
		cmocka_unit_test(survives_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
