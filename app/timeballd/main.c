// SPDX-License-Identifier: BSD-3-Clause
// timeballd and timeballd-serve: serve time from DPDK ports, or follow servers. Reads options and configuration
// and finds who does the work; says in one line why not.
#include "base/log.h"
#include "config/config.h"
#include "timeballd/client.h"
#include "timeballd/daemon.h"
#include "timeballd/options.h"
#include "timeballd/serve.h"
#include "timeballd/supported.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	config->upstream.recall = options->recall;
	if (options->sched_priority >= 0)
		config->sched_priority = (unsigned)options->sched_priority;
}

static int follow(struct daemon *daemon)
{
	static const enum client_mode modes[] = {
		[OPTIONS_STEER] = CLIENT_STEERS,
		[OPTIONS_SET_ONCE] = CLIENT_SETS_ONCE,
		[OPTIONS_PRINT_ONCE] = CLIENT_PRINTS_ONCE,
	};
	const struct options *options = daemon->options;
	struct client_options client_options = {
		.config = daemon->config,
		.family = options->family,
		.software_clock = options->null_clock,
		.mode = modes[options->mode],
		.exit_after_s = options->exit_after_s,
		.notify = &daemon->notify,
	};
	struct client *client = NULL;
	int result = client_open(
			&client, &client_options, daemon->problem, sizeof(daemon->problem));

	if (!result)
		result = daemon_ready(daemon, "READY=1\nSTATUS=following servers");
	if (!result)
		result = client_run(client);
	if (result >= 0)
		notify_say(&daemon->notify, "STOPPING=1");
	client_close(client);
	if (result >= 0)
		log_info("timeballd " VERSION " stopping");
	return result;
}

static bool is_client(const struct options *options, const struct config *config)
{
	return options->mode != OPTIONS_STEER || supported_is_client(config);
}

static int run_with_config(struct options *options, char **argv)
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
	} else if (is_client(options, config)) {
		status = daemon_run(options, config, follow);
	} else {
		status = serve_start(options, config, argv);
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
	return run_with_config(&options, argv);
}
