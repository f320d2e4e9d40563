// SPDX-License-Identifier: BSD-3-Clause
#include "sync/timeline.h"

#include <math.h>

static const struct timeline_segment *newest(const struct timeline *timeline)
{
	return &timeline->segments[timeline->newest];
}

static const struct timeline_segment *older(const struct timeline *timeline, unsigned by)
{
	return &timeline->segments[(timeline->newest + TIMELINE_SEGMENTS - by) % TIMELINE_SEGMENTS];
}

static const struct timeline_segment *segment_of_local(const struct timeline *timeline, utc_t local)
{
	for (unsigned by = 0; by < timeline->count; by++)
		if (utc_diff_ns(local, older(timeline, by)->local) >= 0)
			return older(timeline, by);
	return older(timeline, timeline->count - 1);
}

static const struct timeline_segment *segment_of_free(
		const struct timeline *timeline, int64_t free_ns)
{
	for (unsigned by = 0; by < timeline->count; by++)
		if (free_ns >= older(timeline, by)->free_ns)
			return older(timeline, by);
	return older(timeline, timeline->count - 1);
}

// Only what differs goes through floating point: it cannot hold nanoseconds since 1970.
static int64_t free_in(const struct timeline_segment *segment, utc_t local)
{
	int64_t gone_ns = utc_diff_ns(local, segment->local);
	double frequency = segment->frequency;
	double ahead_ns = ((double)gone_ns * frequency + segment->local_rest_ns) / (1 + frequency);

	return segment->free_ns + gone_ns - llround(ahead_ns);
}

// How much further than free time the clock has come since the segment began.
static double ahead_in(const struct timeline_segment *segment, int64_t free_ns)
{
	return (double)(free_ns - segment->free_ns) * segment->frequency + segment->local_rest_ns;
}

// The rest keeps what is lost where free time is rounded to whole nanoseconds.
static struct timeline_segment segment_from(
		const struct timeline *timeline, utc_t local, double frequency)
{
	const struct timeline_segment *last = newest(timeline);
	int64_t free_ns = free_in(last, local);
	int64_t behind_ns = free_ns - last->free_ns - utc_diff_ns(local, last->local);

	return (struct timeline_segment){
		.local = local,
		.local_rest_ns = (double)behind_ns + ahead_in(last, free_ns),
		.free_ns = free_ns,
		.frequency = frequency,
	};
}

static void begin_epoch(struct timeline *timeline, const struct timeline_segment *segment)
{
	timeline->segments[0] = *segment;
	timeline->newest = 0;
	timeline->count = 1;
	timeline->epoch++;
}

void timeline_init(struct timeline *timeline, utc_t now, double frequency)
{
	*timeline = (struct timeline){ .count = 1 };
	timeline->segments[0] = (struct timeline_segment){ .local = now, .frequency = frequency };
}

void timeline_step(struct timeline *timeline, utc_t before, int64_t step_ns)
{
	struct timeline_segment segment =
			segment_from(timeline, before, newest(timeline)->frequency);

	segment.local = utc_add(before, step_ns);
	begin_epoch(timeline, &segment);
}

void timeline_jump(struct timeline *timeline, utc_t before, int64_t jump_ns)
{
	struct timeline_segment segment =
			segment_from(timeline, before, newest(timeline)->frequency);

	segment.local = utc_add(before, jump_ns);
	segment.free_ns += jump_ns;
	begin_epoch(timeline, &segment);
}

void timeline_set_frequency(struct timeline *timeline, utc_t now, double frequency)
{
	struct timeline_segment segment = segment_from(timeline, now, frequency);

	timeline->newest = (timeline->newest + 1) % TIMELINE_SEGMENTS;
	timeline->segments[timeline->newest] = segment;
	timeline->count += timeline->count < TIMELINE_SEGMENTS;
}

int64_t timeline_free_ns(const struct timeline *timeline, utc_t local)
{
	return free_in(segment_of_local(timeline, local), local);
}

utc_t timeline_local(const struct timeline *timeline, int64_t free_ns)
{
	const struct timeline_segment *segment = segment_of_free(timeline, free_ns);

	return utc_add(segment->local,
			free_ns - segment->free_ns + llround(ahead_in(segment, free_ns)));
}

int64_t timeline_correction_ns(const struct timeline *timeline, int64_t free_ns)
{
	return timeline_local(timeline, free_ns).ns - free_ns;
}

double timeline_frequency(const struct timeline *timeline)
{
	return newest(timeline)->frequency;
}
