// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker.h"

#include "base/bytes.h"
#include "frame/frame.h"
#include "server/policy.h"
#include "timing/time_page.h"

#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf.h>

#include <errno.h>

#define BURST 32

// One burst on its way through the worker.
struct burst {
	const struct host *host;
	uint16_t count;
	struct rte_mbuf *mbufs[BURST]; // as received
	uint64_t arrived[BURST];       // ticks
	struct time_page page;
	struct serving serving;
	uint16_t reply_count;
	struct rte_mbuf *replies[BURST];
	struct frame frames[BURST]; // of the replies
	uint8_t verdicts[BURST];    // of the replies, counted once they are sent
};

static void count(_Atomic uint64_t *counter, uint64_t more)
{
	uint64_t so_far = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, so_far + more, memory_order_relaxed);
}

// What replies may claim at `ticks`: the page's head with the root dispersion of that moment, or
// that we do not know the time.
static void claim(const struct time_page *page, uint64_t ticks, struct serving *serving)
{
	int64_t dispersion_ns = time_page_dispersion_ns(page, ticks);

	memcpy(serving->head, page->head, sizeof(serving->head));
	serving->epoch = page->epoch;
	if (time_page_expired(page, ticks) || page->head[NTP_STRATUM] == 0)
		serving_set_unsynchronised(serving, (int8_t)page->head[NTP_PRECISION]);
	else
		store_be32(serving->head + NTP_ROOT_DISPERSION, ns_to_ntp32(dispersion_ns));
}

static enum verdict answer_request(struct worker *worker, const struct policy *policy,
		const struct burst *burst, const struct frame *frame, uint64_t arrived)
{
	uint8_t *payload = frame->start + frame->payload_offset;
	struct request request = {
		.payload = payload,
		.length = frame->payload_length,
		.source_port = frame->source_port,
		.source = &frame->source,
		.received = time_map_utc(&burst->page.map, arrived),
	};

	return responder_answer(&worker->responder, policy, &burst->serving, &request, payload);
}

static enum verdict answer_frame(struct worker *worker, struct queue *queue,
		const struct policy *policy, struct burst *burst, uint16_t i)
{
	struct rte_mbuf *mbuf = burst->mbufs[i];
	struct frame *frame = &burst->frames[burst->reply_count];
	const struct host *host = burst->host;
	enum verdict verdict;

	if (mbuf->nb_segs > 1)
		return VERDICT_SEGMENTED;
	*frame = (struct frame){
		.start = rte_pktmbuf_mtod(mbuf, uint8_t *),
		.length = mbuf->data_len,
		.room = (uint16_t)(mbuf->buf_len - mbuf->data_off),
		.checksum_known_good = (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK)
				== RTE_MBUF_F_RX_L4_CKSUM_GOOD,
		.ip_checksum_known_good = (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK)
				== RTE_MBUF_F_RX_IP_CKSUM_GOOD,
	};
	verdict = frame_classify(host, frame);
	if (verdict != VERDICT_PENDING)
		return verdict;
	if (frame->kind != FRAME_NTP)
		return neighbor_answer(&queue->neighbor, host, frame,
				(uint64_t)time_scale_ns(
						(int64_t)burst->arrived[i], worker->ns_per_tick));
	verdict = answer_request(worker, policy, burst, frame, burst->arrived[i]);
	if (verdict == VERDICT_ANSWERED)
		frame_turn(host, frame, NTP_HEADER_SIZE);
	return verdict;
}

// Each frame becomes a reply in its own buffer, or is counted and freed.
static void answer(struct worker *worker, struct queue *queue, const struct policy *policy,
		struct burst *burst)
{
	for (uint16_t i = 0; i < burst->count; i++) {
		struct rte_mbuf *mbuf = burst->mbufs[i];
		enum verdict verdict = answer_frame(worker, queue, policy, burst, i);

		if (!verdict_is_answer(verdict)) {
			count(&queue->verdicts[verdict], 1);
			rte_pktmbuf_free(mbuf);
			continue;
		}
		mbuf->data_len = burst->frames[burst->reply_count].length;
		mbuf->pkt_len = mbuf->data_len;
		// What was found at receiving must not be taken for a wish at sending.
		mbuf->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
		burst->verdicts[burst->reply_count] = (uint8_t)verdict;
		burst->replies[burst->reply_count++] = mbuf;
	}
}

