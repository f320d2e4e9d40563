// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ARGUMENTS 128
#define TEXT_SIZE 8192

// EAL's argument vector, and the text of what is composed here.
struct arguments {
	char *vector[ARGUMENTS + 1];
	int count;
	char text[TEXT_SIZE];
	size_t used;
};

static void add(struct arguments *arguments, const char *word)
{
	size_t size = strlen(word) + 1;

	if (arguments->count == ARGUMENTS || size > TEXT_SIZE - arguments->used) {
		arguments->count = ARGUMENTS + 1; // told by eal_start()
		return;
	}
	arguments->vector[arguments->count++] =
			memcpy(arguments->text + arguments->used, word, size);
	arguments->used += size;
}

static bool given(const struct eal_options *options, const char *word)
{
	for (unsigned i = 0; i < options->argument_count; i++) {
		if (strncmp(options->arguments[i], word, strlen(word)) == 0)
			return true;
	}
	return false;
}

// "0000:03:00.0" or "03:00.0"; a vdev's name starts with a letter of its driver.
static bool is_pci_address(const char *device)
{
	return device[strspn(device, "0123456789abcdefABCDEF:.")] == '\0' && strchr(device, ':');
}

// lcore 0 is control, 1... are the workers: by @ two of them may share one CPU.
static void add_lcores(struct arguments *arguments, const struct eal_options *options)
{
	char map[4096];
	int used = snprintf(map, sizeof(map), "0@%u", options->control_cpu);

	for (unsigned i = 0; i < options->worker_count && (size_t)used < sizeof(map); i++)
		used += snprintf(map + used, sizeof(map) - (size_t)used, ",%u@%u", i + 1,
				options->worker_cpus[i]);
	add(arguments, "--lcores");
	add(arguments, map);
	add(arguments, "--main-lcore=0");
}

static void add_devices(struct arguments *arguments, const struct eal_options *options)
{
	bool pci = false;

	for (unsigned i = 0; i < options->device_count; i++) {
		bool is_pci = is_pci_address(options->devices[i]);

		add(arguments, is_pci ? "-a" : "--vdev");
		add(arguments, options->devices[i]);
		pci |= is_pci;
	}
	if (!pci)
		add(arguments, "--no-pci");
}

static void add_memory(struct arguments *arguments, const struct eal_options *options)
{
	unsigned wanted = options->memory_mb;
	char megabytes[16];

	// Unlinked from the start: a crash leaves no pages behind. EAL refuses both together.
	if (given(options, "--no-huge"))
		add(arguments, "--no-shconf");
	else
		add(arguments, "--in-memory");
	// Hugepages are added later on the node where they are wanted; without, all there will ever be
	// has to be there from the start.
	if (given(options, "--no-huge"))
		wanted += options->later_mb;
	if (given(options, "-m") || given(options, "--socket-mem"))
		return;
	snprintf(megabytes, sizeof(megabytes), "%u", wanted);
	add(arguments, "-m");
	add(arguments, megabytes);
}

static long free_hugepages(void)
{
	glob_t found;
	long total = 0;

	if (glob("/sys/kernel/mm/hugepages/*/free_hugepages", 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "r");
		long pages = 0;

		if (file && fscanf(file, "%ld", &pages) == 1)
			total += pages;
		if (file)
			fclose(file);
	}
	globfree(&found);
	return total;
}

int eal_start(const struct eal_options *options, char *problem, size_t size)
{
	struct arguments arguments = { 0 };
	if (!given(options, "--no-huge") && free_hugepages() == 0) {
		snprintf(problem, size,
				"no free hugepages: reserve some with scripts/hugepages.sh, or do without: ealarg --no-huge (timeball-bench: --ealarg=--no-huge)");
		return -ENOMEM;
	}
	add(&arguments, "timeballd");
	// Names an empty folder below /run only: no process shares anything with another.
	add(&arguments, "--file-prefix=timeball");
	add(&arguments, "--no-telemetry");
	add(&arguments, "--log-level=error");
	// It calls errors what it does without: a qdisc, secondary processes.
	add(&arguments, "--log-level=pmd.net.tap:critical");
	add_lcores(&arguments, options);
	add_devices(&arguments, options);
	add_memory(&arguments, options);
	for (unsigned i = 0; i < options->argument_count; i++)
		add(&arguments, options->arguments[i]);
	if (arguments.count > ARGUMENTS) {
		snprintf(problem, size, "too many or too long EAL arguments");
		return -E2BIG;
	}
	if (rte_eal_init(arguments.count, arguments.vector) < 0) {
		int error = rte_errno ? rte_errno : EINVAL;

		snprintf(problem, size, "DPDK did not start: %s", strerror(error));
		return -error;
	}
	return 0;
}

void eal_stop(void)
{
	rte_eal_cleanup();
}

bool eal_has_hugepages(void)
{
	return rte_eal_has_hugepages();
}
