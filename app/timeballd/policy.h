// SPDX-License-Identifier: BSD-3-Clause
// From `allow`, `deny` and `ratelimit` lines to the policy that workers look at.
#pragma once

#include "config/config.h"
#include "server/policy.h"

#include <stddef.h>

#define POLICY_TEXT_SIZE 128

// Resolves host names (only here; `family` ADDRESS_NONE takes any, the first address counts) and
// builds the policy. Returns NULL with one line for the operator in `problem`.
struct policy *policy_build(const struct config *config, enum address_family family, char *problem,
		size_t size);
void policy_free(const struct policy *policy); // NULL is fine
// Fills `text` with the rate limit in words, as in `ratelimit`, and returns it.
const char *policy_print_limit(const struct config_ratelimit *limit, char text[POLICY_TEXT_SIZE]);
