// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/worker.h"

#include "base/bytes.h"
#include "dataplane/announce.h"
#include "frame/frame.h"
#include "frame/plain.h"
#include "server/policy.h"
#include "server/reply.h"
#include "timing/time_page.h"

#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_launch.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <assert.h>
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#define BURST   64
#define IDLE_NS 1'000'000 // without a frame, until a worker that may rest does
#define NAP_NS  50'000

// What else a port said of a frame it received is nothing to the one that sends the reply.
#define FLAGS_KEPT     (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)
#define FLAGS_STRIPPED (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_QINQ_STRIPPED)

#define FLAGS_CHECKSUMS (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK)
#define FLAGS_GOOD      (RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

static_assert(BURST <= REQUESTS);
static_assert(PLAIN_PAYLOAD == NTP_HEADER_SIZE);

// One burst on its way through the worker.
struct burst {
	const struct host *host;
	uint16_t count;
	struct rte_mbuf *mbufs[BURST]; // as received
	uint64_t arrived[BURST];       // ticks
	struct time_page page;
	struct serving serving;
	struct requests requests;         // what asks for the time
	struct rte_mbuf *asking[BURST];   // the mbufs of requests
	const struct plain *plain[BURST]; // those that are plain
	struct frame frames[BURST];       // those that are not
	uint64_t sums[BURST];             // of what is written of plain replies
	unsigned dropped_count;
	struct rte_mbuf *dropped[BURST];
	unsigned neighbor_count; // replies to neighbours
	struct rte_mbuf *neighbors[BURST];
	uint8_t neighbor_verdicts[BURST];
};

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

// Until the burst's frames are looked at they are on their way into the cache.
static bool receive(struct worker *worker, struct queue *queue, struct burst *burst)
{
	burst->count = rte_eth_rx_burst(queue->port->id, queue->number, burst->mbufs, BURST);
	if (burst->count == 0)
		return false;
	for (uint16_t i = 0; i < burst->count; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(burst->mbufs[i], uint8_t *));
		rte_prefetch0(rte_pktmbuf_mtod_offset(burst->mbufs[i], uint8_t *, 64));
	}
	worker->timestamper->stamp(worker->counter, burst->mbufs, burst->count, burst->arrived);
	time_page_read(worker->page, &burst->page);
	count_more(&queue->received, burst->count);
	if (queue->rss.left > 0)
		rss_look(&queue->rss, &queue->port->rss_key, burst->mbufs, burst->count);
	claim(&burst->page, burst->arrived[burst->count - 1], &burst->serving);
	burst->dropped_count = 0;
	burst->neighbor_count = 0;
	return true;
}

// Runs of one verdict, of which there is mostly one.
static void count_each(struct queue *queue, const uint8_t *verdicts, unsigned verdict_count)
{
	for (unsigned i = 0, start = 0; i < verdict_count; start = i) {
		const uint64_t eight = verdicts[start] * UINT64_C(0x0101010101010101);

		while (i + 8 <= verdict_count && load_word64(verdicts + i) == eight)
			i += 8;
		while (i < verdict_count && verdicts[i] == verdicts[start])
			i++;
		count_more(&queue->verdicts[verdicts[start]], i - start);
	}
}

static void drop(struct queue *queue, struct burst *burst, struct rte_mbuf *mbuf,
		enum verdict verdict)
{
	count_more(&queue->verdicts[verdict], 1);
	burst->dropped[burst->dropped_count++] = mbuf;
}

static void set_length(struct rte_mbuf *mbuf, uint16_t length)
{
	if (mbuf->data_len == length)
		return;
	mbuf->data_len = length;
	mbuf->pkt_len = length;
}

static bool has_flags(const struct rte_mbuf *mbuf, uint64_t mask, uint64_t flags)
{
	return (mbuf->ol_flags & mask) == flags;
}

// Some ports take a tag off unasked; the reply needs it. Which kind an outer one was nobody tells.
static bool put_tag_back(struct rte_mbuf **mbuf)
{
	return !((*mbuf)->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) && rte_vlan_insert(mbuf) == 0;
}

// What the frame is, the long way. An NTP request is left in burst->frames for later.
static unsigned sort_any(struct worker *worker, struct queue *queue, struct burst *burst,
		struct rte_mbuf *mbuf, uint64_t arrived, unsigned r)
{
	struct requests *requests = &burst->requests;
	struct frame *frame = &burst->frames[r];

