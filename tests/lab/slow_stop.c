// SPDX-License-Identifier: BSD-3-Clause
// For LD_PRELOAD: a device that takes its time to be stopped, and its driver's thread with it, as those do
// that are waited for in a busy loop though they have been pulled out.
#include <rte_ethdev.h>

#include <dlfcn.h>
#include <stdio.h>
#include <time.h>

#define STOP_S 3.0

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int rte_eth_dev_stop(uint16_t port)
{
	int (*stop)(uint16_t) = (int (*)(uint16_t))dlsym(RTLD_NEXT, "rte_eth_dev_stop");
	double until_s = now_s() + STOP_S;

	fprintf(stderr, "slow_stop: begin %u\n", port);
	while (now_s() < until_s)
		;
	fprintf(stderr, "slow_stop: end %u\n", port);
	return stop(port);
}
