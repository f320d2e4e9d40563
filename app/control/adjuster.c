// SPDX-License-Identifier: BSD-3-Clause
#include "control/adjuster.h"

#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static utc_t now_of(const struct adjuster *adjuster)
{
	return adjuster->clock->driver->now(adjuster->clock);
}

int64_t adjuster_free_ns(const struct adjuster *adjuster)
{
	return timeline_free_ns(discipline_timeline(adjuster->discipline), now_of(adjuster));
}

int64_t adjuster_due_ns(const struct adjuster *adjuster, int64_t wake_free_ns)
{
	int64_t left_ns;

	if (wake_free_ns == INT64_MAX
			|| __builtin_sub_overflow(
					wake_free_ns, adjuster_free_ns(adjuster), &left_ns))
		return INT64_MAX;
	return left_ns > 0 ? loop_now_ns() + left_ns : loop_now_ns();
}

static void set_timer(struct adjuster *adjuster)
{
	int64_t due_ns = adjuster_due_ns(adjuster, adjuster->wake_free_ns);

	if (due_ns == INT64_MAX)
		timer_heap_cancel(&adjuster->loop->timers, &adjuster->timer);
	else
		timer_heap_set(&adjuster->loop->timers, &adjuster->timer, due_ns);
}

static void ask(struct adjuster *adjuster)
{
	struct discipline_command command;

	discipline_on_timer(adjuster->discipline, now_of(adjuster), &command);
	adjuster_perform(adjuster, &command);
}

static void on_timer(void *context)
{
	struct adjuster *adjuster = context;

	// Free time is not the loop's: a little may be left.
	if (adjuster_free_ns(adjuster) < adjuster->wake_free_ns) {
		set_timer(adjuster);
		return;
	}
	ask(adjuster);
}

void adjuster_start(struct adjuster *adjuster)
{
	struct clock_pair pair = clock_pair_read();

	adjuster->timer = (struct timer){ .on_due = on_timer, .context = adjuster };
	adjuster->wake_free_ns = INT64_MAX;
	clock_watch_start(&adjuster->watch, &pair);
	ask(adjuster);
}

static void say_failure(struct adjuster *adjuster, const char *what, int error)
{
	if (error != adjuster->last_error)
		log_error("clock %s: %s: %s", adjuster->clock->driver->name, what,
				strerror(-error));
	adjuster->last_error = error;
}

static utc_t middle(utc_t before, utc_t after)
{
	return utc_add(before, utc_diff_ns(after, before) / 2);
}

// As publisher_change(), when there is nobody to publish for.
static int change_unseen(struct local_clock *clock, struct publisher_change *change)
{
	utc_t before = clock->driver->now(clock);
	int error = change->step_ns ? clock->driver->step(clock, change->step_ns) : 0;

	if (error) {
		change->step_ns = 0;
		return error;
	}
	// What is done between two readings counts from their middle.
	change->before = middle(before, utc_add(clock->driver->now(clock), -change->step_ns));
	if (!change->step_ns)
		before = clock->driver->now(clock);
	error = clock->driver->set_frequency(clock, &change->frequency);
	if (!change->step_ns)
		change->before = middle(before, clock->driver->now(clock));
	return error;
}

// Somebody else's step is not taken for ours: the next look finds it.
static bool jumped(const struct adjuster *adjuster)
{
	struct clock_watch watch = adjuster->watch;
	struct clock_pair pair = clock_pair_read();
	struct clock_jump jump;

	return clock_watch_look(&watch, &pair, &jump);
}

static void say_error(struct adjuster *adjuster)
{
	struct discipline_tracking tracking;

	discipline_track(adjuster->discipline, now_of(adjuster), &tracking);
	if (tracking.updates != adjuster->updates_seen && adjuster->log_change_s > 0
			&& fabs(tracking.last_offset_s) >= adjuster->log_change_s)
		log_warn("clock: wrong by %.6f s", tracking.last_offset_s);
	adjuster->updates_seen = tracking.updates;
}

