// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/announce.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

// Sends a frame of our own accord; one without length is none.
static void send_own(struct queue *queue, struct rte_mbuf *mbuf, uint16_t length)
{
	mbuf->data_len = length;
	mbuf->pkt_len = length;
	if (length > 0 && rte_eth_tx_burst(queue->port->id, queue->number, &mbuf, 1) == 1)
		count_more(&queue->announced, 1);
	else
		rte_pktmbuf_free(mbuf);
}

// Tells the link which groups we are in and where our addresses are, once for each time that
// the ports thread wished for it.
static void announce(struct queue *queue, const struct host *host)
{
	for (unsigned i = 0; i <= host->address_count; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(queue->port->pool);

		if (!mbuf)
			return;
		uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);

		send_own(queue, mbuf,
				i == 0 ? neighbor_report(host, frame)
				       : neighbor_announce(host, i - 1, frame));
	}
}

// What a listener query is owed beyond its answer. Where there is no buffer it is owed on.
static void report_owed(struct queue *queue, const struct host *host)
{
	while (queue->neighbor.owed.groups != 0) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(queue->port->pool);

		if (!mbuf)
			return;
		send_own(queue, mbuf,
				neighbor_report_owed(&queue->neighbor, host,
						rte_pktmbuf_mtod(mbuf, uint8_t *)));
	}
}

void announce_as_wished(struct queue *queue, const struct host *host)
{
	unsigned wished = atomic_load_explicit(&queue->port->announcements, memory_order_relaxed);

	report_owed(queue, host);
	if (queue->number != 0 || wished == queue->announcements_seen)
		return;
	queue->announcements_seen = wished;
	announce(queue, host);
}
