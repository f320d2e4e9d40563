// SPDX-License-Identifier: BSD-3-Clause
// Everything configurable that a worker looks at, as one immutable object: published whole,
// replaced whole, so that no request is answered by half of one and half of another.
#pragma once

#include "server/rate_limit.h"

struct acl;

struct policy {
	const struct acl *access; // who may ask for the time
	struct rate_limit limit;  // how often
};
