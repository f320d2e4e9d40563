// SPDX-License-Identifier: BSD-3-Clause
// Small files of text that outlive the process: read whole, written whole or not at all.
#pragma once

#include <stddef.h>

// At most size - 1 octets, with a NUL behind them. Returns the length, or -errno: -EFBIG when there is
// more, -EINVAL for a NUL among it.
long text_file_read(const char *path, char *text, size_t size);
// Writes beside it, then renames: whoever reads finds the old or the new content. Nothing waits for the
// disk, so that after a crash of the machine it may be empty. Returns 0 or -errno.
int text_file_replace(const char *path, const char *text, size_t length);
