// SPDX-License-Identifier: BSD-3-Clause
#include "control/control.h"

#include "base/log.h"
#include "control/sources_log.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define MS           INT64_C(1'000'000)
#define HEARTBEAT_MS 50
#define IDLE_MS      1000 // nobody is served: often enough for signals and steps by others
#define TELL_NS      (8 * NS_PER_S)

// Written by the handler, read by the loop.
static volatile sig_atomic_t stop_asked, reload_asked, report_asked;

static void on_signal(int signal_number)
{
	switch (signal_number) {
	case SIGHUP:
		reload_asked = 1;
		break;
	case SIGUSR1:
		report_asked = 1;
		break;
	default:
		stop_asked = 1;
	}
}

int control_catch_signals(void)
{
	static const int caught[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
		if (sigaction(caught[i], &action, NULL))
			return -errno;
	}
	return 0;
}

static double uptime_s(void)
{
	return (double)loop_now_ns() / NS_PER_S;
}

static utc_t now_of(const struct control *control)
{
	return control->clock->driver->now(control->clock);
}

static void log_steps(struct control *control)
{
	struct publisher_report report;

	publisher_describe(control->publisher, &report);
	// With a discipline they are its own, or said already.
	if (report.steps != control->steps_seen && !control->discipline)
		log_warn("time: the clock was stepped");
	control->steps_seen = report.steps;
}

static void log_change(struct control *control, const struct reference *now)
{
	if (now->stratum != control->last.stratum || now->leap != control->last.leap
			|| now->refid != control->last.refid) {
		if (now->stratum == 0)
			log_warn("time: not synchronised%s",
					control->publisher
							? ", saying so to clients (leap indicator 3)"
							: "");
		else
			log_info("time: stratum %u, reference %u.%u.%u.%u, leap indicator %u",
					now->stratum, now->refid >> 24, now->refid >> 16 & 0xff,
					now->refid >> 8 & 0xff, now->refid & 0xff, now->leap);
	}
	control->last = *now;
	if (control->publisher)
		log_steps(control);
}

// Returns 0 or -errno of the clock.
static int reference_now(struct control *control, struct reference *reference)
{
	struct local_clock_state state;
	int error;

	if (control->discipline) {
		*reference = discipline_reference(control->discipline, now_of(control));
		return 0;
	}
	error = control->clock->driver->state(control->clock, &state);
	if (!error)
		*reference = reference_update(
				&control->keeper, &state, now_of(control), uptime_s());
	return error;
}

int control_decide(struct control *control)
{
	struct reference reference;
	int error = reference_now(control, &reference);

	if (error)
		return error;
	if (control->publisher)
		publisher_say(control->publisher, &reference);
	if (control->quiet)
		control->last = reference;
	else
		log_change(control, &reference);
	return 0;
}

static void tell_kernel(struct control *control)
{
	struct discipline_tracking tracking;
	int64_t now_ns = loop_now_ns();
	utc_t now = now_of(control);

	discipline_track(control->discipline, now, &tracking);
	if (tracking.updates == control->updates_told && now_ns - control->told_ns < TELL_NS)
		return;
	adjuster_watch_others(&control->adjuster);
	adjuster_tell(&control->adjuster, &control->last, now);
	control->updates_told = tracking.updates;
	control->told_ns = now_ns;
}

static void beat(void *context)
{
	struct control *control = context;
	const struct control_tasks *tasks = &control->tasks;
	int error = control_decide(control);

	// The page is left to expire.
	if (error && error != control->last_error)
		log_error("clock %s: %s", control->clock->driver->name, strerror(-error));
	control->last_error = error;
	if (control->discipline) {
		if (!control->quiet)
			sources_log_changes(control->sources, control->discipline, now_of(control));
		tell_kernel(control);
	}
	if (tasks->watch)
		tasks->watch(tasks->context, uptime_s());
	timer_heap_set(&control->loop.timers, &control->beat,
			loop_now_ns() + control->heartbeat_ms * MS);
}

// Before anything that came in is believed.
static void on_wake(void *context)
{
	struct control *control = context;
	struct clock_jump jump;

	if (control->discipline && adjuster_look(&control->adjuster, &jump))
		sources_restart(control->sources);
}

static void on_answer(void *context, const struct member *member, enum association_verdict verdict)
{
	struct control *control = context;

	records_answer(&control->records, control->sources, member, verdict, &control->last);
}

