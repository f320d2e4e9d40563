// SPDX-License-Identifier: BSD-3-Clause
// CLOCK_REALTIME, ours to steer. Nothing is touched before the first command, so that a server of `local`
// time leaves the kernel alone.
#include "drivers/clock/kernel.h"
#include "drivers/clock/steering.h"
#include "drivers/drivers.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int adjust(void *, struct timex *timex)
{
	int state = clock_adjtime(CLOCK_REALTIME, timex);

	return state < 0 ? -errno : state;
}

static int64_t real_ns(void *)
{
	return read_ns(CLOCK_REALTIME);
}

static int64_t raw_ns(void *)
{
	return read_ns(CLOCK_MONOTONIC_RAW);
}

static const struct kernel_calls linux_calls = {
	.adjust = adjust,
	.real_ns = real_ns,
	.raw_ns = raw_ns,
};

static int system_open(struct local_clock *clock)
{
	struct steering *steering = malloc(sizeof(*steering));

	if (!steering)
		return -ENOMEM;
	steering_init(steering, &linux_calls);
	clock->private = steering;
	return 0;
}

static void system_close(struct local_clock *clock)
{
	if (clock->private)
		steering_done(clock->private);
	free(clock->private);
	clock->private = NULL;
}

static int system_state(const struct local_clock *, struct local_clock_state *state)
{
	return kernel_clock_state(state);
}

static int system_step(struct local_clock *clock, int64_t step_ns)
{
	return steering_step(clock->private, step_ns);
}

static int system_set_frequency(struct local_clock *clock, double *frequency)
{
	return steering_set_frequency(clock->private, frequency);
}

static int system_tell(struct local_clock *clock, const struct local_clock_claim *claim)
{
	return steering_tell(clock->private, claim);
}

static int system_watch(
		struct local_clock *clock, enum local_clock_meddling *what, int64_t *step_ns)
{
	return steering_watch(clock->private, what, step_ns);
}

const struct local_clock_driver local_clock_system = {
	.name = "system",
	.max_frequency = 0.1,
	.open = system_open,
	.close = system_close,
	.now = kernel_clock_now,
	.state = system_state,
	.step = system_step,
	.set_frequency = system_set_frequency,
	.tell = system_tell,
	.watch = system_watch,
};
