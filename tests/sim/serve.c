// SPDX-License-Identifier: BSD-3-Clause
// What a simulated host's publisher publishes and its workers answer.
#include "answer.h"
#include "base/bytes.h"
#include "host.h"
#include "noise.h"
#include "sync/claim.h"

#define SAY_NS     50'000'000 // as control/ does
#define PUBLISH_NS 4'000'000  // as the publisher does
#define MAP_NS     5.0        // the map's error, deviation
#define MAP_CLAIM  20
#define PRECISION  -26
#define WORKER_NS  2'000 // from request to answer

static uint64_t ticks_at(const struct host *host)
{
	return (uint64_t)oscillator_raw_ns(&host->oscillator, 0);
}

static void say(struct host *host, utc_t now)
{
	int64_t true_ns = host->oscillator.true_ns;

	if (host->word_true_ns >= 0 && true_ns < host->word_true_ns + SAY_NS)
		return;
	// Between a jump and its discovery control says what it said.
	if (host->pending_jump_ns != 0 && host->word_true_ns >= 0)
		return;
	host->word = discipline_reference(host->discipline, now);
	host->word_true_ns = true_ns;
	host->page_true_ns = -1;
}

static void publish(struct host *host)
{
	long double raw = oscillator_raw_ns(&host->oscillator, 0);
	utc_t now = kernel_clock_read(&host->clock, raw);
	struct map_doubt doubt = { .error_ns = MAP_CLAIM, .raw_ns_per_tick = 1 };

	say(host, now);
	if (host->page_true_ns >= 0 && host->oscillator.true_ns < host->page_true_ns + PUBLISH_NS)
		return;
	host->page = (struct time_page){
		.map.ticks = ticks_at(host),
		.map.utc = utc_add(now,
				llround(fmin(fmax(MAP_NS * noise_normal(&host->random), -MAP_CLAIM),
						MAP_CLAIM))),
		.map.ns_per_tick = time_rate_from_double(1 + host->clock.now.frequency),
		.epoch = host->clock.now.epoch,
	};
	claim_write(&host->page, &host->word, &doubt, PRECISION);
	host->page_true_ns = host->oscillator.true_ns;
}

int64_t host_answer(struct host *host, int64_t true_ns, uint8_t *reply)
{
	uint8_t head[NTP_HEAD_SIZE];

	oscillator_advance(&host->oscillator, true_ns);
	if (!host->discipline || host->asleep)
		return -1;
	publish(host);
	uint64_t ticks = ticks_at(host);

	for (unsigned i = 0; i < NTP_HEAD_SIZE; i++)
		head[i] = host->page.head[i];
	if (head[NTP_LEAP_VERSION_MODE] >> 6 != NTP_LEAP_UNSYNCHRONISED)
		store_be32(head + NTP_ROOT_DISPERSION,
				ns_to_ntp32(time_page_dispersion_ns(&host->page, ticks)));
	answer_write(reply, head, utc_to_ntp64(time_map_utc(&host->page.map, ticks)),
			utc_to_ntp64(time_map_utc(&host->page.map, ticks + WORKER_NS)));
	return true_ns + WORKER_NS;
}

static void look_at_answer(struct host *host, int64_t true_ns, struct look *look)
{
	uint8_t packet[NTP_HEADER_SIZE] = { ntp_flags(NTP_LEAP_NONE, 4, NTP_MODE_CLIENT) };
	int64_t left_ns = host_answer(host, true_ns, packet);

	look->leap = NTP_LEAP_UNSYNCHRONISED;
	if (left_ns < 0)
		return;
	utc_t truth = utc_add(host->plan->start, left_ns);
	utc_t told = utc_from_ntp64(load_be64(packet + NTP_TRANSMIT), truth);

	look->leap = packet[NTP_LEAP_VERSION_MODE] >> 6;
	look->answer_error_ns = (double)utc_diff_ns(told, truth);
	look->claim_ns = (double)ns_from_ntp32(load_be32(packet + NTP_ROOT_DELAY)) / 2
			+ (double)ns_from_ntp32(load_be32(packet + NTP_ROOT_DISPERSION));
}

void host_look(struct host *host, int64_t true_ns)
{
	const struct plan *plan = host->plan;
	struct look look = { .true_s = (double)true_ns * 1e-9 - plan->from_s };

	if (host->asleep || look.true_s < 0)
		return;
	oscillator_advance(&host->oscillator, true_ns);
	struct oscillator *oscillator = &host->oscillator;
	double hold_ns = (double)true_ns - plan->hold_from_s * 1e9;

	if (hold_ns >= 0 && !host->held) {
		host->held = true;
		host->hold_ahead_ns = oscillator->ahead_ns - oscillator->frequency * hold_ns;
		host->hold_frequency = oscillator->frequency;
	}
	look.ideal_error_ns =
			oscillator->ahead_ns - host->hold_ahead_ns - host->hold_frequency * hold_ns;
	look.clock_error_ns = kernel_clock_error_ns(&host->clock, oscillator_raw_ns(oscillator, 0),
			utc_add(plan->start, true_ns));
	look.clock_frequency =
			(1 + host->clock.now.frequency) * (1 + oscillator_frequency(oscillator))
			- 1;
	look_at_answer(host, true_ns, &look);
	measure_add(&host->measure, &look, look.true_s + plan->from_s >= plan->settle_s);
}
