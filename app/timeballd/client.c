// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/client.h"

#include "base/log.h"
#include "drivers/drivers.h"
#include "timeballd/clock_choice.h"
#include "timeballd/discipline_setup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES       3        // after which an offset is believed, as by chronyd
#define REQUESTS      5        // after which a source that gave none is given up, likewise
#define ANSWER_NS     NS_PER_S // to wait for the last one's answer
#define ONCE_BEAT_MS  50       // how soon that is seen
#define SIGNS_OF_LIFE 4        // heartbeats in the time that the manager's watchdog gives

struct client {
	struct client_options options;
	struct local_clock clock;
	struct discipline_setup setup;
	struct control control;
	bool measured;
	int64_t offset_ns; // UTC less CLOCK_REALTIME, when measured
};

// Has had its chance, and gave nothing.
static bool is_hopeless(const struct client *client, const struct member *member)
{
	struct association_report report;
	utc_t now = client->clock.driver->now(&client->clock);

	association_describe(discipline_association(
					     client->control.discipline, (unsigned)member->source),
			&report);
	return report.reach == 0 && report.sent >= REQUESTS
			&& utc_diff_ns(now, report.last_sent.local) > ANSWER_NS;
}

static bool all_hopeless(struct client *client)
{
	const struct member *member;

	if (sources_unresolved(client->control.sources))
		return false;
	for (unsigned i = 0; (member = sources_member(client->control.sources, i)); i++) {
		if (!is_hopeless(client, member))
			return false;
	}
	return true;
}

static bool has_measured(const struct client *client, struct discipline_tracking *tracking)
{
	struct discipline *discipline = client->control.discipline;
	utc_t now = client->clock.driver->now(&client->clock);
	struct source_report report;

	discipline_track(discipline, now, tracking);
	if (tracking->selected < 0)
		return false;
	discipline_describe(discipline, (unsigned)tracking->selected, now, &report);
	return report.samples >= SAMPLES;
}

// The software clock was steered meanwhile: what it lacks and what it was given make the offset.
static void note_offset(struct client *client, const struct discipline_tracking *tracking)
{
	struct clock_pair pair = clock_pair_read();
	utc_t shown = member_clock_stamp(&client->clock, pair.real);

	client->measured = true;
	client->offset_ns = utc_diff_ns(shown, pair.real)
			+ llround(tracking->current_correction_s * NS_PER_S);
}

static void watch_once(struct client *client)
{
	struct discipline_tracking tracking;

	if (has_measured(client, &tracking)) {
		note_offset(client, &tracking);
		control_stop(&client->control);
	} else if (all_hopeless(client)) {
		log_info("No suitable source for synchronisation");
		control_stop(&client->control);
	}
}

static void watch(void *context, double uptime_s)
{
	struct client *client = context;

	if (client->options.mode != CLIENT_STEERS && !client->measured)
		watch_once(client);
	notify_alive(client->options.notify, uptime_s);
}

static void reload(void *)
{
	log_warn("reload: without `serve` lines there is nothing to reload; servers are read again at a restart only");
}

// What is measured once is measured by a clock that nobody else looks at.
static int open_clock(struct client *client, char *problem, size_t size)
{
	const struct client_options *options = &client->options;
	bool software = options->software_clock || options->mode == CLIENT_PRINTS_ONCE;
	int error = clock_choose(&client->clock, options->config, software, problem, size);

	if (error)
		return error;
	if (!client->clock.driver->step) {
		snprintf(problem, size,
				"clock follow: somebody else steers this clock, and no `serve` line asks to serve it");
		return -EINVAL;
	}
	if (options->mode != CLIENT_SETS_ONCE || software)
		return 0;
	client->clock.driver->close(&client->clock);
	client->clock = (struct local_clock){ 0 };
	error = local_clock_null.open(&client->clock);
	if (!error)
		client->clock.driver = &local_clock_null;
	return error;
}

static int heartbeat_ms(const struct client_options *options)
{
	double sign_s = options->notify->watchdog_s / SIGNS_OF_LIFE;

	if (options->mode != CLIENT_STEERS)
		return ONCE_BEAT_MS;
	return sign_s > 0 && sign_s < 1 ? (int)(sign_s * 1000) + 1 : 0;
}

static int open_all(struct client *client, char *problem, size_t size)
{
	const struct client_options *options = &client->options;
	int error = open_clock(client, problem, size);

	if (error)
		return error;
	error = discipline_setup_make(
			&client->setup, options->config, options->family, &client->clock);
	if (options->mode != CLIENT_STEERS) {
		// The offset is reported, whatever it is.
		client->setup.control.log_change_s = 0;
		client->setup.control.options.servo.max_change_s = 0;
		client->setup.control.records = (struct records_options){ 0 };
		client->setup.control.dumps = (struct dumps_options){ 0 };
	}
	client->control = (struct control){
		.clock = &client->clock,
		.tasks = { client, watch, reload, NULL },
		.exit_after_s = options->exit_after_s,
		.heartbeat_ms = heartbeat_ms(options),
		.quiet = options->mode != CLIENT_STEERS,
	};
	if (!error)
		error = control_start_discipline(&client->control, &client->setup.control);
	return error;
}

int client_open(struct client **result, const struct client_options *options, char *problem,
		size_t size)
{
	struct client *client = calloc(1, sizeof(*client));
	int error;

	if (!client)
		return -ENOMEM;
	client->options = *options;
	error = open_all(client, problem, size);
	if (error)
		client_close(client);
	else
		*result = client;
	return error;
}

static void set_clock(const struct client *client)
{
	struct local_clock clock = { .driver = &local_clock_system };
	int error = client->options.software_clock ? -EPERM : clock.driver->open(&clock);

	if (!error) {
		error = clock.driver->step(&clock, client->offset_ns);
		clock.driver->close(&clock);
	}
	if (error)
		log_error("Could not step system clock");
}

static int tell_measured(const struct client *client)
{
	bool set = client->options.mode == CLIENT_SETS_ONCE;

	log_info("System clock wrong by %.6f seconds (%s)", (double)client->offset_ns / NS_PER_S,
			set ? "step" : "ignored");
	if (set)
		set_clock(client);
	return EXIT_SUCCESS;
}

int client_run(struct client *client)
{
	enum control_end end;

	if (client->options.mode == CLIENT_STEERS)
		log_info("clock %s: following %u line(s) of servers", client->clock.driver->name,
				client->setup.control.sources.spec_count);
	end = control_run(&client->control);
	if (client->measured)
		return tell_measured(client);
	if (end == CONTROL_TIMED_OUT)
		log_info("Timeout reached");
	if (client->options.mode == CLIENT_STEERS && end != CONTROL_GAVE_UP)
		return end == CONTROL_TIMED_OUT && client->control.updates_told == 0 ? EXIT_FAILURE
										     : EXIT_SUCCESS;
	return end == CONTROL_STOPPED && !client->control.finished ? EXIT_SUCCESS : EXIT_FAILURE;
}

void client_close(struct client *client)
{
	if (!client)
		return;
	control_stop_discipline(&client->control);
	discipline_setup_free(&client->setup);
	if (client->clock.driver)
		client->clock.driver->close(&client->clock);
	free(client);
}