	if (!has_flags(mbuf, FLAGS_STRIPPED, 0) && !put_tag_back(&mbuf)) {
		drop(queue, burst, mbuf, VERDICT_VLAN_STRIPPED);
		return 0;
	}
	*frame = (struct frame){
		.start = rte_pktmbuf_mtod(mbuf, uint8_t *),
		.length = mbuf->data_len,
		.room = (uint16_t)(mbuf->buf_len - mbuf->data_off),
		.checksum_known_good = has_flags(
				mbuf, RTE_MBUF_F_RX_L4_CKSUM_MASK, RTE_MBUF_F_RX_L4_CKSUM_GOOD),
		.ip_checksum_known_good = has_flags(
				mbuf, RTE_MBUF_F_RX_IP_CKSUM_MASK, RTE_MBUF_F_RX_IP_CKSUM_GOOD),
	};
	enum verdict verdict =
			mbuf->nb_segs > 1 ? VERDICT_SEGMENTED : frame_classify(burst->host, frame);

	if (verdict == VERDICT_PENDING && frame->kind == FRAME_NTP) {
		requests->payload[r] = frame->start + frame->payload_offset;
		requests->source[r] = frame->source;
		burst->plain[r] = NULL;
		verdict = ntp_request_parse(requests->payload[r], frame->payload_length,
				frame->source_port, &requests->flags[r]);
		if (verdict == VERDICT_PENDING)
			return 1;
	} else if (verdict == VERDICT_PENDING)
		verdict = neighbor_answer(&queue->neighbor, burst->host, frame,
				(uint64_t)time_scale_ns((int64_t)arrived, worker->ns_per_tick));
	if (verdict_is_answer(verdict)) {
		set_length(mbuf, frame->length);
		burst->neighbor_verdicts[burst->neighbor_count] = (uint8_t)verdict;
		burst->neighbors[burst->neighbor_count++] = mbuf;
	} else {
		drop(queue, burst, mbuf, verdict);
	}
	return 0;
}

// Without the port's word that nothing is wrong with it. IPv6 has no header checksum, and not every
// port says that it is good all the same.
static bool is_plain_all_the_same(
		const struct rte_mbuf *mbuf, const struct plain *plain, const uint8_t *at)
{
	uint64_t checksums = plain->ipv6 ? RTE_MBUF_F_RX_L4_CKSUM_MASK : FLAGS_CHECKSUMS;

	return has_flags(mbuf, FLAGS_STRIPPED, 0)
			&& (has_flags(mbuf, checksums, FLAGS_GOOD & checksums)
					|| plain_is_intact(plain, at));
}

// Whether the frame is a plain request, which is then put at `r`.
static bool sort_plain(struct burst *burst, const struct rte_mbuf *mbuf, unsigned r)
{
	struct requests *requests = &burst->requests;
	uint8_t *at = rte_pktmbuf_mtod(mbuf, uint8_t *);
	const struct plain *plain = plain_find(&burst->host->plain, at, mbuf->data_len);

	if (__builtin_expect(!plain || mbuf->nb_segs > 1, 0))
		return false;
	if (!has_flags(mbuf, FLAGS_STRIPPED | FLAGS_CHECKSUMS, FLAGS_GOOD)
			&& !is_plain_all_the_same(mbuf, plain, at))
		return false;
	requests->payload[r] = at + plain->udp_at + UDP_SIZE;
	requests->flags[r] = ntp_client_replies[requests->payload[r][NTP_LEAP_VERSION_MODE]];
	if (!requests->flags[r])
		return false;
	plain_source(plain, at, &requests->source[r]);
	burst->plain[r] = plain;
	return true;
}

// Requests are gathered; neighbours are answered, and everything else is dropped.
static void sort(struct worker *worker, struct queue *queue, struct burst *burst)
{
	const uint64_t *at = burst->arrived;
	uint64_t arrived = at[0];
	utc_t received = time_map_utc(&burst->page.map, arrived);
	struct rte_mbuf **end = burst->mbufs + burst->count;
	unsigned r = 0;

	for (struct rte_mbuf **mbuf = burst->mbufs; mbuf < end; mbuf++, at++) {
		if (*at != arrived) {
			arrived = *at;
			received = time_map_utc(&burst->page.map, arrived);
		}
		burst->asking[r] = *mbuf;
		burst->requests.received[r] = received;
		if (__builtin_expect(sort_plain(burst, *mbuf, r), 1))
			r++;
		else
			r += sort_any(worker, queue, burst, *mbuf, arrived, r);
		(*mbuf)->ol_flags &= FLAGS_KEPT;
	}
	burst->requests.count = r;
}

