// SPDX-License-Identifier: BSD-3-Clause
// A new policy from the configuration file, made on a thread of its own: a name may take long to
// resolve, and the control thread must not miss its heartbeat for it.
#pragma once

#include "base/address.h"
#include "server/policy.h"

#include <stdbool.h>

struct reload;

struct reload_result {
	struct policy *policy; // the taker's, to be freed with free(); NULL: the file is not to be used
	unsigned rule_count;
	char problem[512]; // why not, one line
};

// Starts to read `file`, which must stay valid. Returns 0 or -errno.
int reload_start(struct reload **reload, const char *file, enum address_family family);
// True once the result is there, and moved to `result`; `reload` is then gone.
bool reload_take(struct reload *reload, struct reload_result *result);
