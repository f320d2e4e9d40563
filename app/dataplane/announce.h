// SPDX-License-Identifier: BSD-3-Clause
// The frames that a worker sends of its own accord: which groups we are in, where our addresses are.
#pragma once

#include "dataplane/port.h"

// Sends what the ports thread wishes for and what listener queries are owed, if anything. The
// queue's worker.
void announce_as_wished(struct queue *queue, const struct host *host);
