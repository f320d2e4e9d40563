// SPDX-License-Identifier: BSD-3-Clause
// A software clock on top of CLOCK_REALTIME (-x): offset and frequency of its own, so that labs and
// tests serve and steer a clock without touching the host's.
#include "base/latch.h"
#include "drivers/clock/kernel.h"
#include "drivers/drivers.h"

#include <errno.h>
#include <stdlib.h>

// null = real + offset + (real - since) * frequency
struct adjustment {
	utc_t since; // of CLOCK_REALTIME
	int64_t offset_ns;
	int64_t frequency_ppb;
};

#define ADJUSTMENT_WORDS (sizeof(struct adjustment) / sizeof(uint64_t))

static utc_t adjusted(const struct adjustment *adjustment, utc_t real)
{
	__int128 gained =
			(__int128)utc_diff_ns(real, adjustment->since) * adjustment->frequency_ppb;

	return utc_add(real, adjustment->offset_ns + (int64_t)(gained / NS_PER_S));
}

static struct adjustment current(const struct local_clock *clock)
{
	struct adjustment adjustment;

	latch_read(clock->private, &adjustment, ADJUSTMENT_WORDS);
	return adjustment;
}

static int null_open(struct local_clock *clock)
{
	struct latch *latch = aligned_alloc(64, sizeof(*latch));

	if (!latch)
		return -ENOMEM;
	*latch = (struct latch){ 0 };
	clock->private = latch;
	return 0;
}

static void null_close(struct local_clock *clock)
{
	free(clock->private);
	clock->private = NULL;
}

static utc_t null_now(const struct local_clock *clock)
{
	struct adjustment adjustment = current(clock);

	return adjusted(&adjustment, kernel_clock_now(clock));
}

static int null_state(const struct local_clock *clock, struct local_clock_state *state)
{
	struct adjustment adjustment = current(clock);
	struct local_clock_state kernel;
	int error = kernel_clock_state(&kernel);

	if (error)
		return error;
	*state = (struct local_clock_state){
		.rate = kernel.rate * (1 + (double)adjustment.frequency_ppb / NS_PER_S),
	};
	return 0;
}

static int null_adjust(struct local_clock *clock, int64_t step_ns, int64_t frequency_ppb)
{
	struct adjustment before = current(clock);
	utc_t real = kernel_clock_now(clock);
	struct adjustment after = {
		.since = real,
		.offset_ns = utc_diff_ns(adjusted(&before, real), real) + step_ns,
		.frequency_ppb = frequency_ppb,
	};

	latch_write(clock->private, &after, ADJUSTMENT_WORDS);
	return 0;
}

const struct local_clock_driver local_clock_null = {
	.name = "null",
	.open = null_open,
	.close = null_close,
	.now = null_now,
	.state = null_state,
	.adjust = null_adjust,
};
