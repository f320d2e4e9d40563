// SPDX-License-Identifier: BSD-3-Clause
// Growing arrays, mostly of strings that they own.
#pragma once

#include <stddef.h>

// Returns the array with room for one element more than `count`, or NULL, and it is as it was. It has
// grown by nothing else, and has twice the room whenever it is full: long files are read in linear time.
void *array_grow(void *array, unsigned count, size_t size);

// Appends `text`, which must come from malloc and belongs to the list from here on; it is freed when
// there is no room for it. Returns 0, or -ENOMEM (also when `text` is NULL).
int text_list_append(char ***list, unsigned *count, char *text);
void text_list_free(char **list, unsigned count);