static void on_open(void *context, const struct member *member)
{
	struct control *control = context;

	dumps_recall(&control->dumps, member);
}

int control_start_discipline(struct control *control, const struct control_discipline *options)
{
	struct local_clock_state state;
	int error = control->clock->driver->state(control->clock, &state);

	if (error)
		return error;
	control->discipline = discipline_open(
			&options->options, now_of(control), state.frequency, member_random());
	if (!control->discipline)
		return -ENOMEM;
	discipline_set_own_refids(
			control->discipline, options->own_refids, options->own_refid_count);
	control->adjuster = (struct adjuster){
		.clock = control->clock,
		.discipline = control->discipline,
		.loop = &control->loop,
		.publisher = control->publisher,
		.rtcsync = options->rtcsync,
		.log_change_s = options->log_change_s,
	};
	dumps_open(&control->dumps, &options->dumps, control->clock, control->discipline);
	adjuster_start(&control->adjuster);
	records_open(&control->records, &options->records, control->discipline);
	struct sources_options sources = options->sources;

	sources.on_open = on_open;
	sources.on_answer = on_answer;
	sources.context = control;
	error = sources_open(&control->sources, &sources, &control->adjuster);
	if (error)
		control_stop_discipline(control);
	return error;
}

static void write_dumps(struct control *control)
{
	const struct member *member;

	if (!control->sources)
		return;
	for (unsigned i = 0; (member = sources_member(control->sources, i)); i++)
		dumps_write(&control->dumps, member, now_of(control));
}

void control_stop_discipline(struct control *control)
{
	if (!control->discipline)
		return;
	// What it is to be left with.
	adjuster_tell(&control->adjuster, &control->last, now_of(control));
	write_dumps(control);
	sources_close(control->sources);
	records_close(&control->records, now_of(control));
	timer_heap_cancel(&control->loop.timers, &control->adjuster.timer);
	discipline_close(control->discipline);
	control->sources = NULL;
	control->discipline = NULL;
}

static bool taken(volatile sig_atomic_t *asked)
{
	bool was_asked = *asked;

	*asked = 0;
	return was_asked;
}

static void report(struct control *control)
{
	const struct control_tasks *tasks = &control->tasks;

	if (tasks->report)
		tasks->report(tasks->context);
	if (!control->sources)
		return;
	// Whoever moved log files away says so.
	log_files_reopen(&control->records.logs);
	sources_log_all(control->sources, control->discipline, now_of(control));
}

static void serve_signals(struct control *control)
{
	const struct control_tasks *tasks = &control->tasks;
	bool wants_reload = taken(&reload_asked), wants_report = taken(&report_asked);

	if (wants_reload && tasks->reload)
		tasks->reload(tasks->context);
	if (wants_report)
		report(control);
	// A reload under way is looked after at the heartbeat.
	if (wants_reload)
		timer_heap_set(&control->loop.timers, &control->beat, loop_now_ns());
}

static void on_deadline(void *context)
{
	*(bool *)context = true;
}

void control_stop(struct control *control)
{
	control->finished = true;
}

enum control_end control_run(struct control *control)
{
	bool timed_out = false;

	if (control->heartbeat_ms == 0)
		control->heartbeat_ms = control->publisher ? HEARTBEAT_MS : IDLE_MS;
	control->beat = (struct timer){ .on_due = beat, .context = control };
	control->deadline = (struct timer){ .on_due = on_deadline, .context = &timed_out };
	control->loop.on_wake = on_wake;
	control->loop.context = control;
	if (control->exit_after_s > 0)
		timer_heap_set(&control->loop.timers, &control->deadline,
				loop_now_ns() + (int64_t)(control->exit_after_s * NS_PER_S));
	beat(control);
	while (!stop_asked && !timed_out && !control->finished && !control->adjuster.gave_up) {
		// A signal ends the wait.
		loop_turn(&control->loop);
		serve_signals(control);
	}
	timer_heap_cancel(&control->loop.timers, &control->beat);
	timer_heap_cancel(&control->loop.timers, &control->deadline);
	if (control->adjuster.gave_up)
		return CONTROL_GAVE_UP;
	return timed_out && !stop_asked ? CONTROL_TIMED_OUT : CONTROL_STOPPED;
}
