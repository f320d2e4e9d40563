// SPDX-License-Identifier: BSD-3-Clause
// What is counted on a port, by us and by its device.
#include "base/log.h"
#include "dataplane/port.h"

#include <rte_ethdev.h>

#include <stdio.h>

void port_count(const struct port *port, struct port_counters *counters)
{
	*counters = (struct port_counters){ 0 };
	for (unsigned i = 0; i < port->queue_count; i++) {
		const struct queue *queue = &port->queues[i];

		counters->received += atomic_load_explicit(&queue->received, memory_order_relaxed);
		counters->announced +=
				atomic_load_explicit(&queue->announced, memory_order_relaxed);
		for (int v = 0; v < VERDICT_COUNT; v++)
			counters->verdicts[v] += atomic_load_explicit(
					&queue->verdicts[v], memory_order_relaxed);
	}
}

void port_read_statistics(const struct port *port, struct port_statistics *statistics)
{
	struct rte_eth_stats now = { 0 };

	if (port->open)
		rte_eth_stats_get(port->id, &now);
	*statistics = (struct port_statistics){
		.received = port->before.received + now.ipackets,
		.missed = port->before.missed + now.imissed,
		.errors = port->before.errors + now.ierrors,
		.no_buffer = port->before.no_buffer + now.rx_nombuf,
		.sent = port->before.sent + now.opackets,
		.send_errors = port->before.send_errors + now.oerrors,
	};
}

void port_log_counters(const struct port *port)
{
	struct port_counters counters;
	struct port_statistics statistics;
	char line[1000];
	size_t used = 0;

	port_count(port, &counters);
	for (int v = 0; v < VERDICT_COUNT && used < sizeof(line); v++) {
		if (counters.verdicts[v])
			used += (size_t)snprintf(line + used, sizeof(line) - used, " %s=%lu",
					verdict_name(v), counters.verdicts[v]);
	}
	log_info("counters %s: received=%lu%.*s announced=%lu", port->name, counters.received,
			(int)used, line, counters.announced);
	port_read_statistics(port, &statistics);
	log_info("port %s: ipackets=%lu imissed=%lu ierrors=%lu rx_nombuf=%lu opackets=%lu oerrors=%lu restarts=%u",
			port->name, statistics.received, statistics.missed, statistics.errors,
			statistics.no_buffer, statistics.sent, statistics.send_errors,
			port->restarts);
}

void port_check_hash(struct port *port)
{
	unsigned seen = 0, different = 0, without = 0;

	for (unsigned i = 0; i < port->queue_count; i++) {
		const struct rss_check *rss = &port->queues[i].rss;

		seen += atomic_load_explicit(&rss->seen, memory_order_relaxed);
		different += atomic_load_explicit(&rss->different, memory_order_relaxed);
		without += atomic_load_explicit(&rss->without, memory_order_relaxed);
	}
	if (port->hash_doubted || (different == 0 && without < RSS_FRAMES))
		return;
	port->hash_doubted = true;
	log_warn("port %s: of %u frames %u have another hash than that of their addresses, %u none: a client's requests may meet several workers, and what is known of clients is known per worker",
			port->name, seen, different, without);
}
