// SPDX-License-Identifier: BSD-3-Clause
// timeballd, which becomes the timeballd-serve beside it. That reads options and configuration anew.
#include "timeballd/serve.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SELF "/proc/self/exe"

static bool is_pipe(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

int serve_start(const struct options *options, struct config *, char **argv)
{
	char self[PATH_MAX], server[PATH_MAX + sizeof("/timeballd-serve")];
	ssize_t length = readlink(SELF, self, sizeof(self) - 1);

	// What we have read of it is gone.
	if (options->config_line_count == 0 && is_pipe(options->config_path)) {
		fprintf(stderr, "timeballd: %s: a pipe can be read only once: call timeballd-serve\n",
				options->config_path);
		return EXIT_FAILURE;
	}
	if (length < 0) {
		fprintf(stderr, "timeballd: " SELF ": %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	self[length] = '\0';
	snprintf(server, sizeof(server), "%s/timeballd-serve", dirname(self));
	execv(server, argv);
	fprintf(stderr, "timeballd: %s, the program for `serve` lines: %s\n", server,
			strerror(errno));
	return EXIT_FAILURE;
}