// Takes out what gets no reply.
static void drop_some(struct queue *queue, struct burst *burst, bool has_clients)
{
	struct requests *requests = &burst->requests;
	uint8_t refused[BURST];
	unsigned kept = 0, refused_count = 0;

	for (unsigned r = 0; r < requests->count; r++) {
		if (!verdict_is_answer(requests->verdict[r])) {
			refused[refused_count++] = requests->verdict[r];
			burst->dropped[burst->dropped_count++] = burst->asking[r];
			continue;
		}
		if (kept < r) {
			requests_move(requests, kept, r, has_clients);
			burst->asking[kept] = burst->asking[r];
			burst->plain[kept] = burst->plain[r];
			if (!burst->plain[r])
				burst->frames[kept] = burst->frames[r];
		}
		kept++;
	}
	requests->count = kept;
	count_each(queue, refused, refused_count);
}

static void drop_all(struct queue *queue, struct burst *burst)
{
	const unsigned count = burst->requests.count;

	memcpy(burst->dropped + burst->dropped_count, burst->asking,
			count * sizeof(burst->asking[0]));
	burst->dropped_count += count;
	burst->requests.count = 0;
	count_each(queue, burst->requests.verdict, count);
}

static void admit(struct worker *worker, struct queue *queue, const struct policy *policy,
		struct burst *burst)
{
	unsigned admitted = responder_admit(
			&worker->responder, policy, &burst->serving, &burst->requests);

	if (admitted == 0)
		drop_all(queue, burst);
	else if (admitted < burst->requests.count)
		drop_some(queue, burst, worker->responder.clients != NULL);
}

static inline void write_replies(struct reply_maker *maker, struct burst *burst, bool has_clients)
{
	struct requests *requests = &burst->requests;

	for (unsigned r = 0, count = requests->count; r < count; r++) {
		uint64_t sum = reply_write(maker, requests, r, has_clients);
		const struct plain *plain = burst->plain[r];

		if (plain) {
			burst->sums[r] = plain_turn(plain, requests->payload[r], sum);
			set_length(burst->asking[r], plain->length);
		} else {
			frame_turn(burst->host, &burst->frames[r], NTP_HEADER_SIZE);
			set_length(burst->asking[r], burst->frames[r].length);
		}
	}
}

// All of the replies but what depends on when they leave.
static void reply(struct worker *worker, const struct policy *policy, struct burst *burst)
{
	struct reply_maker maker = reply_begin(
			&worker->responder, policy, &burst->serving, burst->requests.received[0]);

	if (worker->responder.clients)
		write_replies(&maker, burst, true);
	else
		write_replies(&maker, burst, false);
	reply_end(&maker, &worker->responder, &burst->serving);
}

// Had the worker been held up until the page expired, replies made before take back what they
// claim.
static void disown(struct burst *burst)
{
	for (unsigned r = 0; r < burst->requests.count; r++) {
		uint64_t sum = responder_disown(burst->requests.payload[r]);

		if (burst->plain[r])
			burst->sums[r] = plain_udp_sum(
					burst->plain[r], burst->requests.payload[r], sum);
	}
}

static inline void stamp_replies(
		struct reply_stamper *stamper, struct burst *burst, bool has_clients)
{
	struct requests *requests = &burst->requests;

	for (unsigned r = 0, count = requests->count; r < count; r++) {
		uint64_t sum = reply_stamp(stamper, requests, r, has_clients);

		if (burst->plain[r])
			plain_seal(requests->payload[r], checksum_add_word(sum, burst->sums[r]));
		else
			frame_seal(&burst->frames[r]);
	}
}

// The last thing before they leave.
static void stamp(struct worker *worker, struct burst *burst)
{
	uint64_t now = worker->counter->read();

	if (time_page_expired(&burst->page, now))
		disown(burst);
	struct reply_stamper stamper =
			reply_depart(&worker->responder, time_map_utc(&burst->page.map, now),
					(int8_t)burst->page.head[NTP_PRECISION]);

	if (worker->responder.clients)
		stamp_replies(&stamper, burst, true);
	else
		stamp_replies(&stamper, burst, false);
}

