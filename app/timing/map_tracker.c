// SPDX-License-Identifier: BSD-3-Clause
// The map is predicted from the one before and pulled towards each new pairing by an eighth: a
// pairing is only as good as the counter's step, and the slope is known far better. When the
// prediction is off by more than a pairing can be, the clock was slewed or stepped: take the pairing.
#include "timing/map_tracker.h"

#include <math.h>
#include <stdlib.h>

#define PAIRING_READS      8
#define FIRST_BASELINE_NS  (20 * 1'000'000)
#define ANCHOR_INTERVAL_NS (8 * NS_PER_S)
#define STEP_NS            100'000
#define SMOOTHING          8

static int64_t read_raw(const void *context)
{
	const struct map_tracker *tracker = context;

	return tracker->counter->raw_ns();
}

static int64_t read_clock(const void *context)
{
	const struct map_tracker *tracker = context;

	return tracker->clock->driver->now(tracker->clock).ns;
}

// The narrowest of eight brackets: a preempted or cache-cold reading is up to a microsecond off.
static struct pairing pair(const struct map_tracker *tracker, int64_t (*read)(const void *context))
{
	struct pairing best = { .width_ticks = UINT64_MAX };

	for (int i = 0; i < PAIRING_READS; i++) {
		uint64_t before = tracker->counter->read();
		int64_t ns = read(tracker);
		uint64_t width = tracker->counter->read() - before;

		if (width < best.width_ticks)
			best = (struct pairing){ before + width / 2, width, ns };
	}
	return best;
}

// Measured from an anchor 8 to 16 seconds back (less at first), so that a change of the counter's
// rate, which should never be, is followed within seconds.
static void update_rate(struct map_tracker *tracker, const struct pairing *now)
{
	int64_t baseline_ns = now->ns - tracker->raw_anchor.ns;
	uint64_t baseline_ticks = now->ticks - tracker->raw_anchor.ticks;

	tracker->raw_ns_per_tick = (double)baseline_ns / (double)baseline_ticks;
	tracker->rate_error = (double)(now->width_ticks + tracker->raw_anchor.width_ticks) / 2
			/ (double)baseline_ticks;
	if (now->ns - tracker->raw_next.ns >= ANCHOR_INTERVAL_NS) {
		tracker->raw_anchor = tracker->raw_next;
		tracker->raw_next = *now;
	}
}

int map_tracker_init(struct map_tracker *tracker, const struct counter *counter,
		const struct local_clock *clock, void (*sleep_ns)(int64_t))
{
	struct local_clock_state state;
	int error = clock->driver->state(clock, &state);

	if (error)
		return error;
	*tracker = (struct map_tracker){ .counter = counter, .clock = clock };
	tracker->raw_anchor = pair(tracker, read_raw);
	tracker->raw_next = tracker->raw_anchor;
	sleep_ns(FIRST_BASELINE_NS);
	map_tracker_update(tracker, state.rate);
	tracker->recent_residual_ns = 0;
	tracker->epoch = 1;
	return 0;
}

void map_tracker_update(struct map_tracker *tracker, double clock_rate)
{
	struct pairing raw = pair(tracker, read_raw);
	struct pairing now = pair(tracker, read_clock);
	utc_t predicted = time_map_utc(&tracker->map, now.ticks);
	utc_t measured = { now.ns };
	int64_t residual_ns = utc_diff_ns(measured, predicted);
	int64_t half_width_ns;

	update_rate(tracker, &raw);
	half_width_ns = (int64_t)ceil((double)now.width_ticks / 2 * tracker->raw_ns_per_tick);

	if (llabs(residual_ns) > half_width_ns)
		tracker->map.utc = measured;
	else
		tracker->map.utc = utc_add(predicted, residual_ns / SMOOTHING);
	tracker->map.ticks = now.ticks;
	tracker->map.ns_per_tick = time_rate_from_double(tracker->raw_ns_per_tick * clock_rate);

	if (llabs(residual_ns) > STEP_NS) {
		tracker->epoch++;
		residual_ns = 0;
	}
	tracker->recent_residual_ns -= tracker->recent_residual_ns / SMOOTHING;
	if (llabs(residual_ns) > tracker->recent_residual_ns)
		tracker->recent_residual_ns = llabs(residual_ns);
	tracker->error_ns = half_width_ns + tracker->recent_residual_ns;
}

void map_tracker_change(struct map_tracker *tracker, double clock_rate, bool stepped)
{
	struct pairing now = pair(tracker, read_clock);

	tracker->map = (struct time_map){
		.ticks = now.ticks,
		.utc = { now.ns },
		.ns_per_tick = time_rate_from_double(tracker->raw_ns_per_tick * clock_rate),
	};
	tracker->epoch += stepped;
	tracker->error_ns = (int64_t)ceil((double)now.width_ticks / 2 * tracker->raw_ns_per_tick)
			+ tracker->recent_residual_ns;
}

int8_t map_tracker_precision(const struct map_tracker *tracker)
{
	uint64_t step_ticks = UINT64_MAX;

	for (int i = 0; i < 64; i++) {
		uint64_t first = tracker->counter->read();
		uint64_t second;

		do
			second = tracker->counter->read();
		while (second == first);
		if (second - first < step_ticks)
			step_ticks = second - first;
	}
	double step_s = (double)step_ticks * tracker->raw_ns_per_tick / NS_PER_S;

	// Below a nanosecond the map's own arithmetic is the limit.
	return (int8_t)fmax(ceil(log2(step_s)), -29);
}
