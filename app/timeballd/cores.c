// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/cores.h"

#include <errno.h>
#include <stdio.h>

static unsigned first_allowed(const cpu_set_t *allowed)
{
	unsigned cpu = 0;

	while (cpu + 1 < CPU_SETSIZE && !CPU_ISSET(cpu, allowed))
		cpu++;
	return cpu;
}

static void choose_workers(struct cores *cores, const cpu_set_t *allowed, unsigned queues)
{
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && cores->worker_count < queues
			&& cores->worker_count < CONFIG_CORES;
			cpu++) {
		if (CPU_ISSET(cpu, allowed) && cpu != cores->control)
			cores->workers[cores->worker_count++] = cpu;
	}
	if (cores->worker_count == 0)
		cores->workers[cores->worker_count++] = cores->control;
}

static void take_workers(struct cores *cores, const struct config_cores *wanted, unsigned queues)
{
	for (unsigned i = 0; i < wanted->worker_count && cores->worker_count < queues; i++)
		cores->workers[cores->worker_count++] = wanted->workers[i];
}

static int check(unsigned cpu, const cpu_set_t *allowed, char *problem, size_t size)
{
	if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, allowed))
		return 0;
	snprintf(problem, size, "cores: CPU %u is not among those this process may use", cpu);
	return -EINVAL;
}

int cores_choose(struct cores *cores, const struct config_cores *wanted, const cpu_set_t *allowed,
		unsigned queues, char *problem, size_t size)
{
	int error;

	*cores = (struct cores){ .control = first_allowed(allowed) };
	if (wanted->control >= 0)
		cores->control = (unsigned)wanted->control;
	if (wanted->worker_count)
		take_workers(cores, wanted, queues);
	else
		choose_workers(cores, allowed, queues);
	error = check(cores->control, allowed, problem, size);
	for (unsigned i = 0; i < cores->worker_count && !error; i++)
		error = check(cores->workers[i], allowed, problem, size);
	return error;
}
