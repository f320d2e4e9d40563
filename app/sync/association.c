// SPDX-License-Identifier: BSD-3-Clause
#include "sync/association.h"

#include "base/random.h"
#include "sync/delay_filter.h"
#include "sync/exchange.h"
#include "sync/poll.h"

#include <math.h>

#define VERSION_DEFAULT 4
// RFC 9769 section 2: not without end, or the answer would be about a very old exchange.
#define INTERLEAVED_REQUESTS_MAX 4
#define FRUITLESS_MAX            8
#define START_SPREAD_NS          (NS_PER_S / 10) // many sources, and many hosts after a power cut
#define AHEAD_NS                 (2 * NS_PER_S)  // of `presend`, as chrony
#define INTERVAL_MAX_NS          (NS_PER_S << POLL_MAX)
#define STRETCH                  64       // up to 1/64 longer, so that clients do not march in step
#define STAMP_DISTANCE_NS        NS_PER_S // a better stamp farther off belongs to something else

struct association {
	struct association_options options;
	struct poll_state poll;
	struct delay_filter delays;
	uint64_t noise; // random numbers that nobody gets to see
	bool started;
	int64_t wake_free_ns, sent_free_ns;
	uint32_t stretch; // of this interval, 2^-32 of the most
	struct exchange current;
	struct exchange last; // with a good answer; what interleaved requests are about
	bool last_valid;
	unsigned interleaved_requests; // since
	unsigned fruitless;            // requests without a good answer, in a row
	struct association_report report;
};

// An answer on its way through the tests.
struct arrival {
	const struct timeline *timeline;
	const struct association_stamp *received;
	const uint32_t *own_refids;
	unsigned own_refid_count;
	struct client_answer answer;
	bool interleaved;
	unsigned failures; // enum client_test
};

static int64_t add_saturated(int64_t moment_ns, int64_t interval_ns)
{
	int64_t sum_ns;

	return __builtin_add_overflow(moment_ns, interval_ns, &sum_ns) ? INT64_MAX : sum_ns;
}

static int64_t interval_ns(const struct association *association)
{
	int64_t plain_ns = poll_interval_ns(&association->poll);
	int64_t stretched_ns = plain_ns
			+ (int64_t)((double)plain_ns * association->stretch / 0x1p32 / STRETCH);

	return stretched_ns < INTERVAL_MAX_NS ? stretched_ns : INTERVAL_MAX_NS;
}

static void forget_exchanges(struct association *association)
{
	association->current = (struct exchange){ 0 };
	association->last_valid = false;
}

static bool is_useless(const struct association *association)
{
	return association->poll.denied || association->fruitless >= FRUITLESS_MAX;
}

static void fill_action(const struct association *association, struct association_action *action)
{
	*action = (struct association_action){
		.wake_free_ns = association->wake_free_ns,
		.replace = is_useless(association),
	};
}

// What became of the request, once; one ahead of its poll does not count.
static void conclude(struct association *association, bool good)
{
	struct exchange *exchange = &association->current;

	if (exchange->transmit == 0 || exchange->ahead || exchange->concluded)
		return;
	exchange->concluded = true;
	association->report.reach = (uint8_t)(association->report.reach << 1 | good);
	association->fruitless = good ? 0 : association->fruitless + 1;
	if (!exchange->answered)
		poll_on_silence(&association->poll);
}

static bool is_wanted_ahead(const struct association *association)
{
	return !association->current.ahead && !poll_in_burst(&association->poll)
			&& poll_effective(&association->poll) >= association->options.presend;
}

static bool may_interleave(const struct association *association)
{
	return association->options.xleave && association->options.version >= 4
			&& association->last_valid
			&& association->interleaved_requests < INTERLEAVED_REQUESTS_MAX;
}

// RFC 9769 section 2: the origin names the exchange whose transmit timestamp is wanted, and the
// receive field will be the answer's origin. Servers only hand both back, so they are random.
static void write_request(struct association *association, uint64_t random, uint8_t *packet)
{
	struct exchange *exchange = &association->current;
	struct client_request request = {
		.version = association->options.version,
		.poll = (int8_t)poll_effective(&association->poll),
		.transmit = random != 0 ? random : 1,
	};

	if (exchange->interleaved) {
		uint64_t mixed = random ^ random_next(&association->noise);

		request.origin = association->last.server_receive;
		request.receive = random_next(&mixed);
		request.receive += request.receive == 0 || request.receive == request.transmit;
		request.receive += request.receive == 0;
		association->interleaved_requests++;
	}
	exchange->transmit = request.transmit;
	exchange->receive = request.receive;
	client_request_write(&request, packet);
}

