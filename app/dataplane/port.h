// SPDX-License-Identifier: BSD-3-Clause
// A DPDK port that serves: opened, watched and closed by the control thread, its queues polled by
// the workers. The one file of the data plane that logs.
#pragma once

#include "base/verdict.h"
#include "frame/host.h"
#include "frame/neighbor.h"

#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_QUEUES    16
#define PORT_NAME_SIZE 64

struct port;
struct rte_mempool;

// One receive and one transmit queue, polled by one worker.
struct queue {
	struct port *port;
	uint16_t number;
	struct neighbor neighbor;                 // the worker's
	unsigned announcements_seen;              // the worker's: how many wishes it has fulfilled
	_Alignas(64) _Atomic uint64_t received;   // worker writes, control reads
	_Atomic uint64_t announced;               // likewise
	_Atomic uint64_t verdicts[VERDICT_COUNT]; // likewise: they sum to `received`
};

struct port {
	uint16_t id;               // DPDK's
	char name[PORT_NAME_SIZE]; // device without its arguments
	char interface[IFNAMSIZ];  // kernel interface behind a vdev, or ""
	struct host host;          // written before the workers start
	struct rte_mempool *pool;
	unsigned queue_count;
	struct queue queues[PORT_QUEUES];
	bool link_up;                   // control's
	unsigned announcements_due;     // control's: still to be wished for this link-up
	double next_announcement_s;     // control's
	_Atomic unsigned announcements; // control counts wishes, the worker of queue 0 fulfils them
};

struct port_options {
	const char *device;
	const struct host *host; // all but the MAC, which is the port's
	unsigned queues;
};

// Opens and starts the port that EAL made of options->device. Returns 0, or -errno with one line
// for the operator in `problem`.
int port_open(struct port *port, const struct port_options *options, char *problem, size_t size);
void port_close(struct port *port);
// Looks at the link: a change is logged, link-up announced twice (RFC 5227 section 2.3).
void port_watch_link(struct port *port, double uptime_s);
// NUMA node, or -1.
int port_node(const struct port *port);

// Sums over the queues, as the workers have counted so far.
struct port_counters {
	uint64_t received;
	uint64_t announced;
	uint64_t verdicts[VERDICT_COUNT];
};

void port_count(const struct port *port, struct port_counters *counters);
// Logs the counters, and the port's own statistics to hold them against.
void port_log_counters(const struct port *port);