static void adjust(struct adjuster *adjuster, const struct servo_command *command)
{
	struct clock_pair pair;

	if (jumped(adjuster))
		return;
	say_error(adjuster);
	struct publisher_change change = {
		.step_ns = command->step_ns,
		.frequency = command->frequency,
		.before = now_of(adjuster),
	};
	int error = adjuster->publisher ? publisher_change(adjuster->publisher, &change)
					: change_unseen(adjuster->clock, &change);

	if (error) {
		say_failure(adjuster, "not adjusted", error);
		change.frequency = timeline_frequency(discipline_timeline(adjuster->discipline));
	} else {
		adjuster->last_error = 0;
	}
	if (change.step_ns)
		log_warn("clock: stepped by %.6f s", (double)change.step_ns / NS_PER_S);
	discipline_did(adjuster->discipline, change.before, change.step_ns, change.frequency);
	pair = clock_pair_read();
	clock_watch_start(&adjuster->watch, &pair);
}

void adjuster_perform(struct adjuster *adjuster, const struct discipline_command *command)
{
	switch (command->clock.verdict) {
	case SERVO_ADJUST:
		adjust(adjuster, &command->clock);
		break;
	case SERVO_REFUSED:
		log_warn("clock: a change over maxchange is ignored");
		break;
	case SERVO_GIVE_UP:
		log_fatal("clock: too many changes over maxchange");
		adjuster->gave_up = true;
		break;
	case SERVO_NOTHING:
		break;
	}
	adjuster->wake_free_ns = command->wake_free_ns;
	set_timer(adjuster);
}

bool adjuster_look(struct adjuster *adjuster, struct clock_jump *jump)
{
	struct clock_pair pair = clock_pair_read();

	if (!clock_watch_look(&adjuster->watch, &pair, jump))
		return false;
	utc_t before = utc_add(now_of(adjuster), -jump->jump_ns);

	if (jump->asleep_ns)
		log_warn("clock: the machine slept for %.3f s", (double)jump->asleep_ns / NS_PER_S);
	else
		log_warn("clock: somebody else stepped it by %.6f s",
				(double)jump->jump_ns / NS_PER_S);
	discipline_on_jump(adjuster->discipline, before, jump->jump_ns);
	ask(adjuster);
	return true;
}

void adjuster_watch_others(struct adjuster *adjuster)
{
	const struct local_clock_driver *driver = adjuster->clock->driver;
	enum local_clock_meddling what;
	int64_t step_ns;
	bool meddled;

	if (!driver->watch || driver->watch(adjuster->clock, &what, &step_ns))
		return;
	// Steps are found by comparing clocks, at each wake and to the microsecond.
	meddled = what == LOCAL_CLOCK_KERNEL_LOOP || what == LOCAL_CLOCK_FREQUENCY_CHANGED;
	if (meddled && !adjuster->meddled)
		log_warn("clock: somebody else steers it, too");
	adjuster->meddled = meddled;
	if (meddled)
		ask(adjuster);
}

void adjuster_tell(struct adjuster *adjuster, const struct reference *reference, utc_t now)
{
	const struct local_clock_driver *driver = adjuster->clock->driver;
	int64_t age_ns = utc_diff_ns(now, reference->as_of);
	double growth = (double)reference->root_dispersion_rate_ppb / NS_PER_S;
	int64_t dispersion_ns = reference->root_dispersion_ns;

	if (!driver->tell)
		return;
	if (age_ns > 0)
		dispersion_ns += (int64_t)((double)age_ns * growth);
	struct discipline_tracking tracking;

	discipline_track(adjuster->discipline, now, &tracking);
	struct local_clock_claim claim = {
		.synchronised = reference->stratum > 0,
		.max_error_ns = dispersion_ns + reference->root_delay_ns / 2,
		.estimated_error_ns = dispersion_ns,
		.rtcsync = adjuster->rtcsync,
		.base_frequency = tracking.frequency,
	};
	int error = driver->tell(adjuster->clock, &claim);

	if (error)
		say_failure(adjuster, "the kernel does not take its error", error);
}
