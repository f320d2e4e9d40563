// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/supported.h"

#include "dataplane/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *why_not_serve(const struct config_serve *serve)
{
	if (strcmp(serve->device, "kernel") == 0)
		return "`serve kernel` has no effect yet: name a DPDK device";
	if (serve->hwtimestamp == CONFIG_HWTIMESTAMP_REQUIRE)
		return "`hwtimestamp require`: no port has hardware timestamps yet";
	if (serve->workers > PORT_QUEUES)
		return "`workers`: at most 16 a port";
	return NULL;
}

bool supported_is_client(const struct config *config)
{
	return (config->serve_count == 0 || config->port == 0) && config->upstream.source_count > 0;
}

int supported_check(const struct config *config, char *problem, size_t size)
{
	const char *why = NULL;

	if (supported_is_client(config))
		return 0;
	if (config->serve_count == 0)
		why = "no `serve` line and no `server` or `pool`: nothing to serve, and nobody to follow";
	else if (config->serve_count > SUPPORTED_PORTS)
		why = "more than 16 `serve` lines";
	else if (config->port == 0)
		why = "`port 0` asks not to serve, and no `server` or `pool` line says whom to follow";
	for (unsigned i = 0; i < config->serve_count && !why; i++)
		why = why_not_serve(&config->serves[i]);
	if (!why)
		return 0;
	snprintf(problem, size, "%s", why);
	return -EINVAL;
}
