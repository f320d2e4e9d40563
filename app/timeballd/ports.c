// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/ports.h"

#include "base/log.h"
#include "base/utc.h"
#include "dataplane/port_watch.h"
#include "timeballd/shared.h"
#include "timeballd/supported.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOK_NS      50'000'000
#define END_SOON_S   1
#define END_WITHIN_S 60 // systemd would wait for 90

// Everything from `ports` on is the thread's once it runs.
struct ports {
	atomic_bool stop;         // control writes
	atomic_bool report_asked; // control sets, the thread clears
	bool watched;             // control's: the thread runs
	pthread_t thread;         // likewise
	unsigned count;           // opened; does not change while the thread runs
	struct port ports[SUPPORTED_PORTS];
	struct shared shared[SUPPORTED_PORTS];      // beside ports
	struct port_watch watches[SUPPORTED_PORTS]; // likewise
};

static int open_port(struct ports *ports, const struct config *config, const struct plan *plan,
		char *problem, size_t size)
{
	const struct config_serve *serve = &config->serves[ports->count];
	struct shared *shared = &ports->shared[ports->count];
	struct port *port = &ports->ports[ports->count];
	struct host host = {
		.address_count = serve->address_count,
		.ntp_port = (uint16_t)config->port,
		.dscp = (uint8_t)config->dscp,
		.vlan = serve->vlan,
	};
	struct port_options options = {
		.device = plan->device,
		.host = &host,
		.queues = plan->queues,
		.shared = serve->shared,
	};
	char why[256];

	static_assert(HOST_ADDRESSES == CONFIG_SERVE_ADDRESSES);
	memcpy(host.addresses, serve->addresses, sizeof(host.addresses));
	int error = port_open(port, &options, why, sizeof(why));

	if (error) {
		snprintf(problem, size, "serve %s: %s", serve->device, why);
		return error;
	}
	ports->count++;
	if (!serve->shared)
		return 0;
	error = shared_open(shared, port, host.ntp_port);
	if (error)
		snprintf(problem, size, "serve %s: %s", serve->device, strerror(-error));
	return error;
}

int ports_open(struct ports **result, const struct config *config, const struct plan *plans,
		char *problem, size_t size)
{
	struct ports *ports = aligned_alloc(_Alignof(struct ports), sizeof(*ports));
	int error = 0;

	if (!ports) {
		snprintf(problem, size, "ports: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	*ports = (struct ports){ .count = 0 };
	for (unsigned i = 0; i < config->serve_count && !error; i++)
		error = open_port(ports, config, &plans[i], problem, size);
	if (error)
		ports_close(ports);
	else
		*result = ports;
	return error;
}

unsigned ports_count(const struct ports *ports)
{
	return ports->count;
}

struct port *ports_at(struct ports *ports, unsigned i)
{
	return &ports->ports[i];
}

static void report(const struct ports *ports)
{
	for (unsigned i = 0; i < ports->count; i++)
		port_log_counters(&ports->ports[i]);
}

// DPDK has attached the program anew to a shared port that is back.
static void watch_port(struct ports *ports, unsigned i, double uptime_s)
{
	struct port *port = &ports->ports[i];
	struct shared *shared = &ports->shared[i];

	if (port_watch(&ports->watches[i], port, uptime_s) && port->shared) {
		shared_close(shared);
		int error = shared_open(shared, port, port_host(port)->ntp_port);

		if (error)
			log_error("port %s: cannot share %s: %s", port->name, port->interface,
					strerror(-error));
	}
	port_check_hash(port);
	if (!port->paused)
		shared_watch(shared);
}

static bool must_stop(struct ports *ports)
{
	return atomic_load_explicit(&ports->stop, memory_order_relaxed);
}

static double uptime_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / NS_PER_S;
}

static void *run(void *argument)
{
	static const struct timespec interval = { 0, LOOK_NS };
	struct ports *ports = argument;

	pthread_setname_np(pthread_self(), "ports");
	while (!must_stop(ports)) {
		for (unsigned i = 0; i < ports->count && !must_stop(ports); i++)
			watch_port(ports, i, uptime_s());
		if (atomic_exchange_explicit(&ports->report_asked, false, memory_order_relaxed))
			report(ports);
		nanosleep(&interval, NULL);
	}
	return NULL;
}

// Control's CPU, but never its real-time priority: DPDK waits for some devices by spinning. Signals
// are control's.
static int start_thread(struct ports *ports)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	int error = -pthread_attr_init(&attributes);

	if (error)
		return error;
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, SCHED_OTHER);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = -pthread_create(&ports->thread, &attributes, run, ports);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}

int ports_watch(struct ports *ports)
{
	int error = start_thread(ports);

	ports->watched = !error;
	return error;
}

void ports_ask_report(struct ports *ports)
{
	atomic_store_explicit(&ports->report_asked, true, memory_order_relaxed);
}

static bool ends_within(struct ports *ports, time_t seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	ports->watched = pthread_clockjoin_np(ports->thread, NULL, CLOCK_MONOTONIC, &until) != 0;
	return !ports->watched;
}

static int end_thread(struct ports *ports)
{
	atomic_store_explicit(&ports->stop, true, memory_order_relaxed);
	if (!ports->watched || ends_within(ports, END_SOON_S))
		return 0;
	log_warn("ports: DPDK is busy with one that is being closed or opened, waiting for it");
	if (ends_within(ports, END_WITHIN_S))
		return 0;
	log_error("ports: DPDK is still busy after %d s, ending without it", END_WITHIN_S);
	return -ETIMEDOUT;
}

int ports_close(struct ports *ports)
{
	int error = ports ? end_thread(ports) : 0;

	if (!ports || error)
		return error;
	report(ports);
	for (unsigned i = 0; i < ports->count; i++) {
		shared_close(&ports->shared[i]);
		port_close(&ports->ports[i]);
	}
	free(ports);
	return 0;
}
