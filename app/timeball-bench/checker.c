// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/checker.h"

#include "base/bytes.h"
#include "ntp/packet.h"

// A reply beside the request that it is for.
struct exchange {
	struct slot *slot;
	struct client_state *client;
	const uint8_t *ntp;
	enum reply_mode mode;
	uint64_t arrived_ticks;
	ntp64_t receive; // the server's stamps
	ntp64_t transmit;
	// When the reply that `transmit` is of was asked for and here, and the server's receive stamp
	// of that: this reply, or of an interleaved one the one before.
	uint64_t stamped_asked_ticks;
	uint64_t stamped_arrived_ticks;
	ntp64_t stamped_receive;
};

// The interval between two NTP stamps less than 34 years apart.
static int64_t stamps_apart_ns(ntp64_t later, ntp64_t earlier)
{
	return (int64_t)(((__int128)(int64_t)(later - earlier) * NS_PER_S) >> 32);
}

static utc_t local_utc(const struct checker *checker, uint64_t ticks)
{
	return time_map_utc(checker->map, ticks);
}

// Ticks to ns by the map's rate, which is that of the local clock.
static int64_t ticks_ns(const struct checker *checker, uint64_t ticks)
{
	return time_scale_ns((int64_t)ticks, checker->map->ns_per_tick);
}

// The stamp minus the local time at `ticks`.
static int64_t stamp_offset_ns(const struct checker *checker, ntp64_t stamp, uint64_t ticks)
{
	utc_t local = local_utc(checker, ticks);

	return utc_diff_ns(utc_from_ntp64(stamp, local), local);
}

static enum outcome judge_header(const struct checker *checker, const struct reply *reply)
{
	uint8_t flags = reply->ntp_length > 0 ? reply->ntp[NTP_LEAP_VERSION_MODE] : 0;

	// RFC 5905 section 7.3, and no request of ours has more than the header.
	if (reply->ntp_length != NTP_HEADER_SIZE)
		return OUTCOME_SIZE;
	if ((flags & 7) != NTP_MODE_SERVER)
		return OUTCOME_MODE;
	if ((flags >> 3 & 7) != checker->version)
		return OUTCOME_VERSION;
	return OUTCOME_GOOD;
}

// RFC 9769 section 2: an interleaved reply returns the request's receive timestamp, a basic one the
// transmit timestamp.
static enum outcome judge_origin(
		const struct checker *checker, const struct reply *reply, struct exchange *exchange)
{
	ntp64_t origin = load_be64(reply->ntp + NTP_ORIGIN);
	uint32_t round = exchange->slot->round;
	struct cookies cookies = pending_cookies(checker->pending, reply->client, round);

	exchange->mode = MODE_BASIC;
	if (origin == cookies.transmit)
		return OUTCOME_GOOD;
	exchange->mode = MODE_INTERLEAVED;
	if (exchange->slot->interleaved && origin == cookies.receive)
		return OUTCOME_GOOD;
	// With few clients a slot is used again before the timeout.
	round = (round - (UINT32_C(1) << checker->pending->tag_bits)) & PENDING_ROUND_MASK;
	cookies = pending_cookies(checker->pending, reply->client, round);
	if (origin == cookies.transmit || origin == cookies.receive)
		return OUTCOME_EXPIRED;
	return OUTCOME_ORIGIN;
}

static enum outcome judge_claims(const struct checker *checker, const struct exchange *exchange)
{
	if (exchange->ntp[NTP_STRATUM] == 0 && exchange->ntp[NTP_REFERENCE_ID] != 0)
		return OUTCOME_KISS;
	if (exchange->ntp[NTP_LEAP_VERSION_MODE] >> 6 == NTP_LEAP_UNSYNCHRONISED
			&& !checker->takes_unsynchronised)
		return OUTCOME_UNSYNCHRONISED;
	// Before the stamps: of a client that gave up, the ground of an interleaved reply is no longer
	// known.
	if (exchange->slot->state == SLOT_GIVEN_UP
			|| exchange->arrived_ticks - slot_sent_ticks(exchange->slot)
					> checker->timeout_ticks)
		return OUTCOME_LATE;
	return OUTCOME_GOOD;
}

static void find_stamped(struct exchange *exchange)
{
	const struct client_state *client = exchange->client;
	bool interleaved = exchange->mode == MODE_INTERLEAVED;

	exchange->stamped_asked_ticks =
			interleaved ? client->asked_ticks : slot_sent_ticks(exchange->slot);
	exchange->stamped_arrived_ticks =
			interleaved ? client->arrived_ticks : exchange->arrived_ticks;
	exchange->stamped_receive = interleaved ? client->receive : exchange->receive;
}

static bool is_disordered(const struct exchange *exchange)
{
	if ((int64_t)(exchange->transmit - exchange->stamped_receive) < 0)
		return true;
	// The reply before had left when this request came.
	return exchange->mode == MODE_INTERLEAVED
			&& (int64_t)(exchange->receive - exchange->transmit) < 0;
}

static enum outcome judge_same_clock(const struct checker *checker, const struct exchange *exchange)
{
	uint64_t sent_ticks = slot_sent_ticks(exchange->slot);
	int64_t tolerance = checker->tolerance_ns;

