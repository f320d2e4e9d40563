// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_xdp_socket(int descriptor)
{
	int domain = 0;
	socklen_t size = sizeof(domain);

	return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0
			&& domain == AF_XDP;
}

// Programs, maps and their types; links, which have a program's number too.
static bool read_bpf_identity(int descriptor, uint64_t *identity)
{
	char path[64], text[1024];
	int file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", descriptor);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	ssize_t length = read(file, text, sizeof(text) - 1);

	close(file);
	text[length > 0 ? length : 0] = '\0';
	const char *found = strstr(text, "_id:");

	if (!found)
		return false;
	*identity = strtoull(found + strlen("_id:"), NULL, 10);
	return true;
}

static bool identify(int descriptor, uint64_t *identity)
{
	static const char *const kinds[] = { "bpf-map", "bpf-prog", "bpf_link", "bpf-link", "btf" };
	char path[64], name[64] = "", kind[32];
	unsigned long inode;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
	if (readlink(path, name, sizeof(name) - 1) < 0)
		return false;
	if (sscanf(name, "socket:[%lu]", &inode) == 1 && is_xdp_socket(descriptor)) {
		*identity = inode;
		return true;
	}
	if (sscanf(name, "anon_inode:%31s", kind) != 1)
		return false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kind, kinds[i]) == 0)
			return read_bpf_identity(descriptor, identity);
	}
	return false;
}

void leftovers_list(struct leftovers *leftovers)
{
	const struct dirent *entry;
	DIR *folder = opendir("/proc/self/fd");

	leftovers->count = 0;
	while (folder && leftovers->count < LEFTOVERS && (entry = readdir(folder))) {
		struct leftover *next = &leftovers->list[leftovers->count];

		next->descriptor = atoi(entry->d_name);
		if (entry->d_name[0] != '.' && identify(next->descriptor, &next->identity))
			leftovers->count++;
	}
	if (folder)
		closedir(folder);
}

static bool holds(const struct leftovers *leftovers, const struct leftover *wanted)
{
	for (unsigned i = 0; i < leftovers->count; i++) {
		if (leftovers->list[i].descriptor == wanted->descriptor
				&& leftovers->list[i].identity == wanted->identity)
			return true;
	}
	return false;
}

void leftovers_remove(struct leftovers *leftovers, const struct leftovers *before)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < leftovers->count; i++) {
		if (!holds(before, &leftovers->list[i]))
			leftovers->list[kept++] = leftovers->list[i];
	}
	leftovers->count = kept;
}

// Of several queues DPDK 22.11 takes down the first one's rings only, and a mapping keeps its socket.
static void unmap(uint64_t identity)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], name[64];
	void *start, *end;

	snprintf(name, sizeof(name), "socket:[%lu]", identity);
	while (maps && fgets(line, sizeof(line), maps)) {
		if (strstr(line, name) && sscanf(line, "%p-%p", &start, &end) == 2)
			munmap(start, (size_t)((char *)end - (char *)start));
	}
	if (maps)
		fclose(maps);
}

unsigned leftovers_close(struct leftovers *leftovers)
{
	unsigned closed = 0;

	for (unsigned i = 0; i < leftovers->count; i++) {
		const struct leftover *left = &leftovers->list[i];
		uint64_t identity;

		if (!identify(left->descriptor, &identity) || identity != left->identity)
			continue;
		if (is_xdp_socket(left->descriptor))
			unmap(identity);
		close(left->descriptor);
		closed++;
	}
	leftovers->count = 0;
	return closed;
}
