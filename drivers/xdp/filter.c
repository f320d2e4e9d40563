// SPDX-License-Identifier: BSD-3-Clause
#include "drivers/xdp/filter.h"

#include "drivers/xdp/embedded.h"
#include "drivers/xdp/ntp_filter.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OUR_PROGRAM   "timeball_ntp"
#define MAPS          8
#define NO_DESCRIPTOR (-1)

static_assert(XDP_PROGRAM_NAME_SIZE == BPF_OBJ_NAME_LEN);

int xdp_filter_file(char path[XDP_FILTER_PATH_SIZE])
{
	if (embedded_ntp_filter_size == 0)
		return -ENOSYS;
	int file = memfd_create(OUR_PROGRAM, MFD_CLOEXEC);

	if (file < 0)
		return -errno;
	if (write(file, embedded_ntp_filter, embedded_ntp_filter_size)
			!= (ssize_t)embedded_ntp_filter_size) {
		close(file);
		return -EIO;
	}
	snprintf(path, XDP_FILTER_PATH_SIZE, "/proc/self/fd/%d", file);
	return file;
}

// Opens the program on the interface and describes it; `maps` gets the ids of its maps, `info` their
// number. Returns a descriptor, -ENOENT without a program, or -errno.
static int open_attached(unsigned interface, struct bpf_prog_info *info, uint32_t maps[MAPS])
{
	uint32_t id = 0, size = sizeof(*info);
	int error = bpf_xdp_query_id((int)interface, 0, &id);

	if (error)
		return error;
	if (id == 0)
		return -ENOENT;
	int program = bpf_prog_get_fd_by_id(id);

	if (program < 0)
		return program;
	*info = (struct bpf_prog_info){ .nr_map_ids = MAPS, .map_ids = (uintptr_t)maps };
	error = bpf_obj_get_info_by_fd(program, info, &size);
	if (error) {
		close(program);
		return error;
	}
	return program;
}

int xdp_filter_claim(const char *interface)
{
	// An abstract name: the kernel frees it when we die.
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int length = snprintf(
			name.sun_path + 1, sizeof(name.sun_path) - 1, "timeball-%s", interface);
	size_t size = offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length;
	int claim = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (claim < 0)
		return -errno;
	if (bind(claim, (struct sockaddr *)&name, (socklen_t)size) == 0)
		return claim;
	error = -errno;
	close(claim);
	return error;
}

int xdp_filter_attached(const char *interface, char name[XDP_PROGRAM_NAME_SIZE])
{
	unsigned index = if_nametoindex(interface);
	struct bpf_prog_info info;
	uint32_t maps[MAPS];
	int program;

	if (index == 0)
		return -ENODEV;
	program = open_attached(index, &info, maps);
	name[0] = '\0';
	if (program < 0)
		return program == -ENOENT ? 0 : program;
	close(program);
	memcpy(name, info.name, XDP_PROGRAM_NAME_SIZE);
	return strcmp(name, OUR_PROGRAM) == 0;
}

int xdp_filter_remove(const char *interface)
{
	unsigned index = if_nametoindex(interface);
	struct bpf_prog_info info;
	uint32_t maps[MAPS];
	int program = index ? open_attached(index, &info, maps) : -ENODEV;
	int error = 0;

	if (program < 0)
		return program == -ENOENT ? 0 : program;
	struct bpf_xdp_attach_opts only_this = {
		.sz = sizeof(only_this),
		.old_prog_fd = program,
	};

	if (strcmp(info.name, OUR_PROGRAM) == 0)
		error = bpf_xdp_detach((int)index, 0, &only_this);
	close(program);
	return error;
}

static int find_map(const uint32_t maps[MAPS], uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count && i < MAPS; i++) {
		struct bpf_map_info info = { 0 };
		uint32_t size = sizeof(info);
		int map = bpf_map_get_fd_by_id(maps[i]);

		if (map < 0)
			return map;
		if (bpf_obj_get_info_by_fd(map, &info, &size) == 0 && strcmp(info.name, name) == 0)
			return map;
		close(map);
	}
	return -ENOENT;
}

static int set_port(const uint32_t maps[MAPS], uint32_t count, uint16_t port)
{
	uint32_t first = 0;
	int map = find_map(maps, count, "ntp_port");

	if (map < 0)
		return map;
	int error = bpf_map_update_elem(map, &first, &port, BPF_ANY);

	close(map);
	return error;
}

int xdp_filter_open(struct xdp_filter *filter, const char *interface, uint16_t ntp_port)
{
	struct bpf_prog_info info;
	uint32_t maps[MAPS];

	*filter = (struct xdp_filter){ if_nametoindex(interface), NO_DESCRIPTOR };
	int program = open_attached(filter->interface, &info, maps);

	if (program < 0)
		return program;
	close(program);
	int error = set_port(maps, info.nr_map_ids, ntp_port);

	if (error)
		return error;
	filter->own_addresses = find_map(maps, info.nr_map_ids, "own_addresses");
	return filter->own_addresses < 0 ? filter->own_addresses : 0;
}

void xdp_filter_close(struct xdp_filter *filter)
{
	if (filter->own_addresses >= 0)
		close(filter->own_addresses);
	filter->own_addresses = NO_DESCRIPTOR;
}

static struct ntp_filter_address key_of(const struct address *address)
{
	struct ntp_filter_address key = { 0 };

	if (address->family == ADDRESS_IPV4) {
		key.bytes[10] = key.bytes[11] = 0xff;
		memcpy(key.bytes + 12, address->bytes, 4);
	} else {
		memcpy(key.bytes, address->bytes, sizeof(key.bytes));
	}
	return key;
}

int xdp_filter_add(const struct xdp_filter *filter, const struct address *address)
{
	struct ntp_filter_address key = key_of(address);
	uint8_t present = 1;

	return bpf_map_update_elem(filter->own_addresses, &key, &present, BPF_ANY);
}

int xdp_filter_drop(const struct xdp_filter *filter, const struct address *address)
{
	struct ntp_filter_address key = key_of(address);
	int error = bpf_map_delete_elem(filter->own_addresses, &key);

	return error == -ENOENT ? 0 : error;
}
