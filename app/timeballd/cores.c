// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/cores.h"

#include <errno.h>
#include <limits.h>
#include <numa.h>
#include <stdio.h>
#include <string.h>

#define UNDECIDED UINT_MAX

static unsigned first_allowed(const cpu_set_t *allowed)
{
	unsigned cpu = 0;

	while (cpu + 1 < CPU_SETSIZE && !CPU_ISSET(cpu, allowed))
		cpu++;
	return cpu;
}

static bool is_free(const struct cores *cores, const cpu_set_t *taken, unsigned cpu,
		const struct cores_host *host)
{
	return CPU_ISSET(cpu, &host->allowed) && !CPU_ISSET(cpu, taken) && cpu != cores->control;
}

static bool is_near(const struct cores_host *host, unsigned worker, unsigned cpu)
{
	int node = host->nodes[worker];

	return node >= 0 && host->node_of_cpu((int)cpu) == node;
}

// Gives each of `cores`' workers that has no CPU yet the first free one, near its port or anywhere.
static void deal(struct cores *cores, const struct cores_host *host, cpu_set_t *taken, bool near)
{
	for (unsigned i = 0; i < cores->worker_count; i++) {
		unsigned cpu = 0;

		if (cores->workers[i] != UNDECIDED)
			continue;
		while (cpu < CPU_SETSIZE
				&& !(is_free(cores, taken, cpu, host)
						&& (!near || is_near(host, i, cpu))))
			cpu++;
		if (cpu == CPU_SETSIZE)
			continue;
		cores->workers[i] = cpu;
		CPU_SET(cpu, taken);
	}
}

// Workers that care where they are choose first.
static void choose_workers(struct cores *cores, const struct cores_host *host)
{
	cpu_set_t taken;
	unsigned free_count = 0;

	CPU_ZERO(&taken);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		free_count += is_free(cores, &taken, cpu, host);
	if (free_count == 0) {
		cores->workers[cores->worker_count++] = cores->control;
		return;
	}
	while (cores->worker_count < host->worker_count && cores->worker_count < free_count
			&& cores->worker_count < CONFIG_CORES)
		cores->workers[cores->worker_count++] = UNDECIDED;
	deal(cores, host, &taken, true);
	deal(cores, host, &taken, false);
}

static void take_workers(
		struct cores *cores, const struct config_cores *wanted, unsigned worker_count)
{
	for (unsigned i = 0; i < wanted->worker_count && cores->worker_count < worker_count; i++)
		cores->workers[cores->worker_count++] = wanted->workers[i];
}

static int check(unsigned cpu, const cpu_set_t *allowed, char *problem, size_t size)
{
	if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, allowed))
		return 0;
	snprintf(problem, size, "cores: CPU %u is not among those this process may use", cpu);
	return -EINVAL;
}

int cores_choose(struct cores *cores, const struct config_cores *wanted,
		const struct cores_host *host, char *problem, size_t size)
{
	int error;

	*cores = (struct cores){ .control = first_allowed(&host->allowed) };
	if (wanted->control >= 0)
		cores->control = (unsigned)wanted->control;
	if (wanted->worker_count)
		take_workers(cores, wanted, host->worker_count);
	else
		choose_workers(cores, host);
	error = check(cores->control, &host->allowed, problem, size);
	for (unsigned i = 0; i < cores->worker_count && !error; i++)
		error = check(cores->workers[i], &host->allowed, problem, size);
	return error;
}

int cores_node_of_cpu(int cpu)
{
	return numa_available() < 0 ? CORES_ANY_NODE : numa_node_of_cpu(cpu);
}

int cores_node_of_device(const char *sysfs, const char *device)
{
	int length = (int)strcspn(device, ",");
	const char *domain = "";
	char path[300];
	int node = CORES_ANY_NODE;
	FILE *file;

	// "03:00.0" is in domain 0000. Names of virtual devices are in no such folder.
	if (memchr(device, ':', (size_t)length) && length < (int)strlen("0000:03:00.0"))
		domain = "0000:";
	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s%.*s/numa_node", sysfs, domain, length,
			device);
	file = fopen(path, "r");
	if (file && fscanf(file, "%d", &node) != 1)
		node = CORES_ANY_NODE;
	if (file)
		fclose(file);
	return node;
}
