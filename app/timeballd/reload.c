// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/reload.h"

#include "base/log.h"
#include "timeballd/supported.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reload {
	char *file; // of its own: the process may end while the thread reads on
	enum address_family family;
	struct reload_result result; // the thread's until it is done
	atomic_bool done;            // the thread writes
};

static void read_policy(const struct reload *reload, struct reload_result *result)
{
	struct config *config = config_new();
	struct config_problem problem = { "no memory" };

	if (config && config_read_file(config, reload->file, &problem) == 0
			&& config_finish(config, &problem) == 0
			&& supported_check(config, problem.text, sizeof(problem.text)) == 0) {
		result->policy = policy_build(
				config, reload->family, problem.text, sizeof(problem.text));
		result->rule_count = config->access_count;
		result->clientloglimit = config->clientloglimit;
		result->noclientlog = config->noclientlog;
		policy_print_limit(&config->ratelimit, result->limit);
	}
	snprintf(result->problem, sizeof(result->problem), "%s", problem.text);
	config_free(config);
}

static void *run(void *argument)
{
	struct reload *reload = argument;

	read_policy(reload, &reload->result);
	atomic_store_explicit(&reload->done, true, memory_order_release);
	return NULL;
}

// Detached: should the resolver hang, the process may end without waiting for it. Signals are the
// control thread's.
static int start_thread(struct reload *reload)
{
	pthread_t thread;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = -pthread_create(&thread, NULL, run, reload);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_detach(thread);
	return error;
}

int reload_start(struct reload **result, const char *file, enum address_family family)
{
	struct reload *reload = calloc(1, sizeof(*reload));
	int error;

	if (!reload)
		return -ENOMEM;
	reload->file = strdup(file);
	reload->family = family;
	error = reload->file ? start_thread(reload) : -ENOMEM;
	if (!error) {
		*result = reload;
		return 0;
	}
	free(reload->file);
	free(reload);
	return error;
}

bool reload_take(struct reload *reload, struct reload_result *result)
{
	if (!atomic_load_explicit(&reload->done, memory_order_acquire))
		return false;
	*result = reload->result;
	free(reload->file);
	free(reload);
	return true;
}

void reload_tell(const struct reload_result *result, const struct config *running)
{
	if (!result->policy) {
		log_error("reload: nothing changed: %s", result->problem);
		return;
	}
	log_info("reload: %u access rules in effect, %s; other directives wait for a restart",
			result->rule_count, running->noclientlog ? "no rate limit" : result->limit);
	if (result->noclientlog != running->noclientlog)
		log_warn("reload: noclientlog has changed: clients %s remembered until a restart",
				running->noclientlog ? "are not" : "are still");
	else if (!running->noclientlog && result->clientloglimit != running->clientloglimit)
		log_warn("reload: clientloglimit has changed, and waits for a restart");
}
