// SPDX-License-Identifier: BSD-3-Clause
// timeballd-serve, with the server in itself.
#include "base/log.h"
#include "timeballd/daemon.h"
#include "timeballd/serve.h"
#include "timeballd/server.h"

static int serve(struct daemon *daemon)
{
	const struct options *options = daemon->options;
	struct server_options server_options = {
		.config = daemon->config,
		.config_file = options->config_line_count ? NULL : options->config_path,
		.family = options->family,
		.software_clock = options->null_clock,
		.exit_after_s = options->exit_after_s,
		.notify = &daemon->notify,
	};
	struct server *server = NULL;
	int result = server_open(
			&server, &server_options, daemon->problem, sizeof(daemon->problem));

	if (!result)
		result = daemon_ready(daemon, "READY=1\nSTATUS=serving");
	if (!result)
		result = server_run(server);
	if (result >= 0)
		notify_say(&daemon->notify, "STOPPING=1");
	if (result >= 0)
		log_info("timeballd " VERSION " stopping");
	server_close(server);
	return result;
}

int serve_start(const struct options *options, struct config *config, char **)
{
	return daemon_run(options, config, serve);
}
