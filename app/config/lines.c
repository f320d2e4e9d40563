// SPDX-License-Identifier: BSD-3-Clause
// chrony.conf as text: lines, comments, words, and files that name other files.
#include "config/directives.h"
#include "config/readers.h"
#include "config/text_list.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define INCLUDE_DEPTH 10
#define WHITE_SPACE   " \t\n\v\f\r"
#define COMMENT_SIGNS "!;#%"

// Keeps the line for config_print(): one blank between words, the name as the table spells it.
static int line_record(const struct statement *statement)
{
	struct config *config = statement->config;
	char text[CONFIG_LINE_SIZE];
	char *end = stpcpy(text, statement->directive->name);

	for (unsigned i = 0; i < statement->word_count; i++) {
		end = stpcpy(end, " ");
		end = stpcpy(end, statement->words[i]);
	}
	if (text_list_append(&config->lines, &config->line_count, strdup(text)))
		return statement_out_of_memory(statement);
	return 0;
}

// Reads the line in `text`, which is cut into words. Returns 0 or -errno.
static int line_interpret(struct statement *statement, char *text)
{
	char *rest, *word = strtok_r(text, WHITE_SPACE, &rest);
	int error;

	if (!word || strchr(COMMENT_SIGNS, *word))
		return 0;
	statement->directive = directive_find(statement, word);
	if (!statement->directive)
		return -EINVAL;
	statement->word_count = 0;
	while ((word = strtok_r(NULL, WHITE_SPACE, &rest)))
		statement->words[statement->word_count++] = word;
	error = directive_read(statement);
	if (error || statement->directive->effect == EFFECT_INCLUDE)
		return error;
	return line_record(statement);
}

// Returns 1 with a line in `text`, 0 at the end of the file, or -errno: -E2BIG for a line that is
// too long, -EILSEQ for one with a NUL byte.
static int line_get(FILE *stream, char text[CONFIG_LINE_SIZE])
{
	size_t length = 0;
	int c;

	errno = 0;
	while ((c = getc(stream)) != EOF && c != '\n') {
		if (c == '\0')
			return -EILSEQ;
		if (length == CONFIG_LINE_SIZE - 1)
			return -E2BIG;
		text[length++] = (char)c;
	}
	if (ferror(stream))
		return errno ? -errno : -EIO;
	text[length] = '\0';
	return c != EOF || length > 0;
}

static int file_fail(
		const struct statement *statement, const char *verb, const char *path, int error)
{
	snprintf(statement->problem->text, sizeof(statement->problem->text), "Could not %s %s: %s",
			verb, path, strerror(-error));
	return error;
}

static int stream_read(struct statement *statement, FILE *stream)
{
	char text[CONFIG_LINE_SIZE];
	int error = 0, got;

	for (;;) {
		statement->line++;
		got = line_get(stream, text);
		if (got <= 0)
			break;
		error = line_interpret(statement, text);
		if (error)
			return error;
	}
	if (got == -E2BIG)
		return statement_fail(statement, "String too long", "");
	if (got == -EILSEQ)
		return statement_fail(statement, "Unexpected NUL byte", "");
	return got < 0 ? file_fail(statement, "read", statement->file, got) : 0;
}

// Reads a file on behalf of the statement that names it.
static int file_read(const struct statement *parent, const char *path)
{
	struct statement statement = {
		.config = parent->config,
		.problem = parent->problem,
		.file = path,
		.depth = parent->depth + 1,
	};
	FILE *stream;
	int error;

	if (parent->depth > INCLUDE_DEPTH)
		return statement_fail(parent, "Maximum include level reached", "");
	stream = fopen(path, "re");
	if (!stream)
		return file_fail(parent, "open", path, -errno);
	error = stream_read(&statement, stream);
	fclose(stream);
	return error;
}

int include_read(struct statement *statement)
{
	glob_t found = { 0 };
	int error = glob(statement->words[0], GLOB_ERR, NULL, &found);

	if (error == GLOB_NOMATCH)
		return statement_refuse(
				statement, "nothing matches \"%.128s\"", statement->words[0]);
	if (error == GLOB_ABORTED)
		return statement_refuse(
				statement, "could not search \"%.128s\"", statement->words[0]);
	if (error)
		return statement_out_of_memory(statement);
	for (size_t i = 0; i < found.gl_pathc && !error; i++)
		error = file_read(statement, found.gl_pathv[i]);
	globfree(&found);
	return error;
}

static int name_is_conf(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && dot != entry->d_name && !strcmp(dot, ".conf");
}

static const char *path_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

struct path_list {
	char **paths;
	unsigned count;
};

static bool path_list_has_name(const struct path_list *list, const char *name)
{
	for (unsigned i = 0; i < list->count; i++)
		if (!strcmp(path_name(list->paths[i]), name))
			return true;
	return false;
}

// Adds the files of a directory but for those whose name an earlier directory has taken.
static int directory_list(
		const struct statement *statement, const char *directory, struct path_list *list)
{
	struct dirent **entries;
	int error = 0, count = scandir(directory, &entries, name_is_conf, NULL);

	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return file_fail(statement, "open", directory, -errno);
	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char *path;

		if (!error && !path_list_has_name(list, name)) {
			if (asprintf(&path, "%s/%s", directory, name) < 0)
				path = NULL;
			error = text_list_append(&list->paths, &list->count, path);
		}
		free(entries[i]);
	}
	free(entries);
	return error ? statement_out_of_memory(statement) : 0;
}

static int path_compare_names(const void *a, const void *b)
{
	return strcmp(path_name(*(char *const *)a), path_name(*(char *const *)b));
}

int confdir_read(struct statement *statement)
{
	struct path_list list = { 0 };
	int error = 0;

	for (unsigned i = 0; i < statement->word_count && !error; i++)
		error = directory_list(statement, statement->words[i], &list);
	if (list.count)
		qsort(list.paths, list.count, sizeof(*list.paths), path_compare_names);
	for (unsigned i = 0; i < list.count && !error; i++)
		error = file_read(statement, list.paths[i]);
	text_list_free(list.paths, list.count);
	return error;
}

int config_read_file(struct config *config, const char *path, struct config_problem *problem)
{
	const struct statement outside = { .config = config, .problem = problem };

	return file_read(&outside, path);
}

int config_read_argument(struct config *config, const char *line, unsigned number,
		struct config_problem *problem)
{
	struct statement statement = { .config = config, .problem = problem, .line = number };
	char text[CONFIG_LINE_SIZE];

	if (strlen(line) >= sizeof(text))
		return statement_fail(&statement, "String too long", "");
	strcpy(text, line);
	return line_interpret(&statement, text);
}
