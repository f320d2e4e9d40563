// SPDX-License-Identifier: BSD-3-Clause
// A software clock on top of CLOCK_REALTIME (-x): offset and frequency of its own, so that labs and
// tests serve and steer a clock without touching the host's.
#include "base/latch.h"
#include "drivers/clock/kernel.h"
#include "drivers/drivers.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define MAX_FREQUENCY 0.5

// null = real + offset + (real - since) * frequency, exact below a nanosecond: thousands of changes of
// frequency must not add up to error.
struct adjustment {
	utc_t since; // of CLOCK_REALTIME
	int64_t offset_ns;
	double rest_ns; // of the offset, 0..1
	double frequency;
};

#define ADJUSTMENT_WORDS (sizeof(struct adjustment) / sizeof(uint64_t))

// The same clock, described from `real` on.
static struct adjustment moved_to(const struct adjustment *adjustment, utc_t real)
{
	double gained_ns = (double)utc_diff_ns(real, adjustment->since) * adjustment->frequency
			+ adjustment->rest_ns;
	double whole_ns = floor(gained_ns);

	return (struct adjustment){
		.since = real,
		.offset_ns = adjustment->offset_ns + (int64_t)whole_ns,
		.rest_ns = gained_ns - whole_ns,
		.frequency = adjustment->frequency,
	};
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

static utc_t null_from_real(const struct local_clock *clock, utc_t real)
{
	struct adjustment adjustment = current(clock);

	return utc_add(real, moved_to(&adjustment, real).offset_ns);
}

static utc_t null_now(const struct local_clock *clock)
{
	return null_from_real(clock, kernel_clock_now(clock));
}

static int null_state(const struct local_clock *clock, struct local_clock_state *state)
{
	struct adjustment adjustment = current(clock);
	struct local_clock_state kernel;
	int error = kernel_clock_state(&kernel);

	if (error)
		return error;
	*state = (struct local_clock_state){
		.rate = kernel.rate * (1 + adjustment.frequency),
		.frequency = adjustment.frequency,
	};
	return 0;
}

static void change(struct local_clock *clock, int64_t step_ns, double frequency)
{
	struct adjustment before = current(clock);
	struct adjustment after = moved_to(&before, kernel_clock_now(clock));

	after.offset_ns += step_ns;
	after.frequency = frequency;
	latch_write(clock->private, &after, ADJUSTMENT_WORDS);
}

static int null_step(struct local_clock *clock, int64_t step_ns)
{
	change(clock, step_ns, current(clock).frequency);
	return 0;
}

static int null_set_frequency(struct local_clock *clock, double *frequency)
{
	*frequency = fmin(fmax(*frequency, -MAX_FREQUENCY), MAX_FREQUENCY);
	change(clock, 0, *frequency);
	return 0;
}

// Nobody asks the kernel about this clock.
static int null_tell(struct local_clock *, const struct local_clock_claim *)
{
	return 0;
}

const struct local_clock_driver local_clock_null = {
	.name = "null",
	.max_frequency = MAX_FREQUENCY,
	.open = null_open,
	.close = null_close,
	.now = null_now,
	.from_real = null_from_real,
	.state = null_state,
	.step = null_step,
	.set_frequency = null_set_frequency,
	.tell = null_tell,
};
