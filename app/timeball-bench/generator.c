// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/generator.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <errno.h>

#define QUEUE          0
#define RESOLVE_TRIES  20
#define RESOLVE_WAIT_S 0.25
// For how long after the end requests may still leave that should have left before, beside a share
// of the trial's time.
#define BACKLOG_WAIT_S     0.1
#define BACKLOG_WAIT_SHARE 0.05
#define AFTERMATH_S        0.01 // for a second reply to the last request
#define INTERLEAVE_BITS    24

// The same clients each time, all over the range.
static bool is_interleaved(const struct generator *generator, uint32_t client)
{
	return client * UINT32_C(0x9e3779b1) >> (32 - INTERLEAVE_BITS)
			< generator->interleaved_limit;
}

static enum family_index next_family(struct generator *generator)
{
	generator->ipv6_due += generator->options.ipv6;
	if (generator->ipv6_due < 1)
		return FAMILY_IPV4;
	generator->ipv6_due -= 1;
	return FAMILY_IPV6;
}

// Writes the next request and opens its slot.
static void prepare_one(struct generator *generator, struct rte_mbuf *mbuf, uint64_t now_ticks)
{
	enum family_index family = next_family(generator);
	const struct request_template *request_template = &generator->templates[family];
	const struct client_range *range = &generator->clients->ranges[family];
	struct client_walk *walk = &generator->walks[family];
	uint32_t client = range->first + walk->client;
	const struct ask ask = {
		.client = client,
		.round = walk->round,
		.intended_ticks = pace_next_ticks(&generator->pace),
		.now_ticks = now_ticks,
		.timeout_ticks = generator->checker.timeout_ticks,
		.interleaved = is_interleaved(generator, client),
	};
	struct address address;
	struct request request = { .client = &address };

	client_address(range, walk->client, &address);
	generator->mbufs[generator->ready] = mbuf;
	generator->slots[generator->ready++] = pending_open(&generator->pending, &ask, &request);
	request_write(request_template, &request,
			(uint8_t *)rte_pktmbuf_append(mbuf, request_template->length));
	client_walk_next(range, walk);
	pace_advance(&generator->pace);
}

static void prepare(struct generator *generator, uint64_t now_ticks)
{
	while (generator->ready < GENERATOR_BURST && pace_is_due(&generator->pace, now_ticks)) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(generator->link->pool);

		if (!mbuf)
			return; // they are all with the port: it is behind, and so are we
		prepare_one(generator, mbuf, now_ticks);
	}
}

static void note_sent(struct generator *generator, unsigned count, struct tally *tally)
{
	for (unsigned i = 0; i < count; i++) {
		struct slot *slot = generator->slots[i];

		tally->sent[slot->interleaved ? MODE_INTERLEAVED : MODE_BASIC]++;
		histogram_add(&tally->lag, slot->lag_ticks);
	}
	generator->ready -= count;
	for (unsigned i = 0; i < generator->ready; i++) {
		generator->mbufs[i] = generator->mbufs[i + count];
		generator->slots[i] = generator->slots[i + count];
	}
}

// What the port does not take stays ready, and gets later.
static void send_ready(struct generator *generator, struct tally *tally)
{
	if (generator->ready == 0)
		return;
	uint64_t now_ticks = generator->timebase->counter->read();

	for (unsigned i = 0; i < generator->ready; i++)
		slot_set_sent(generator->slots[i], now_ticks);
	uint16_t taken = rte_eth_tx_burst(
			generator->link->id, QUEUE, generator->mbufs, (uint16_t)generator->ready);

	note_sent(generator, taken, tally);
}

// Turns a neighbour's question round in its buffer. Whether it was one.
static bool answer_neighbor(struct generator *generator, struct rte_mbuf *mbuf)
{
	uint16_t room = mbuf->data_len + rte_pktmbuf_tailroom(mbuf);
	uint16_t length = neighbors_answer(generator->neighbors, rte_pktmbuf_mtod(mbuf, uint8_t *),
			mbuf->data_len, room);

	return length > 0 && link_send(generator->link, rte_pktmbuf_mtod(mbuf, uint8_t *), length);
}

static unsigned receive(struct generator *generator, struct tally *tally)
{
	struct rte_mbuf *mbufs[GENERATOR_BURST];
	unsigned count = rte_eth_rx_burst(generator->link->id, QUEUE, mbufs, GENERATOR_BURST);

	if (count == 0)
		return 0;
	uint64_t arrived_ticks = generator->timebase->counter->read();

	for (unsigned i = 0; i < count; i++) {
		enum outcome outcome = OUTCOME_FOREIGN;

		if (mbufs[i]->nb_segs == 1)
			outcome = checker_judge(&generator->checker,
					rte_pktmbuf_mtod(mbufs[i], const uint8_t *),
					mbufs[i]->data_len, arrived_ticks, tally);
		if (outcome == OUTCOME_FOREIGN && answer_neighbor(generator, mbufs[i]))
			outcome = OUTCOME_NEIGHBOR;
		tally->outcomes[outcome]++;
		rte_pktmbuf_free(mbufs[i]);
	}
	return count;
}

static void tell_progress(const struct generator *generator, const struct tally *tally)
{
	progress_set(&generator->progress->sent, tally_sent(tally));
	progress_set(&generator->progress->good, tally->outcomes[OUTCOME_GOOD]);
	progress_set(&generator->progress->failed, tally_failures(tally));
}

static bool is_stopped(const struct generator *generator)
{
	return atomic_load_explicit(generator->stop, memory_order_relaxed);
}

