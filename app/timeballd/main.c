// SPDX-License-Identifier: BSD-3-Clause
// timeballd: serves time from DPDK ports. Parses, opens, runs, closes; says in one line why not.
#include "base/log.h"
#include "config/config.h"
#include "control/control.h"
#include "timeballd/notify.h"
#include "timeballd/options.h"
#include "timeballd/process.h"
#include "timeballd/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROBLEM_SIZE 768

// Returns the configuration, or NULL with `problem` filled.
static struct config *read_config(const struct options *options, struct config_problem *problem)
{
	struct config *config = config_new();
	int error = config ? 0 : -ENOMEM;

	if (error)
		snprintf(problem->text, sizeof(problem->text), "no memory");
	for (unsigned i = 0; i < options->config_line_count && !error; i++)
		error = config_read_argument(config, options->config_lines[i], i + 1, problem);
	if (!error && options->config_line_count == 0)
		error = config_read_file(config, options->config_path, problem);
	if (!error)
		error = config_finish(config, problem);
	if (!error)
		return config;
	config_free(config);
	return NULL;
}

// What the command line overrides.
static void apply_options(const struct options *options, struct config *config)
{
	config->lock_all |= options->lock_all;
	if (options->sched_priority >= 0)
		config->sched_priority = (unsigned)options->sched_priority;
}

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

// From open to close. Returns 0 or -errno with `problem` filled.
static int serve(const struct options *options, struct config *config,
		struct detachment *detachment, char *problem)
{
	struct notify notify;
	struct server_options server_options = {
		.config = config,
		.config_file = options->config_line_count ? NULL : options->config_path,
		.family = options->family,
		.software_clock = options->null_clock,
		.exit_after_s = options->exit_after_s,
		.notify = &notify,
	};
	struct server *server = NULL;

	notify_open(&notify);
	int error = server_open(&server, &server_options, problem, PROBLEM_SIZE);

	if (!error)
		error = set_up_process(config, problem, PROBLEM_SIZE);
	if (!error) {
		process_ready(detachment);
		notify_say(&notify, "READY=1\nSTATUS=serving");
		server_run(server);
		notify_say(&notify, "STOPPING=1");
		log_info("timeballd " VERSION " stopping");
	}
	server_close(server);
	notify_close(&notify);
	return error;
}

// In the process that stays: pidfile, log, server. Returns the exit status.
static int run(const struct options *options, struct config *config, struct detachment *detachment)
{
	char problem[PROBLEM_SIZE] = "";
	int pidfile = -1;
	int error = control_catch_signals();

	if (!error && config->pidfile) {
		pidfile = pidfile_open(config->pidfile, problem, sizeof(problem));
		error = pidfile < 0 ? pidfile : 0;
	}
	if (!error) {
		log_info("timeballd " VERSION " starting");
		log_notices(config);
		error = serve(options, config, detachment, problem);
	}
	if (error) {
		log_fatal("%s", problem[0] ? problem : strerror(-error));
		// The log may be where nobody looks; the terminal is still there until we are ready.
		if (options->log_target != LOG_TO_STDERR)
			fprintf(stderr, "timeballd: %s\n", problem[0] ? problem : strerror(-error));
	}
	pidfile_close(pidfile, config->pidfile);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

// Goes to the background unless told to stay. Returns the exit status.
static int start(const struct options *options, struct config *config)
{
	struct detachment detachment = { .word = -1 };
	int error = log_open(options->log_target, options->log_path, options->log_severity);
	int status;

	if (error) {
		fprintf(stderr, "timeballd: %s: %s\n", options->log_path, strerror(-error));
		return EXIT_FAILURE;
	}
	if (!options->foreground) {
		int detached = process_detach(&detachment);

		if (detached > 0)
			return EXIT_SUCCESS;
		if (detached < 0)
			return EXIT_FAILURE;
	}
	status = run(options, config, &detachment);
	log_close();
	return status;
}

static int run_with_config(struct options *options)
{
	struct config_problem problem;
	struct config *config = read_config(options, &problem);
	int status = EXIT_SUCCESS;

	if (!config) {
		fprintf(stderr, "timeballd: %s\n", problem.text);
		return EXIT_FAILURE;
	}
	apply_options(options, config);
	// It is read again at a reload, when the background has left the folder we are in.
	char *config_path = realpath(options->config_path, NULL);

	if (config_path)
		options->config_path = config_path;
	if (options->action == OPTIONS_PRINT_CONFIG) {
		for (unsigned i = 0; i < config->notice_count; i++)
			fprintf(stderr, "timeballd: %s\n", config->notices[i]);
		config_print(config, stdout);
	} else if (options->needs_root && geteuid() != 0) {
		fprintf(stderr, "timeballd: not root (-U starts all the same)\n");
		status = EXIT_FAILURE;
	} else {
		status = start(options, config);
	}
	config_free(config);
	free(config_path);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	char message[256];

	if (options_parse(argc, argv, &options, message, sizeof(message))) {
		fprintf(stderr, "timeballd: %s\n", message);
		return EXIT_FAILURE;
	}
	switch (options.action) {
	case OPTIONS_PRINT_VERSION:
		printf("timeballd " VERSION "\n");
		return EXIT_SUCCESS;
	case OPTIONS_PRINT_USAGE:
		printf("%s", options_usage());
		return EXIT_SUCCESS;
	case OPTIONS_PRINT_CONFIG:
	case OPTIONS_RUN:
		break;
	}
	return run_with_config(&options);
}
