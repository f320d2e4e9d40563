// SPDX-License-Identifier: BSD-3-Clause
// A growing array of strings that it owns.
#pragma once

// Appends `text`, which must come from malloc and belongs to the list from here on; it is freed when
// there is no room for it. Returns 0, or -ENOMEM (also when `text` is NULL).
int text_list_append(char ***list, unsigned *count, char *text);
void text_list_free(char **list, unsigned count);