// A timer armed before free time jumped back may ask for a moment that is too far off.
static bool is_early(const struct association *association, int64_t free_ns)
{
	int64_t most_ns = interval_ns(association);
	int64_t left_ns;

	if (__builtin_sub_overflow(association->wake_free_ns, free_ns, &left_ns))
		return false;
	return left_ns > 0 && left_ns <= (most_ns > AHEAD_NS ? most_ns : AHEAD_NS);
}

size_t association_size(void)
{
	return sizeof(struct association);
}

void association_init(struct association *association, const struct association_options *options,
		uint64_t random)
{
	const struct poll_options poll = {
		.minimum = options->minpoll,
		.maximum = options->maxpoll,
		.iburst = options->iburst,
		.burst = options->burst,
		.target = options->polltarget,
	};
	const struct delay_limits limits = {
		.maximum_s = options->maxdelay,
		.ratio = options->maxdelayratio,
		.deviation_ratio = options->maxdelaydevratio,
		.quantile = options->maxdelayquant,
		.minimum_s = options->mindelay,
	};

	*association = (struct association){ .options = *options, .noise = random };
	if (options->version < 1 || options->version > VERSION_DEFAULT)
		association->options.version = VERSION_DEFAULT;
	poll_init(&association->poll, &poll);
	delay_filter_init(&association->delays, &limits);
}

void association_start(
		struct association *association, int64_t free_ns, struct association_action *action)
{
	uint64_t noise = random_next(&association->noise);

	association->started = true;
	association->fruitless = 0;
	forget_exchanges(association);
	poll_start(&association->poll);
	association->stretch = (uint32_t)noise;
	association->wake_free_ns = add_saturated(
			free_ns, (int64_t)((noise >> 32) * (START_SPREAD_NS >> 16) >> 16));
	fill_action(association, action);
}

void association_on_timer(struct association *association, const struct timeline *timeline,
		int64_t free_ns, uint64_t random, struct association_action *action)
{
	bool ahead;

	if (!association->started || is_early(association, free_ns)) {
		fill_action(association, action);
		return;
	}
	conclude(association, false);
	ahead = is_wanted_ahead(association);
	association->current = (struct exchange){
		.sent = { timeline_local(timeline, free_ns), timeline->epoch, STAMP_DAEMON },
		.interleaved = !ahead && may_interleave(association),
		.ahead = ahead,
	};
	if (!ahead)
		poll_on_request(&association->poll);
	association->report.sent++;
	association->report.last_sent = association->current.sent;
	association->sent_free_ns = free_ns;
	association->stretch = (uint32_t)(random_next(&association->noise) >> 32);
	association->wake_free_ns =
			add_saturated(free_ns, ahead ? AHEAD_NS : interval_ns(association));
	fill_action(association, action);
	action->send_length = NTP_HEADER_SIZE;
	action->new_port = true;
	write_request(association, random, action->packet);
}

void association_on_sent(struct association *association, const struct association_stamp *stamp)
{
	struct exchange *exchange = &association->current;
	int64_t distance_ns = utc_diff_ns(stamp->local, exchange->sent.local);

	if (exchange->transmit == 0 || stamp->epoch != exchange->sent.epoch
			|| stamp->level < exchange->sent.level)
		return;
	if (distance_ns > STAMP_DISTANCE_NS || distance_ns < -STAMP_DISTANCE_NS)
		return;
	exchange->sent = *stamp;
	association->report.last_sent = *stamp;
	if (association->last_valid && association->last.transmit == exchange->transmit)
		association->last.sent = *stamp;
}

