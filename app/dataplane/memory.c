// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/memory.h"

#include <rte_malloc.h>
#include <rte_memory.h>

void *memory_get(size_t size, int node)
{
	return rte_zmalloc_socket(NULL, size, RTE_CACHE_LINE_SIZE, node < 0 ? SOCKET_ID_ANY : node);
}

void memory_free(void *memory)
{
	rte_free(memory);
}
