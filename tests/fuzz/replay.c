// SPDX-License-Identifier: BSD-3-Clause
// Runs a fuzz target over every file of the folders named on the command line.
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *folder, const char *name)
{
	static uint8_t input[1 << 20];
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");

	if (!file)
		return -1;
	size_t size = fread(input, 1, sizeof(input), file);

	fclose(file);
	return LLVMFuzzerTestOneInput(input, size);
}

static unsigned replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	unsigned replayed = 0;

	if (!folder)
		return 0;
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] != '.' && replay_file(path, entry->d_name) == 0)
			replayed++;
	}
	closedir(folder);
	return replayed;
}

int main(int argc, char **argv)
{
	unsigned replayed = 0;

	for (int i = 1; i < argc; i++)
		replayed += replay_folder(argv[i]);
	printf("%u inputs replayed\n", replayed);
	return replayed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
