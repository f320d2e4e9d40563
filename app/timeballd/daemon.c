// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/daemon.h"

#include "base/log.h"
#include "control/control.h"
#include "timeballd/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void log_notices(const struct config *config)
{
	for (unsigned i = 0; i < config->notice_count; i++)
		log_warn("%s", config->notices[i]);
}

static int set_up_process(const struct config *config, char *problem, size_t size)
{
	int error = 0;

	if (config->lock_all) {
		error = process_lock_memory();
		if (error)
			snprintf(problem, size, "lock_all: %s", strerror(-error));
	}
	if (!error && config->sched_priority) {
		error = process_set_priority(config->sched_priority);
		if (error)
			snprintf(problem, size, "sched_priority: %s", strerror(-error));
	}
	return error;
}

int daemon_ready(struct daemon *daemon, const char *state)
{
	int error = set_up_process(daemon->config, daemon->problem, sizeof(daemon->problem));

	if (error)
		return error;
	process_ready(&daemon->detachment);
	notify_say(&daemon->notify, state);
	return 0;
}

// Returns the exit status, or -errno with the problem filled.
static int run_with_pidfile(struct daemon *daemon)
{
	struct config *config = daemon->config;
	int pidfile = -1;
	int result;

	if (config->pidfile && daemon->options->mode != OPTIONS_PRINT_ONCE) {
		pidfile = pidfile_open(config->pidfile, daemon->problem, sizeof(daemon->problem));
		if (pidfile < 0)
			return pidfile;
	}
	log_info("timeballd " VERSION " starting");
	log_notices(config);
	notify_open(&daemon->notify);
	result = daemon->work(daemon);
	notify_close(&daemon->notify);
	pidfile_close(pidfile, config->pidfile);
	return result;
}

// In the process that stays. Returns the exit status.
static int run(struct daemon *daemon)
{
	int result = control_catch_signals();

	if (!result)
		result = run_with_pidfile(daemon);
	if (result >= 0)
		return result;
	const char *problem = daemon->problem[0] ? daemon->problem : strerror(-result);

	log_fatal("%s", problem);
	// The log may be where nobody looks; the terminal is still there until we are ready.
	if (daemon->options->log_target != LOG_TO_STDERR)
		fprintf(stderr, "timeballd: %s\n", problem);
	return EXIT_FAILURE;
}

int daemon_run(const struct options *options, struct config *config, daemon_work *work)
{
	struct daemon daemon = {
		.options = options,
		.config = config,
		.work = work,
		.detachment = { .word = -1 },
	};
	int error = log_open(options->log_target, options->log_path, options->log_severity);
	int status;

	if (error) {
		fprintf(stderr, "timeballd: %s: %s\n", options->log_path, strerror(-error));
		return EXIT_FAILURE;
	}
	if (!options->foreground) {
		int detached = process_detach(&daemon.detachment);

		if (detached > 0)
			return EXIT_SUCCESS;
		if (detached < 0)
			return EXIT_FAILURE;
	}
	status = run(&daemon);
	log_close();
	return status;
}
