// SPDX-License-Identifier: BSD-3-Clause
// What the log says of sources.
#pragma once

#include "control/sources.h"

// Says whose state has changed since the last time.
void sources_log_changes(struct sources *sources, const struct discipline *discipline, utc_t now);
// A line for each.
void sources_log_all(struct sources *sources, const struct discipline *discipline, utc_t now);
