// SPDX-License-Identifier: BSD-3-Clause
// The directives that give the data plane its ports, cores and EAL, and the process its pidfile.
#include "config/arguments.h"
#include "config/readers.h"
#include "config/text_list.h"
#include "config/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VLAN_HIGHEST 4094 // IEEE 802.1Q reserves 4095

// Interfaces are what people write first; DPDK's own names all have one of these signs.
static bool device_is_plausible(const char *device)
{
	return !strncmp(device, "net_", strlen("net_")) || strpbrk(device, ":,-");
}

static bool address_is_unicast(const struct address *address)
{
	static const uint8_t zeros[sizeof(address->bytes)];
	bool is_ipv4 = address->family == ADDRESS_IPV4;

	if (!memcmp(address->bytes, zeros, sizeof(zeros)))
		return false;
	return is_ipv4 ? address->bytes[0] < 224 && address->bytes[0] != 127
		       : address->bytes[0] != 0xff;
}

static int serve_address_read(const struct statement *statement, const char *word, void *target)
{
	struct config_serve *serve = target;
	struct subnet *subnet = &serve->addresses[serve->address_count];

	if (serve->address_count == CONFIG_SERVE_ADDRESSES)
		return statement_refuse(
				statement, "more than %u addresses", CONFIG_SERVE_ADDRESSES);
	if (value_parse_interface_address(word, subnet))
		return statement_refuse(statement,
				"address \"%.64s\" is not ADDRESS/LENGTH, as in 192.168.1.10/24",
				word);
	if (!address_is_unicast(&subnet->address))
		return statement_refuse(statement, "\"%.64s\" is no address of a host", word);
	serve->address_count++;
	return 0;
}

static int serve_shared_check(const struct statement *statement, const struct config_serve *serve)
{
	const char *device = statement->words[0];

	if (strncmp(device, "net_af_xdp", strlen("net_af_xdp")) || !strstr(device, ",iface="))
		return statement_refuse(
				statement, "shared needs a device like net_af_xdp0,iface=eth0");
	if (strstr(device, ",xdp_prog="))
		return statement_refuse(statement, "shared brings an xdp_prog of its own");
	if (serve->address_count)
		return statement_refuse(statement,
				"shared takes no address: it serves those of the interface");
	if (serve->vlan >= 0)
		return statement_refuse(
				statement, "shared takes no VLAN: tagged frames stay the kernel's");
	return 0;
}

static int serve_options_read(const struct statement *statement, struct config_serve *serve)
{
	static const char *const hwtimestamp_names[] = {
		[CONFIG_HWTIMESTAMP_AUTO] = "auto",
		[CONFIG_HWTIMESTAMP_REQUIRE] = "require",
		[CONFIG_HWTIMESTAMP_OFF] = "off",
		NULL,
	};
	static const struct value_type hwtimestamp = {
		.kind = VALUE_CHOICE,
		.choices = hwtimestamp_names,
	};
	static const struct value_type vlan = { .kind = VALUE_INTEGER, .max = VLAN_HIGHEST };
	static const struct value_type workers = {
		.kind = VALUE_UNSIGNED,
		.min = 1,
		.max = CONFIG_CORES,
	};
	static const struct option options[] = {
		{ .name = "address", .read = serve_address_read },
		{ .name = "hwtimestamp",
				.type = &hwtimestamp,
				.offset = offsetof(struct config_serve, hwtimestamp) },
		{ .name = "shared", .offset = offsetof(struct config_serve, shared) },
		{ .name = "vlan", .type = &vlan, .offset = offsetof(struct config_serve, vlan) },
		{ .name = "workers",
				.type = &workers,
				.offset = offsetof(struct config_serve, workers) },
		{ 0 },
	};
	const char *device = statement->words[0];
	int error;

	if (!strcmp(device, "kernel")) {
		if (statement->word_count > 1)
			return statement_refuse(statement, "kernel takes no options");
		return 0;
	}
	if (!device_is_plausible(device))
		return statement_refuse(statement,
				"\"%.32s\" is neither a PCI address, a DPDK vdev nor \"kernel\";"
				" an interface is net_af_packet0,iface=%.32s",
				device, device);
	error = options_read(statement, 1, options, serve);
	if (error)
		return error;
	if (serve->shared)
		return serve_shared_check(statement, serve);
	if (!serve->address_count)
		return statement_refuse(statement, "needs an address");
	return 0;
}

int serve_read(struct statement *statement)
{
	struct config *config = statement->config;
	struct config_serve *serves, serve = { .vlan = -1, .workers = 1 };
	int error = serve_options_read(statement, &serve);

	if (error)
		return error;
	serve.device = strdup(statement->words[0]);
	serve.where = statement_place(statement);
	serves = reallocarray(config->serves, config->serve_count + 1, sizeof(*serves));
	if (serves)
		config->serves = serves;
	if (!serves || !serve.device || !serve.where) {
		free(serve.device);
		free(serve.where);
		return statement_out_of_memory(statement);
	}
	serves[config->serve_count++] = serve;
	return 0;
}

static int cores_workers_read(const struct statement *statement, const char *word, void *target)
{
	struct config_cores *cores = target;
	int count = value_parse_number_list(
			word, CONFIG_CORE_HIGHEST, cores->workers, CONFIG_CORES);

	if (count < 0)
		return statement_refuse(statement,
				"workers \"%.64s\" is not a list of cores, as in 1-3,5, each once and up to %u",
				word, CONFIG_CORE_HIGHEST);
	cores->worker_count = (unsigned)count;
	return 0;
}

int cores_read(struct statement *statement)
{
	static const struct value_type core = { .kind = VALUE_INTEGER, .max = CONFIG_CORE_HIGHEST };
	static const struct option options[] = {
		{ .name = "control",
				.type = &core,
				.offset = offsetof(struct config_cores, control) },
		{ .name = "workers", .read = cores_workers_read },
		{ 0 },
	};
	struct config_cores cores = { .control = -1 };
	int error = options_read(statement, 0, options, &cores);

	if (!error)
		statement->config->cores = cores;
	return error;
}

// Each word is one argument for the EAL.
int ealarg_read(struct statement *statement)
{
	struct config *config = statement->config;

	for (unsigned i = 0; i < statement->word_count; i++)
		if (text_list_append(&config->ealargs, &config->ealarg_count,
				    strdup(statement->words[i])))
			return statement_out_of_memory(statement);
	return 0;
}

int lock_all_read(struct statement *statement)
{
	statement->config->lock_all = true;
	return 0;
}

// `/` stands for none.
int pidfile_read(struct statement *statement)
{
	struct config *config = statement->config;

	if (!strcmp(config->pidfile, "/")) {
		free(config->pidfile);
		config->pidfile = NULL;
	}
	return 0;
}