// Requests that could not leave are taken back.
static uint64_t drop_ready(struct generator *generator)
{
	uint64_t count = generator->ready;

	for (unsigned i = 0; i < generator->ready; i++) {
		generator->slots[i]->state = SLOT_FREE;
		rte_pktmbuf_free(generator->mbufs[i]);
	}
	generator->ready = 0;
	return count;
}

// What should have left by the end may still leave in the time after it, which begins when we get to
// see it.
static void run_sending(struct generator *generator, struct tally *tally, uint64_t end_ticks,
		uint64_t backlog_ticks)
{
	uint64_t now_ticks = generator->timebase->counter->read();
	uint64_t give_up_ticks = 0;

	while (!is_stopped(generator) && (generator->ready || !pace_is_over(&generator->pace))) {
		if (give_up_ticks == 0 && (int64_t)(now_ticks - end_ticks) >= 0)
			give_up_ticks = now_ticks + backlog_ticks;
		if (give_up_ticks && (int64_t)(now_ticks - give_up_ticks) >= 0)
			break;
		prepare(generator, now_ticks);
		send_ready(generator, tally);
		receive(generator, tally);
		timebase_follow(generator->timebase, now_ticks);
		tell_progress(generator, tally);
		now_ticks = generator->timebase->counter->read();
	}
}

// Waits for what is still under way: twice the timeout, so that late replies are told from lost ones.
static void run_waiting(struct generator *generator, struct tally *tally)
{
	double ticks_per_s = timebase_ticks_per_s(generator->timebase);
	uint64_t now_ticks = generator->timebase->counter->read();
	uint64_t end_ticks = now_ticks + 2 * generator->checker.timeout_ticks;
	bool complete = false;

	while (!is_stopped(generator) && (int64_t)(now_ticks - end_ticks) < 0) {
		receive(generator, tally);
		timebase_follow(generator->timebase, now_ticks);
		tell_progress(generator, tally);
		now_ticks = generator->timebase->counter->read();
		if (!complete && tally_ended(tally) == tally_sent(tally)) {
			complete = true;
			end_ticks = now_ticks + (uint64_t)(AFTERMATH_S * ticks_per_s);
		}
	}
}

void generator_run(struct generator *generator, const struct run *run, struct tally *tally,
		struct run_result *result)
{
	double ticks_per_s = timebase_ticks_per_s(generator->timebase);
	const struct pace_options pace = {
		.rate_hz = run->rate_hz,
		.ticks_per_s = ticks_per_s,
		.duration_s = run->duration_s,
		.exponential = generator->options.exponential,
		.seed = generator->options.seed + ++generator->trials,
	};
	struct link_losses before, after;

	tally_init(tally);
	link_read_losses(generator->link, &before);
	generator->interleaved_limit =
			(uint32_t)(generator->options.interleaved * (1 << INTERLEAVE_BITS));
	generator->checker.timeout_ticks = (uint64_t)(generator->options.timeout_s * ticks_per_s);
	uint64_t start_ticks = generator->timebase->counter->read();

	generator->checker.start_ticks = start_ticks;
	pace_init(&generator->pace, &pace, start_ticks);
	double backlog_s = run->duration_s * BACKLOG_WAIT_SHARE + BACKLOG_WAIT_S;

	run_sending(generator, tally, start_ticks + (uint64_t)(run->duration_s * ticks_per_s),
			(uint64_t)(backlog_s * ticks_per_s));
	result->seconds =
			(double)(generator->timebase->counter->read() - start_ticks) / ticks_per_s;
	result->unsent = is_stopped(generator) ? 0 : pace_left(&generator->pace);
	result->unsent += drop_ready(generator);
	run_waiting(generator, tally);
	tally->outcomes[OUTCOME_LOST] = tally_sent(tally) - tally_ended(tally);
	link_read_losses(generator->link, &after);
	// Of a kernel's interface it is a difference of 32-bit counters, and may even be negative.
	int32_t missed = (int32_t)(after.missed - before.missed);

	result->losses = (struct link_losses){
		.missed = missed > 0 ? (uint64_t)missed : 0,
		.errors = after.errors - before.errors,
		.send_errors = after.send_errors - before.send_errors,
	};
}

// Polls for a while. Whether it was told.
static bool listen_for(
		struct generator *generator, const struct address *target, uint8_t mac[MAC_SIZE])
{
	const struct counter *counter = generator->timebase->counter;
	uint64_t wait = (uint64_t)(RESOLVE_WAIT_S * timebase_ticks_per_s(generator->timebase));
	uint64_t start = counter->read();
	bool heard = false;

	while (!heard && !is_stopped(generator) && counter->read() - start < wait) {
		struct rte_mbuf *mbufs[GENERATOR_BURST];
		unsigned count = rte_eth_rx_burst(
				generator->link->id, QUEUE, mbufs, GENERATOR_BURST);

		for (unsigned i = 0; i < count; i++) {
			heard |= neighbors_hear(target, rte_pktmbuf_mtod(mbufs[i], uint8_t *),
					mbufs[i]->data_len, mac);
			answer_neighbor(generator, mbufs[i]);
			rte_pktmbuf_free(mbufs[i]);
		}
	}
	return heard;
}

int generator_resolve(
		struct generator *generator, const struct address *target, uint8_t mac[MAC_SIZE])
{
	uint8_t question[QUESTION_SIZE];
	uint16_t length = neighbors_ask(generator->neighbors, target, question);

	for (unsigned i = 0; i < RESOLVE_TRIES && !is_stopped(generator); i++) {
		link_send(generator->link, question, length);
		if (listen_for(generator, target, mac))
			return 0;
	}
	return -EHOSTUNREACH;
}
