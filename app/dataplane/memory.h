// SPDX-License-Identifier: BSD-3-Clause
// Memory from EAL, in hugepages if it has any, for what a worker looks at all the time.
#pragma once

#include <stddef.h>

#define MEMORY_ANY_NODE (-1)

// `size` bytes, all zero, aligned to a cache line, on that NUMA node and no other; a negative one means
// any. NULL: there is none left. To be freed with memory_free() before EAL is stopped.
void *memory_get(size_t size, int node);
void memory_free(void *memory); // NULL is fine
