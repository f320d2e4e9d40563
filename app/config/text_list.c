// SPDX-License-Identifier: BSD-3-Clause
#include "config/text_list.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

void *array_grow(void *array, unsigned count, size_t size)
{
	bool full = (count & (count - 1)) == 0;

	return full ? reallocarray(array, count ? 2 * (size_t)count : 1, size) : array;
}

int text_list_append(char ***list, unsigned *count, char *text)
{
	char **grown = text ? array_grow(*list, *count, sizeof(*grown)) : NULL;

	if (!grown) {
		free(text);
		return -ENOMEM;
	}
	grown[*count] = text;
	*list = grown;
	*count += 1;
	return 0;
}

void text_list_free(char **list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		free(list[i]);
	free(list);
}
