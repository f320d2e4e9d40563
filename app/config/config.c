// SPDX-License-Identifier: BSD-3-Clause
#include "config/config.h"

#include "config/text_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_PIDFILE "/run/timeball/timeballd.pid"
#define NTP_PORT        123
#define PRIORITY_MAX    99 // of SCHED_FIFO; chrony's directive goes to 100

static const struct config_upstream upstream_defaults = {
	.refresh = 14 * 24 * 3600,
	.maxdistance = 3.0,
	.maxjitter = 1.0,
	.reselectdist = 1e-4,
	.stratumweight = 1e-3,
	.combinelimit = 3.0,
	.minsources = 1,
	.maxstratum = 15,
	.corrtimeratio = 3.0,
	.maxdrift_ppm = 500'000,
	.maxslewrate_ppm = 1e6 / 12,
	.maxupdateskew_ppm = 1000,
	.maxservedistance = 1.0,
	.afterstep = 0.1,
	.driftfile.interval = 3600,
	.logbanner = 32,
	.logchange = 1.0,
};

struct config *config_new(void)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		return NULL;
	config->cores.control = -1;
	config->follow_stratum = CONFIG_FOLLOW_STRATUM;
	config->upstream = upstream_defaults;
	config->maxclockerror_ppm = 1.0;
	config->port = NTP_PORT;
	config->pidfile = strdup(DEFAULT_PIDFILE);
	if (!config->pidfile) {
		free(config);
		return NULL;
	}
	return config;
}

static void upstream_free(const struct config_upstream *upstream)
{
	for (unsigned i = 0; i < upstream->source_count; i++) {
		free(upstream->sources[i].host);
		free(upstream->sources[i].where);
	}
	free(upstream->sources);
	free(upstream->bindacqdevice);
	free(upstream->driftfile.path);
	free(upstream->dumpdir);
	free(upstream->logdir);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (unsigned i = 0; i < config->serve_count; i++) {
		free(config->serves[i].device);
		free(config->serves[i].where);
	}
	for (unsigned i = 0; i < config->access_count; i++) {
		free(config->access[i].host);
		free(config->access[i].where);
	}
	upstream_free(&config->upstream);
	free(config->ratelimit.where);
	free(config->serves);
	free(config->access);
	free(config->pidfile);
	free(config->user);
	text_list_free(config->ealargs, config->ealarg_count);
	text_list_free(config->lines, config->line_count);
	text_list_free(config->notices, config->notice_count);
	free(config);
}

// A vdev's name ends at its first comma; PCI domain 0 may be left out.
static bool devices_are_equal(const char *a, const char *b)
{
	static const char domain[] = "0000:";
	size_t length;

	if (!strncmp(a, domain, strlen(domain)))
		a += strlen(domain);
	if (!strncmp(b, domain, strlen(domain)))
		b += strlen(domain);
	length = strcspn(a, ",");
	return length == strcspn(b, ",") && !strncasecmp(a, b, length);
}

// Whether `address` is among the first `count` of the serve line.
static bool address_is_served(
		const struct config_serve *serve, unsigned count, const struct address *address)
{
	for (unsigned i = 0; i < count; i++)
		if (address_equals(&serve->addresses[i].address, address))
			return true;
	return false;
}

// Compares two serve lines, or one with itself.
static int serves_compare(const struct config_serve *earlier, const struct config_serve *later,
		struct config_problem *problem)
{
	char text[ADDRESS_TEXT_SIZE];

	if (earlier != later && devices_are_equal(earlier->device, later->device)) {
		snprintf(problem->text, sizeof(problem->text),
				"%s: device %.64s is served already at %s", later->where,
				later->device, earlier->where);
		return -EINVAL;
	}
	for (unsigned i = 0; i < later->address_count; i++) {
		const struct address *address = &later->addresses[i].address;
		unsigned count = earlier == later ? i : earlier->address_count;

		if (!address_is_served(earlier, count, address))
			continue;
		snprintf(problem->text, sizeof(problem->text),
				"%s: address %s is served already at %s", later->where,
				address_print(address, text), earlier->where);
		return -EINVAL;
	}
	return 0;
}

static bool anybody_is_allowed(const struct config *config)
{
	for (unsigned i = 0; i < config->access_count; i++)
		if (config->access[i].allow)
			return true;
	return false;
}

static int clients_check(const struct config *config, struct config_problem *problem)
{
	if (!config->noclientlog || !config->ratelimit.enabled)
		return 0;
	snprintf(problem->text, sizeof(problem->text),
			"%s: ratelimit: Rate limiting cannot be enabled with noclientlog",
			config->ratelimit.where);
	return -EINVAL;
}

int config_finish(struct config *config, struct config_problem *problem)
{
	char *notice;

	for (unsigned i = 0; i < config->serve_count; i++)
		for (unsigned j = 0; j <= i; j++)
			if (serves_compare(&config->serves[j], &config->serves[i], problem))
				return -EINVAL;
	if (clients_check(config, problem))
		return -EINVAL;
	if (config->sched_priority > PRIORITY_MAX)
		config->sched_priority = PRIORITY_MAX;
	if (!config->serve_count || anybody_is_allowed(config))
		return 0;
	if (asprintf(&notice, "%s: serve: no \"allow\" directive, so nobody will be answered",
			    config->serves[0].where)
			< 0)
		notice = NULL;
	if (!text_list_append(&config->notices, &config->notice_count, notice))
		return 0;
	snprintf(problem->text, sizeof(problem->text), "Out of memory");
	return -ENOMEM;
}

void config_print(const struct config *config, FILE *stream)
{
	for (unsigned i = 0; i < config->line_count; i++)
		fprintf(stream, "%s\n", config->lines[i]);
}
