// SPDX-License-Identifier: BSD-3-Clause
// From `allow` and `deny` lines to the policy that workers look at.
#pragma once

#include "config/config.h"
#include "server/policy.h"

#include <stddef.h>

// Resolves host names (only here; `family` ADDRESS_NONE takes any, the first address counts) and
// builds the policy, one block of memory to be freed with free(). Returns NULL with one line for the
// operator in `problem`.
struct policy *access_build(const struct config *config, enum address_family family, char *problem,
		size_t size);
