// SPDX-License-Identifier: BSD-3-Clause
// What is told of a campaign, as text.
#pragma once

#include "timeball-bench/campaign.h"

#include <stdio.h>

// The tables for people: load, latency and accuracy by rate, the zero-loss rate, and what failed.
void report_print(const struct campaign *campaign, FILE *file);
// The columns of ntpperf (Miroslav Lichvar's), so that results can be laid side by side.
void report_print_ntpperf(const struct campaign *campaign, FILE *file);
