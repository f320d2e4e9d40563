// SPDX-License-Identifier: BSD-3-Clause
// The one counter that publisher and workers both read: the TSC where CPU and kernel both vouch for
// it, else CLOCK_MONOTONIC_RAW.
#include "drivers/drivers.h"

#include <cpuid.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#define CPUID_POWER_MANAGEMENT 0x80000007 // EDX bit 8: TSC runs at one rate in all power states
#define INVARIANT_TSC          (1 << 8)
#define CLOCKSOURCE            "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static int64_t raw_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static uint64_t tsc_read(void)
{
	// Not before what precedes it in the program has been done.
	_mm_lfence();
	return __rdtsc();
}

static uint64_t raw_read(void)
{
	return (uint64_t)raw_ns();
}

static const struct counter counter_tsc = {
	.name = "TSC",
	.read = tsc_read,
	.raw_ns = raw_ns,
};

static const struct counter counter_raw = {
	.name = "CLOCK_MONOTONIC_RAW",
	.read = raw_read,
	.raw_ns = raw_ns,
};

static bool cpu_vouches(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(CPUID_POWER_MANAGEMENT, &eax, &ebx, &ecx, &edx) && (edx & INVARIANT_TSC);
}

// The kernel leaves the TSC when it sees it run apart between cores or against other clocks.
static bool kernel_vouches(void)
{
	char name[32] = "";
	FILE *file = fopen(CLOCKSOURCE, "r");

	if (!file)
		return false;
	bool read = fgets(name, sizeof(name), file) != NULL;

	fclose(file);
	return read && strcmp(name, "tsc\n") == 0;
}

const struct counter *counter_choose(void)
{
	return cpu_vouches() && kernel_vouches() ? &counter_tsc : &counter_raw;
}
