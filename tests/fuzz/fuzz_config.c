// SPDX-License-Identifier: BSD-3-Clause
// Lines of configuration: whatever they are, reading them ends, leaks nothing and says why it refuses
// them; and what is printed of those that were accepted is read as just the same again.
#include "config/config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

// The target must not read files of the machine it runs on.
static bool line_names_files(const char *line)
{
	line += strspn(line, " \t\n\v\f\r");
	return !strncasecmp(line, "include", strlen("include"))
			|| !strncasecmp(line, "confdir", strlen("confdir"));
}

// Reads line after line, also behind a bad one, and cuts `text` into them.
static struct config *lines_read(char *text)
{
	struct config *config = config_new();
	struct config_problem problem;
	unsigned number = 0;
	char *line;

	require(config != NULL);
	while ((line = strsep(&text, "\n"))) {
		int error;

		if (line_names_files(line))
			continue;
		problem.text[0] = '\0';
		error = config_read_argument(config, line, ++number, &problem);
		require(error <= 0 && !error == !problem.text[0]);
	}
	problem.text[0] = '\0';
	require(!config_finish(config, &problem) == !problem.text[0]);
	return config;
}

static char *config_text(const struct config *config)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	require(stream != NULL);
	config_print(config, stream);
	fclose(stream);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = malloc(size + 1), *printed, *copy, *again;
	struct config *config;
	unsigned notices;

	require(input != NULL);
	memcpy(input, data, size);
	input[size] = '\0';
	config = lines_read(input);
	printed = config_text(config);
	notices = config->notice_count;
	config_free(config);

	copy = strdup(printed);
	require(copy != NULL);
	config = lines_read(copy);
	again = config_text(config);
	require(!strcmp(printed, again));
	require(config->notice_count == notices);
	config_free(config);
	free(again);
	free(copy);
	free(printed);
	free(input);
	return 0;
}