	if (stamp_offset_ns(checker, exchange->receive, sent_ticks) < -tolerance
			|| stamp_offset_ns(checker, exchange->receive, exchange->arrived_ticks)
					> tolerance)
		return OUTCOME_RECEIVE_OUTSIDE;
	if (stamp_offset_ns(checker, exchange->transmit, exchange->stamped_asked_ticks) < -tolerance
			|| stamp_offset_ns(checker, exchange->transmit,
					   exchange->stamped_arrived_ticks)
					> tolerance)
		return OUTCOME_TRANSMIT_OUTSIDE;
	return OUTCOME_GOOD;
}

static enum outcome judge_stamps(const struct checker *checker, const struct exchange *exchange)
{
	if (exchange->receive == 0 || exchange->transmit == 0)
		return OUTCOME_NO_STAMP;
	if (exchange->receive == exchange->client->receive)
		return OUTCOME_RECEIVE_REPEATED;
	if (is_disordered(exchange))
		return OUTCOME_DISORDER;
	int64_t residence_ns = stamps_apart_ns(exchange->transmit, exchange->stamped_receive);
	uint64_t flight = exchange->stamped_arrived_ticks - exchange->stamped_asked_ticks;

	if (residence_ns > ticks_ns(checker, flight) + checker->tolerance_ns)
		return OUTCOME_RESIDENCE;
	return checker->same_clock ? judge_same_clock(checker, exchange) : OUTCOME_GOOD;
}

static void note_good(struct checker *checker, const struct exchange *exchange, struct tally *tally)
{
	enum reply_mode mode = exchange->mode;
	ntp64_t *recent = &checker->recent[(exchange->receive ^ exchange->receive >> 16)
			% CHECKER_RECENT];

	tally->good[mode]++;
	tally->fell_back += mode == MODE_BASIC && exchange->slot->interleaved;
	tally->receive_shared += *recent == exchange->receive;
	*recent = exchange->receive;
	histogram_add(&tally->latency, exchange->arrived_ticks - exchange->slot->intended_ticks);
	moments_add(&tally->offset[mode],
			stamp_offset_ns(checker, exchange->transmit,
					exchange->stamped_arrived_ticks));
	moments_add(&tally->residence[mode],
			stamps_apart_ns(exchange->transmit, exchange->stamped_receive));
}

// What the client asks about next. The reply of a basic request that was under way beside an
// interleaved one leaves that one's ground alone.
static void update_client(const struct exchange *exchange, enum outcome outcome)
{
	struct client_state *client = exchange->client;
	const struct slot *slot = exchange->slot;

	if (client->waiting && client->waiting_round == slot->round)
		client->waiting = false;
	if (client->waiting || outcome == OUTCOME_LATE)
		return;
	if (outcome != OUTCOME_GOOD) {
		client->asked_ticks = 0;
		return;
	}
	client->receive = exchange->receive;
	client->asked_ticks = slot_sent_ticks(slot);
	client->arrived_ticks = exchange->arrived_ticks;
}

// EXPIRED is the one outcome that does not end the slot's request.
static enum outcome judge_exchange(
		const struct checker *checker, const struct reply *reply, struct exchange *exchange)
{
	enum outcome outcome = reply->flaw;

	if (outcome == OUTCOME_GOOD)
		outcome = judge_header(checker, reply);
	if (outcome == OUTCOME_GOOD)
		outcome = judge_origin(checker, reply, exchange);
	if (outcome == OUTCOME_GOOD)
		outcome = judge_claims(checker, exchange);
	if (outcome != OUTCOME_GOOD)
		return outcome;
	exchange->receive = load_be64(reply->ntp + NTP_RECEIVE);
	exchange->transmit = load_be64(reply->ntp + NTP_TRANSMIT);
	find_stamped(exchange);
	return judge_stamps(checker, exchange);
}

enum outcome checker_judge(struct checker *checker, const uint8_t *frame, uint16_t length,
		uint64_t arrived_ticks, struct tally *tally)
{
	struct reply reply;
	enum reply_kind kind = reply_parse(checker->receiver, frame, length, &reply);

	if (kind != REPLY_UDP)
		return kind == REPLY_FOREIGN ? OUTCOME_FOREIGN : OUTCOME_UNREACHABLE;
	struct exchange exchange = {
		.slot = pending_find(checker->pending, reply.client, reply.port),
		.client = &checker->pending->clients[reply.client],
		.ntp = reply.ntp,
		.arrived_ticks = arrived_ticks,
	};

	if (!exchange.slot || exchange.slot->state == SLOT_FREE)
		return OUTCOME_UNASKED;
	if ((int64_t)(exchange.slot->intended_ticks - checker->start_ticks) < 0)
		return OUTCOME_EXPIRED;
	if (exchange.slot->state == SLOT_ENDED)
		return OUTCOME_DUPLICATE;
	enum outcome outcome = judge_exchange(checker, &reply, &exchange);

	if (outcome == OUTCOME_EXPIRED)
		return outcome;
	exchange.slot->state = SLOT_ENDED;
	tally->unfinished += reply.unfinished;
	if (outcome == OUTCOME_GOOD)
		note_good(checker, &exchange, tally);
	update_client(&exchange, outcome);
	return outcome;
}