// Which request it answers, and how; nobody who did not see the request can tell.
static enum association_verdict match_origin(
		const struct association *association, struct arrival *arrival)
{
	const struct exchange *exchange = &association->current;
	ntp64_t origin = arrival->answer.origin;

	arrival->interleaved = exchange->interleaved && origin == exchange->receive;
	if (exchange->transmit == 0 || (origin != exchange->transmit && !arrival->interleaved))
		return ASSOCIATION_BOGUS;
	return exchange->answered ? ASSOCIATION_DUPLICATE : ASSOCIATION_SAMPLE;
}

static enum association_verdict obey_kiss(struct association *association, enum client_kiss kiss)
{
	if (kiss == CLIENT_KISS_RATE) {
		poll_on_rate(&association->poll, association->report.answer.poll);
		return ASSOCIATION_KISS;
	}
	// "MUST demobilize any associations to that server and stop sending": but an answer is not
	// signed, and nobody would ever take the server back. So it is asked very rarely.
	poll_on_deny(&association->poll);
	return ASSOCIATION_KISS;
}

static bool is_loop(const struct arrival *arrival)
{
	const struct client_answer *answer = &arrival->answer;

	// Of a primary server the refid is a clock's name.
	for (unsigned i = 0; answer->stratum > 1 && i < arrival->own_refid_count; i++)
		if (answer->refid == arrival->own_refids[i])
			return true;
	return false;
}

// Nothing of before is to be built on: the server was not what it should be.
static enum association_verdict refuse(struct association *association, struct arrival *arrival)
{
	arrival->failures |= CLIENT_TESTS_OF_SAMPLE;
	association->last_valid = false;
	conclude(association, false);
	poll_on_answer(&association->poll, false);
	return ASSOCIATION_UNSYNCHRONISED;
}

static void describe_source(const struct association *association, const struct arrival *arrival,
		struct sample *sample)
{
	const struct client_answer *answer = &arrival->answer;
	uint8_t minstratum = association->options.minstratum;

	sample->leap = answer->leap;
	sample->stratum = answer->stratum > minstratum ? answer->stratum : minstratum;
	sample->refid = answer->refid;
	sample->root_delay_ns = answer->root_delay_ns;
	sample->root_dispersion_ns = answer->root_dispersion_ns;
	sample->reference_time = association->report.reference_time;
}

// What is known to go wrong on the path, beforehand or by the delay.
static int64_t path_correction_ns(const struct association *association, int64_t delay_ns)
{
	int64_t shortest_ns = delay_filter_minimum_ns(&association->delays);
	double excess_ns = delay_ns > shortest_ns ? (double)(delay_ns - shortest_ns) : 0;

	return llround(association->options.offset * NS_PER_S
			+ association->options.asymmetry * excess_ns);
}

static enum association_verdict measure(struct association *association, struct arrival *arrival,
		const struct exchange *exchange, struct sample *sample)
{
	int64_t precision_ns = llround(association->options.precision * NS_PER_S);
	struct measurement measurement;

	if (!exchange_measure(exchange, arrival->timeline, &arrival->answer, &measurement))
		return ASSOCIATION_NOT_SAMPLED;
	measurement.dispersion_ns += precision_ns;
	arrival->failures |= delay_filter_judge(
			&association->delays, measurement.delay_ns, measurement.dispersion_ns);
	if (arrival->failures)
		return ASSOCIATION_DELAYED;
	*sample = (struct sample){
		.free_ns = measurement.free_ns,
		.offset_ns = measurement.offset_ns
				+ path_correction_ns(association, measurement.delay_ns),
		.delay_ns = measurement.delay_ns > 0 ? measurement.delay_ns : 1,
		.dispersion_ns = measurement.dispersion_ns,
		.sent_by = exchange->sent.level,
		.received_by = exchange->received.level,
	};
	describe_source(association, arrival, sample);
	association->report.response_time_ns = measurement.response_ns;
	return ASSOCIATION_SAMPLE;
}

// The answer is genuine and its server knows the time: about which exchange does it tell more?
static enum association_verdict take(
		struct association *association, struct arrival *arrival, struct sample *sample)
{
	struct exchange *about = arrival->interleaved ? &association->last : &association->current;
	bool recovered = association->report.reach == 0 || association->poll.denied;
	enum association_verdict verdict = ASSOCIATION_NOT_SAMPLED;

