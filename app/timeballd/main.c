// SPDX-License-Identifier: BSD-3-Clause
// timeballd: serves time from DPDK ports, or follows servers. Parses, opens, runs, closes; says in one
// line why not.
#include "base/log.h"
#include "config/config.h"
#include "control/control.h"
#include "timeballd/client.h"
#include "timeballd/notify.h"
#include "timeballd/options.h"
#include "timeballd/process.h"
#include "timeballd/server.h"
#include "timeballd/supported.h"

#include <errno.h>
#include <stdbool.h>
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

// What is open while the process runs.
struct running {
	const struct options *options;
	struct config *config;
	struct detachment *detachment;
	struct notify notify;
	char problem[PROBLEM_SIZE];
};

// Returns 0 or -errno with the problem filled.
static int get_ready(struct running *running, const char *state)
{
	int error = set_up_process(running->config, running->problem, PROBLEM_SIZE);

	if (error)
		return error;
	process_ready(running->detachment);
	notify_say(&running->notify, state);
	return 0;
}

// From open to close, as the next one. Returns the exit status, or -errno with the problem filled.
static int serve(struct running *running)
{
	const struct options *options = running->options;
	struct server_options server_options = {
		.config = running->config,
		.config_file = options->config_line_count ? NULL : options->config_path,
		.family = options->family,
		.software_clock = options->null_clock,
		.exit_after_s = options->exit_after_s,
		.notify = &running->notify,
	};
	struct server *server = NULL;
	int result = server_open(&server, &server_options, running->problem, PROBLEM_SIZE);

	if (!result)
		result = get_ready(running, "READY=1\nSTATUS=serving");
	if (!result)
		result = server_run(server);
	if (result >= 0)
		notify_say(&running->notify, "STOPPING=1");
	if (result >= 0)
		log_info("timeballd " VERSION " stopping");
	server_close(server);
	return result;
}

static int follow(struct running *running)
{
	static const enum client_mode modes[] = {
		[OPTIONS_STEER] = CLIENT_STEERS,
		[OPTIONS_SET_ONCE] = CLIENT_SETS_ONCE,
		[OPTIONS_PRINT_ONCE] = CLIENT_PRINTS_ONCE,
	};
	const struct options *options = running->options;
	struct client_options client_options = {
		.config = running->config,
		.family = options->family,
		.software_clock = options->null_clock,
		.mode = modes[options->mode],
		.exit_after_s = options->exit_after_s,
		.notify = &running->notify,
	};
	struct client *client = NULL;
	int result = client_open(&client, &client_options, running->problem, PROBLEM_SIZE);

	if (!result)
		result = get_ready(running, "READY=1\nSTATUS=following servers");
	if (!result)
		result = client_run(client);
	if (result >= 0)
		notify_say(&running->notify, "STOPPING=1");
	client_close(client);
	if (result >= 0)
		log_info("timeballd " VERSION " stopping");
	return result;
}

static bool is_client(const struct options *options, const struct config *config)
{
	return options->mode != OPTIONS_STEER || supported_is_client(config);
}

// Returns the exit status, or -errno with the problem filled.
static int run_with_pidfile(struct running *running)
{
	struct config *config = running->config;
	int pidfile = -1;
	int result = 0;

	if (config->pidfile && running->options->mode != OPTIONS_PRINT_ONCE) {
		pidfile = pidfile_open(config->pidfile, running->problem, PROBLEM_SIZE);
		if (pidfile < 0)
			return pidfile;
	}
	log_info("timeballd " VERSION " starting");
	log_notices(config);
	notify_open(&running->notify);
	result = is_client(running->options, config) ? follow(running) : serve(running);
	notify_close(&running->notify);
	pidfile_close(pidfile, config->pidfile);
	return result;
}

// In the process that stays: pidfile, log, server. Returns the exit status.
static int run(const struct options *options, struct config *config, struct detachment *detachment)
{
	struct running running = {
		.options = options,
		.config = config,
		.detachment = detachment,
	};
	int result = control_catch_signals();

	if (!result)
		result = run_with_pidfile(&running);
	if (result >= 0)
		return result;
	const char *problem = running.problem[0] ? running.problem : strerror(-result);

	log_fatal("%s", problem);
	// The log may be where nobody looks; the terminal is still there until we are ready.
	if (options->log_target != LOG_TO_STDERR)
		fprintf(stderr, "timeballd: %s\n", problem);
	return EXIT_FAILURE;
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
