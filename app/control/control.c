// SPDX-License-Identifier: BSD-3-Clause
#include "control/control.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define HEARTBEAT_MS 50

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
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / NS_PER_S;
}

static void log_change(struct control *control, const struct reference *now)
{
	struct publisher_report report;

	if (now->stratum != control->last.stratum || now->leap != control->last.leap
			|| now->refid != control->last.refid) {
		if (now->stratum == 0)
			log_warn("time: not synchronised, saying so to clients (leap indicator 3)");
		else
			log_info("time: stratum %u, reference %u.%u.%u.%u, leap indicator %u",
					now->stratum, now->refid >> 24, now->refid >> 16 & 0xff,
					now->refid >> 8 & 0xff, now->refid & 0xff, now->leap);
	}
	control->last = *now;
	publisher_describe(control->publisher, &report);
	if (report.steps != control->steps_seen)
		log_warn("time: the clock was stepped");
	control->steps_seen = report.steps;
}

int control_decide(struct control *control)
{
	struct local_clock_state state;
	int error = control->clock->driver->state(control->clock, &state);

	if (error)
		return error;
	struct reference reference = reference_update(&control->keeper, &state,
			control->clock->driver->now(control->clock), uptime_s());

	publisher_say(control->publisher, &reference);
	log_change(control, &reference);
	return 0;
}

static bool taken(volatile sig_atomic_t *asked)
{
	bool was_asked = *asked;

	*asked = 0;
	return was_asked;
}

void control_run(struct control *control)
{
	const struct control_tasks *tasks = &control->tasks;
	double started_s = uptime_s();
	double now_s = started_s;
	int last_error = 0;

	while (!stop_asked
			&& (control->exit_after_s <= 0
					|| now_s < started_s + control->exit_after_s)) {
		int error = control_decide(control);

		// The page is left to expire.
		if (error && error != last_error)
			log_error("clock %s: %s", control->clock->driver->name, strerror(-error));
		last_error = error;
		tasks->watch(tasks->context, now_s);
		if (taken(&reload_asked))
			tasks->reload(tasks->context);
		if (taken(&report_asked))
			tasks->report(tasks->context);
		// A signal ends the wait.
		poll(NULL, 0, HEARTBEAT_MS);
		now_s = uptime_s();
	}
}
