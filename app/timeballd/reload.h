// SPDX-License-Identifier: BSD-3-Clause
// A new policy from the configuration file, made on a thread of its own: a name may take long to
// resolve, and the control thread must not miss its heartbeat for it.
#pragma once

#include "config/config.h"
#include "timeballd/policy.h"

#include <stdbool.h>

struct reload;

struct reload_result {
	struct policy *policy; // the taker's; NULL: the file is not to be used
	unsigned rule_count;
	char limit[POLICY_TEXT_SIZE]; // policy_print_limit()
	uint64_t clientloglimit;      // as in struct config, which has no effect before a restart
	bool noclientlog;
	char problem[512]; // why not, one line
};

// Starts to read `file`. Returns 0 or -errno.
int reload_start(struct reload **reload, const char *file, enum address_family family);
// True once the result is there, and moved to `result`; `reload` is then gone.
bool reload_take(struct reload *reload, struct reload_result *result);
// Logs what came of it; `running` is what the start was made with.
void reload_tell(const struct reload_result *result, const struct config *running);
