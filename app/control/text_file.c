// SPDX-License-Identifier: BSD-3-Clause
#include "control/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".tmp"

static long read_all(int file, char *text, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t got = read(file, text + length, size - length);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return (long)length;
		length += (size_t)got;
	}
	return -EFBIG;
}

long text_file_read(const char *path, char *text, size_t size)
{
	// Not to hang at a FIFO.
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	long length;

	if (file < 0)
		return -errno;
	length = read_all(file, text, size);
	close(file);
	if (length < 0)
		return length;
	text[length] = '\0';
	return strlen(text) == (size_t)length ? length : -EINVAL;
}

static int write_all(int file, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t done = write(file, text, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		text += done;
		length -= (size_t)done;
	}
	return 0;
}

int text_file_replace(const char *path, const char *text, size_t length)
{
	char beside[PATH_MAX];
	int file, error;

	if (strlen(path) + sizeof(SUFFIX) > sizeof(beside))
		return -ENAMETOOLONG;
	stpcpy(stpcpy(beside, path), SUFFIX);
	// What a run before left half done, or a link that somebody laid there.
	unlink(beside);
	file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file < 0)
		return -errno;
	error = write_all(file, text, length);
	if (close(file) && !error)
		error = -errno;
	if (!error && rename(beside, path))
		error = -errno;
	if (error)
		unlink(beside);
	return error;
}