	conclude(association, true);
	association->report.interleaved = arrival->interleaved;
	poll_on_answer(&association->poll, recovered);
	if (is_loop(arrival)) {
		arrival->failures |= CLIENT_TEST_LOOP;
		return ASSOCIATION_LOOP;
	}
	// Each exchange is measured once: by a basic answer at once, else by the next one.
	if (!about->used)
		verdict = measure(association, arrival, about, sample);
	about->used = true;
	if (verdict == ASSOCIATION_SAMPLE) {
		poll_on_measurement(&association->poll, sample->delay_ns);
		association->report.sent_by[sample->sent_by]++;
		association->report.received_by[sample->received_by]++;
	}
	association->last = association->current;
	association->last_valid = true;
	association->interleaved_requests = 0;
	return verdict;
}

static enum association_verdict judge_genuine(
		struct association *association, struct arrival *arrival, struct sample *sample)
{
	struct exchange *exchange = &association->current;
	enum client_kiss kiss = client_answer_kiss(&arrival->answer);

	exchange->answered = true;
	exchange->received = *arrival->received;
	exchange->server_receive = arrival->answer.receive;
	association->report.genuine++;
	association->report.answered = true;
	association->report.answer = arrival->answer;
	association->report.last_received = *arrival->received;
	association->report.reference_time = exchange_time_of(exchange, arrival->answer.reference);
	arrival->failures = client_answer_failures(&arrival->answer, arrival->interleaved);
	if (arrival->interleaved
			&& !client_answer_in_order(&arrival->answer,
					association->last.server_receive, arrival->answer.transmit))
		arrival->failures |= CLIENT_TEST_TIMES;
	if (kiss != CLIENT_KISS_NONE) {
		refuse(association, arrival);
		return obey_kiss(association, kiss);
	}
	if (arrival->failures)
		return refuse(association, arrival);
	return exchange->ahead ? ASSOCIATION_NOT_SAMPLED : take(association, arrival, sample);
}

// Intervals count from the request, so an answer that changes the poll moves the next one.
static void reschedule(struct association *association, const struct arrival *arrival)
{
	int64_t arrived_ns = association->sent_free_ns;
	int64_t wake_ns = add_saturated(association->sent_free_ns, interval_ns(association));

	if (association->current.ahead)
		return;
	if (arrival->received->epoch == arrival->timeline->epoch)
		arrived_ns = timeline_free_ns(arrival->timeline, arrival->received->local);
	// It came in between, whatever its stamp says.
	if (arrived_ns > association->wake_free_ns)
		arrived_ns = association->wake_free_ns;
	association->wake_free_ns = wake_ns > arrived_ns ? wake_ns : arrived_ns;
}

enum association_verdict association_on_reply(struct association *association,
		const struct timeline *timeline, const uint8_t *packet, size_t length,
		const struct association_stamp *received, const uint32_t *own_refids,
		unsigned own_refid_count, struct sample *sample, struct association_action *action)
{
	struct arrival arrival = {
		.timeline = timeline,
		.received = received,
		.own_refids = own_refids,
		.own_refid_count = own_refid_count,
	};
	enum association_verdict verdict = ASSOCIATION_MALFORMED;

	association->report.received++;
	if (client_answer_parse(packet, length, &arrival.answer))
		verdict = match_origin(association, &arrival);
	if (verdict == ASSOCIATION_SAMPLE) {
		verdict = judge_genuine(association, &arrival, sample);
		association->report.tests = CLIENT_TESTS & ~arrival.failures;
		reschedule(association, &arrival);
	}
	association->report.counters[verdict]++;
	fill_action(association, action);
	action->replace |= verdict == ASSOCIATION_LOOP;
	return verdict;
}

void association_set_poll_hint(struct association *association, double useful_interval_s)
{
	association->poll.useful_s = useful_interval_s;
}

void association_set_burst_hint(struct association *association, bool wants_more)
{
	association->poll.wants_more = wants_more;
}

uint8_t association_reach(const struct association *association)
{
	return association->report.reach;
}

void association_describe(const struct association *association, struct association_report *report)
{
	*report = association->report;
	report->poll = (int8_t)poll_effective(&association->poll);
	report->in_burst = poll_in_burst(&association->poll);
	report->denied = association->poll.denied;
	report->silent = association->poll.silent;
}
