// SPDX-License-Identifier: BSD-3-Clause
#include "config/text_list.h"

#include <errno.h>
#include <stdlib.h>

int text_list_append(char ***list, unsigned *count, char *text)
{
	char **grown = text ? reallocarray(*list, *count + 1, sizeof(*grown)) : NULL;

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
