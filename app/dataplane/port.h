// SPDX-License-Identifier: BSD-3-Clause
// A DPDK port that serves: opened, taken from its workers, given back and closed by the
// ports thread, its queues polled by the workers. In the data plane only port*.c and flow.c log.
#pragma once

#include "base/published.h"
#include "base/verdict.h"
#include "dataplane/device_events.h"
#include "dataplane/leftovers.h"
#include "dataplane/rss.h"
#include "frame/host.h"
#include "frame/neighbor.h"

#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PORT_QUEUES              16
#define PORT_NAME_SIZE           64
#define PORT_NO_DESCRIPTOR       (-1)
#define PORT_ADDRESSES_TEXT_SIZE (HOST_ADDRESSES * SUBNET_TEXT_SIZE)

struct port;
struct rte_mempool;

// One receive and one transmit queue, polled by one worker.
struct queue {
	struct port *port;
	uint16_t number;
	struct published_reader host_seen;        // worker writes, the ports thread reads
	struct neighbor neighbor;                 // the worker's
	unsigned announcements_seen;              // the worker's: how many wishes it has fulfilled
	struct rss_check rss;                     // see there
	_Alignas(64) _Atomic uint64_t received;   // worker writes, the ports thread reads
	_Atomic uint64_t announced;               // likewise
	_Atomic uint64_t verdicts[VERDICT_COUNT]; // likewise: they sum to `received`
	_Atomic bool stranded; // worker sets: the port keeps replies that it could not send
};

// For a counter with one writer.
static inline void count_more(_Atomic uint64_t *counter, uint64_t more)
{
	uint64_t so_far = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, so_far + more, memory_order_relaxed);
}

// Counted by the device, over all the times that it was opened.
struct port_statistics {
	uint64_t received;
	uint64_t missed; // it had no room for them
	uint64_t errors;
	uint64_t no_buffer;
	uint64_t sent;
	uint64_t send_errors;
};

// The ports thread's, but for what says that workers read or write it.
struct port {
	const char *device;         // as EAL was told of it
	uint16_t id;                // DPDK's; workers read
	bool open;                  // the device is there, and started
	char name[PORT_NAME_SIZE];  // device without its arguments
	char interface[IFNAMSIZ];   // kernel interface behind a vdev, or ""
	unsigned interface_index;   // of that interface when the port was opened
	bool keeps_unsent;          // for when the link is back; so it is opened again by then
	bool makes_interface;       // it comes and goes with the port
	bool shared;                // with the kernel, which keeps all but NTP
	bool on_xdp;                // AF_XDP
	uint32_t xdp_program;       // AF_XDP: which was attached, the kernel's number; or 0
	struct leftovers leftovers; // AF_XDP: what DPDK opened for it
	struct published host;      // a const struct host, workers read; or NULL: hands off
	const struct host *own;     // what is published, or will be again
	const struct host *retired; // the host before, freed once workers have left it
	bool paused;                // NULL is published
	struct device_events device_events;
	unsigned restarts;             // how often it was opened again
	struct port_statistics before; // what the device counted until then
	int multicast;            // descriptor by which a kernel interface hears all of it, or -1
	struct rte_mempool *pool; // workers read
	unsigned queue_count;
	struct queue *queues;   // in memory near the device, for as long as the port is not closed
	bool hashes_addresses;  // it says that it deals frames out to its queues by addresses alone
	bool hash_doubted;      // and we said that it does not
	struct rss_key rss_key; // written before the workers have the port
	_Atomic unsigned announcements; // wishes, which the worker of queue 0 fulfils
};

struct port_options {
	const char *device;      // outlives the port
	const struct host *host; // all but the MAC, which is the port's
	unsigned queues;
	bool shared;
};

// Opens and starts the port that EAL made of options->device. Returns 0, or -errno with one line
// for the operator in `problem`.
int port_open(struct port *port, const struct port_options *options, char *problem, size_t size);
void port_close(struct port *port);
// Who we are on the port now. The ports thread only.
const struct host *port_host(const struct port *port);
// Fills `text` with our addresses, a blank before each, and returns it.
const char *port_print_addresses(const struct port *port, char text[PORT_ADDRESSES_TEXT_SIZE]);
// Puts `count` addresses in the place of those there are; a burst in hand still has the old.
// Returns 0, -ENOMEM, or -EAGAIN while a worker has not yet seen the last change or the port is paused.
int port_set_addresses(struct port *port, const struct subnet *addresses, unsigned count);
// Asks the workers to leave the port alone. Nobody may touch its device until port_is_left().
void port_pause(struct port *port);
bool port_is_left(struct port *port);
// Closes the device of a port that workers have left, and has DPDK forget it.
void port_shut(struct port *port);
// Finds the device of a port that was shut, opens it as before and gives it back to the workers.
// Returns 0, or -errno with one line for the operator in `problem`.
int port_open_again(struct port *port, char *problem, size_t size);
// Fills in the speed in Mbit/s, or 0 where nobody knows.
bool port_link_is_up(const struct port *port, unsigned *speed);
// Whether a worker has found that the port keeps what it could not send.
bool port_is_stranded(const struct port *port);
void port_read_statistics(const struct port *port, struct port_statistics *statistics);
// Says once when the first frames show that the port does not deal them out as it was asked to.
void port_check_hash(struct port *port);
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