// The last thing before they leave. Had the worker been held up until the page expired, replies
// made before take back what they claim.
static void stamp(struct worker *worker, struct burst *burst)
{
	uint64_t now = worker->counter->read();
	utc_t departs = time_map_utc(&burst->page.map, now);

	for (uint16_t i = 0; i < burst->reply_count; i++) {
		struct frame *frame = &burst->frames[i];
		uint8_t *reply = frame->start + frame->payload_offset;

		if (burst->verdicts[i] != VERDICT_ANSWERED)
			continue;
		if (time_page_expired(&burst->page, now))
			responder_disown(reply);
		responder_stamp(&worker->responder, reply, departs);
		frame_seal(frame);
	}
}

// Replies the queue does not take are freed: later they would carry an old time.
static void transmit(struct queue *queue, struct burst *burst)
{
	uint16_t sent;

	errno = 0;
	sent = rte_eth_tx_burst(queue->port->id, queue->number, burst->replies, burst->reply_count);
	// AF_PACKET takes what it cannot send, and would send it once the link is back.
	if (errno == ENETDOWN && queue->port->keeps_unsent)
		atomic_store_explicit(&queue->stranded, true, memory_order_relaxed);
	for (uint16_t i = 0; i < sent; i++)
		count(&queue->verdicts[burst->verdicts[i]], 1);
	if (sent < burst->reply_count) {
		count(&queue->verdicts[VERDICT_TX_FULL], burst->reply_count - sent);
		rte_pktmbuf_free_bulk(burst->replies + sent, burst->reply_count - sent);
	}
}

static void serve(struct worker *worker, struct queue *queue, const struct policy *policy,
		const struct host *host)
{
	struct burst burst;

	burst.count = rte_eth_rx_burst(queue->port->id, queue->number, burst.mbufs, BURST);
	if (burst.count == 0)
		return;
	worker->timestamper->stamp(worker->counter, burst.mbufs, burst.count, burst.arrived);
	burst.host = host;
	time_page_read(worker->page, &burst.page);
	count(&queue->received, burst.count);
	if (queue->rss.left > 0)
		rss_look(&queue->rss, &queue->port->rss_key, burst.mbufs, burst.count);
	claim(&burst.page, burst.arrived[burst.count - 1], &burst.serving);
	burst.reply_count = 0;
	answer(worker, queue, policy, &burst);
	stamp(worker, &burst);
	transmit(queue, &burst);
}

// Sends a frame of our own accord; one without length is none.
static void send_own(struct queue *queue, struct rte_mbuf *mbuf, uint16_t length)
{
	mbuf->data_len = length;
	mbuf->pkt_len = length;
	if (length > 0 && rte_eth_tx_burst(queue->port->id, queue->number, &mbuf, 1) == 1)
		count(&queue->announced, 1);
	else
		rte_pktmbuf_free(mbuf);
}

// Tells the link which groups we are in and where our addresses are, once for each time control
// wished for it.
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

static void announce_if_wished(struct queue *queue, const struct host *host)
{
	unsigned wished = atomic_load_explicit(&queue->port->announcements, memory_order_relaxed);

	report_owed(queue, host);
	if (queue->number != 0 || wished == queue->announcements_seen)
		return;
	queue->announcements_seen = wished;
	announce(queue, host);
}

static int run(void *argument)
{
	struct worker *worker = argument;

	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		const struct policy *policy = published_get(worker->policy, &worker->seen);

		for (unsigned i = 0; i < worker->queue_count; i++) {
			struct queue *queue = worker->queues[i];
			const struct host *host =
					published_get(&queue->port->host, &queue->host_seen);

			if (!host || atomic_load_explicit(&queue->stranded, memory_order_relaxed))
				continue; // control opens the port again
			announce_if_wished(queue, host);
			serve(worker, queue, policy, host);
		}
	}
	return 0;
}

int worker_start(struct worker *worker, unsigned lcore)
{
	worker->lcore = lcore;
	return rte_eal_remote_launch(run, worker, lcore);
}

void worker_stop(struct worker *worker)
{
	atomic_store_explicit(&worker->stop, true, memory_order_relaxed);
	rte_eal_wait_lcore(worker->lcore);
}
