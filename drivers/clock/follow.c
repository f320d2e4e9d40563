// SPDX-License-Identifier: BSD-3-Clause
// CLOCK_REALTIME, steered by another daemon on this host (chronyd, ptp4l with phc2sys, ...).
#include "drivers/clock/kernel.h"
#include "drivers/drivers.h"

// The kernel lets maxerror grow by 500 ppm and stops at 16 s (NTP_PHASE_LIMIT), where it gives up.
// STA_UNSYNC is not asked: chronyd leaves it set unless told `rtcsync`.
#define UNSYNCHRONISED_NS (16 * NS_PER_S)

static int follow_open(struct local_clock *)
{
	return 0;
}

static void follow_close(struct local_clock *)
{
}

static int follow_state(const struct local_clock *, struct local_clock_state *state)
{
	int error = kernel_clock_state(state);

	if (!error)
		state->vouched = state->max_error_ns < UNSYNCHRONISED_NS;
	return error;
}

const struct local_clock_driver local_clock_follow = {
	.name = "follow",
	.open = follow_open,
	.close = follow_close,
	.now = kernel_clock_now,
	.state = follow_state,
};
