// SPDX-License-Identifier: BSD-3-Clause
// CLOCK_REALTIME, ours to steer. Steering comes with the discipline; until then only `local` vouches.
#include "drivers/clock/kernel.h"
#include "drivers/drivers.h"

static int system_open(struct local_clock *)
{
	return 0;
}

static void system_close(struct local_clock *)
{
}

static int system_state(const struct local_clock *, struct local_clock_state *state)
{
	return kernel_clock_state(state);
}

const struct local_clock_driver local_clock_system = {
	.name = "system",
	.open = system_open,
	.close = system_close,
	.now = kernel_clock_now,
	.state = system_state,
};