// Replies the queue does not take are freed: later they would carry an old time. Returns how many
// were sent.
static unsigned transmit(struct queue *queue, struct rte_mbuf **mbufs, unsigned mbuf_count,
		const uint8_t *verdicts)
{
	uint16_t sent;

	if (mbuf_count == 0)
		return 0;
	errno = 0;
	sent = rte_eth_tx_burst(queue->port->id, queue->number, mbufs, (uint16_t)mbuf_count);
	// AF_PACKET and AF_XDP take what they cannot send, and would send it once the link is back.
	if (errno == ENETDOWN && queue->port->keeps_unsent)
		atomic_store_explicit(&queue->stranded, true, memory_order_relaxed);
	count_each(queue, verdicts, sent);
	if (sent < mbuf_count) {
		count_more(&queue->verdicts[VERDICT_TX_FULL], mbuf_count - sent);
		rte_pktmbuf_free_bulk(mbufs + sent, mbuf_count - sent);
	}
	return sent;
}

// What is kept of clients is the time at which the port takes the replies.
static void transmit_replies(struct worker *worker, struct queue *queue, struct burst *burst)
{
	struct requests *requests = &burst->requests;
	bool remembers = worker->responder.clients != NULL;
	uint64_t now = remembers ? worker->counter->read() : 0;
	unsigned sent = transmit(queue, burst->asking, requests->count, requests->verdict);

	if (remembers)
		responder_sent(&worker->responder, requests, sent,
				time_map_utc(&burst->page.map, now));
}

// Buffers as most are, whole, unshared and of one pool, go back to it together, without a look at the
// second line of each.
static void free_buffers(struct rte_mbuf **mbufs, unsigned count)
{
	enum {
		AT = offsetof(struct rte_mbuf, data_off)
	};
	static const uint16_t whole[] = { 0, 1, 1, 0 }, these[] = { 0, UINT16_MAX, UINT16_MAX, 0 };
	static_assert(offsetof(struct rte_mbuf, refcnt) == AT + 2);
	static_assert(offsetof(struct rte_mbuf, nb_segs) == AT + 4);
	struct rte_mempool *pool = mbufs[0]->pool;
	uint64_t unlike = 0, counts = load_word64((const uint8_t *)whole);

	for (unsigned i = 0; i < count; i++)
		unlike |= ((load_word64((const uint8_t *)mbufs[i] + AT) ^ counts)
					  & load_word64((const uint8_t *)these))
				| ((uintptr_t)mbufs[i]->pool ^ (uintptr_t)pool)
				| (mbufs[i]->ol_flags & FLAGS_KEPT);
	if (unlike == 0)
		rte_mempool_put_bulk(pool, (void **)mbufs, count);
	else
		rte_pktmbuf_free_bulk(mbufs, count);
}

// Returns how many frames there were.
static unsigned serve(struct worker *worker, struct queue *queue, const struct policy *policy,
		const struct host *host)
{
	struct burst burst;

	burst.host = host;
	if (!receive(worker, queue, &burst))
		return 0;
	sort(worker, queue, &burst);
	transmit(queue, burst.neighbors, burst.neighbor_count, burst.neighbor_verdicts);
	admit(worker, queue, policy, &burst);
	if (burst.requests.count > 0) {
		reply(worker, policy, &burst);
		stamp(worker, &burst);
		transmit_replies(worker, queue, &burst);
	}
	if (burst.dropped_count > 0)
		free_buffers(burst.dropped, burst.dropped_count);
	return burst.count;
}

unsigned worker_poll(struct worker *worker)
{
	const struct policy *policy = published_get(worker->policy, &worker->seen);
	unsigned frames = 0;

	for (unsigned i = 0; i < worker->queue_count; i++) {
		struct queue *queue = worker->queues[i];
		const struct host *host = published_get(&queue->port->host, &queue->host_seen);

		if (!host || atomic_load_explicit(&queue->stranded, memory_order_relaxed))
			continue; // the ports thread opens it again
		announce_as_wished(queue, host);
		frames += serve(worker, queue, policy, host);
	}
	return frames;
}

// After an idle spell the worker sleeps between its rounds; what arrives meanwhile is stamped late.
static void rest(struct worker *worker, unsigned frames)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	uint64_t now = worker->counter->read();

	if (frames > 0)
		worker->last_frame_ticks = now;
	else if (time_scale_ns((int64_t)(now - worker->last_frame_ticks), worker->ns_per_tick)
			> IDLE_NS)
		nanosleep(&nap, NULL);
}

static int run(void *argument)
{
	struct worker *worker = argument;

	if (worker->rests)
		prctl(PR_SET_TIMERSLACK, 1); // ns; else naps last 50 us longer
	while (!atomic_load_explicit(&worker->stop, memory_order_relaxed)) {
		unsigned frames = worker_poll(worker);

		if (worker->rests)
			rest(worker, frames);
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
