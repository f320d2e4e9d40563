// SPDX-License-Identifier: BSD-3-Clause
// Any datagrams, in any order with timers, stamps and steps of the clock, to a client's association.
// Promises: no sample unless the origin is one of the request's two random numbers, one sample a
// request at most, no datagram is ever answered, the next request is neither in the past nor beyond
// 2^24 s, and the same input gives the same output.
//
// Input: options, two poll limits, then events: an octet for what it is, and what it needs.
#include "base/bytes.h"
#include "sync/association.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START      ((utc_t){ INT64_C(1795392000) * NS_PER_S })
#define EVENTS_MAX 256
#define WAKE_MAX   (NS_PER_S << 24)

enum option {
	OPTION_XLEAVE = 1,
	OPTION_IBURST = 2,
	OPTION_BURST = 4,
	OPTION_VERSION_3 = 8,
	OPTION_QUANTILE = 16,
	OPTION_RATIOS = 32,
	OPTION_AHEAD = 64,
	OPTION_HINT = 128,
};

// The lower bits of an event's octet; the upper ones are the next four's details.
enum event {
	EVENT_TIMER,
	EVENT_ANSWER, // a datagram of which the origin is put right; one octet says how long it is
	EVENT_DATAGRAM,
	EVENT_SENT,
	EVENT_CLOCK,
	EVENT_WAIT,
	EVENT_START,
	EVENTS,
};

struct scene {
	struct timeline timeline;
	struct association *association;
	struct association_action action;
	uint8_t request[NTP_HEADER_SIZE];
	int64_t free_ns, asked_ns;
	uint64_t random;
	uint64_t digest;
	bool open; // a request has gone out and no sample was made since
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(condition) require_that(condition, #condition, __LINE__)

static void require_that(bool holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "line %d: %s\n", line, what);
	abort();
}

static void note(struct scene *scene, uint64_t value)
{
	scene->digest = (scene->digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	scene->digest ^= scene->digest >> 29;
}

static void note_action(struct scene *scene)
{
	const struct association_action *action = &scene->action;

	note(scene, action->send_length << 2 | action->new_port << 1 | action->replace);
	note(scene, action->wake_free_ns);
	for (size_t i = 0; i < action->send_length; i++)
		note(scene, action->packet[i]);
	require(action->wake_free_ns >= scene->asked_ns);
	require(action->wake_free_ns - scene->asked_ns <= WAKE_MAX);
}

static void ask(struct scene *scene, bool early)
{
	if (!early && scene->action.wake_free_ns > scene->free_ns)
		scene->free_ns = scene->action.wake_free_ns;
	association_on_timer(scene->association, &scene->timeline, scene->free_ns,
			scene->random += UINT64_C(0x9e3779b97f4a7c15), &scene->action);
	if (scene->action.send_length > 0) {
		require(scene->action.send_length == NTP_HEADER_SIZE && scene->action.new_port);
		memcpy(scene->request, scene->action.packet, NTP_HEADER_SIZE);
		require((scene->request[0] & 7) == NTP_MODE_CLIENT);
		require(load_be64(scene->request + NTP_TRANSMIT) != 0);
		scene->asked_ns = scene->free_ns;
		scene->open = true;
	}
	note_action(scene);
}

static struct association_stamp stamp_now(const struct scene *scene, unsigned detail)
{
	return (struct association_stamp){
		.local = timeline_local(&scene->timeline, scene->free_ns),
		.epoch = scene->timeline.epoch - (detail == 3),
		.level = (enum stamp_level)(detail % STAMP_LEVELS),
	};
}

static bool is_genuine(const struct scene *scene, const uint8_t *packet, size_t length)
{
	if (!scene->open || length < NTP_HEADER_SIZE)
		return false;
	const uint8_t *origin = packet + NTP_ORIGIN;

	return memcmp(origin, scene->request + NTP_TRANSMIT, 8) == 0
			|| (load_be64(scene->request + NTP_RECEIVE) != 0
					&& memcmp(origin, scene->request + NTP_RECEIVE, 8) == 0);
}

// In a copy that ends where its allocation ends, so that a sanitizer sees one octet too many.
static void receive(struct scene *scene, struct bytes *input, unsigned event, unsigned detail)
{
	static const uint32_t own_refids[] = { 0x0a000001 };
	struct association_stamp stamp = stamp_now(scene, detail >> 1);
	struct sample sample = { .delay_ns = -1 };
	size_t length = 4 * (size_t)bytes_take_u8(input);

	if (detail & 1 && length > 0)
		length--;
	if (length > input->left)
		length = input->left;
	const uint8_t *octets = bytes_take(input, length);
	uint8_t *copy = malloc(length ? length : 1);

	require(copy != NULL);
	if (length > 0)
		memcpy(copy, octets, length);
	if (event == EVENT_ANSWER && length >= NTP_HEADER_SIZE)
		memcpy(copy + NTP_ORIGIN,
				scene->request + (detail & 8 ? NTP_RECEIVE : NTP_TRANSMIT), 8);
	bool genuine = is_genuine(scene, copy, length);
	enum association_verdict verdict =
			association_on_reply(scene->association, &scene->timeline, copy, length,
					&stamp, own_refids, 1, &sample, &scene->action);

	free(copy);
	require(scene->action.send_length == 0 && !scene->action.new_port);
	if (verdict == ASSOCIATION_SAMPLE) {
		require(genuine);
		require(sample.delay_ns >= 1 && sample.dispersion_ns > 0);
		require(sample.stratum >= 1 && sample.stratum < 16);
	} else {
		require(sample.delay_ns == -1);
	}
	if (genuine && verdict != ASSOCIATION_MALFORMED)
		scene->open = false;
	else
		require(verdict == ASSOCIATION_MALFORMED || verdict == ASSOCIATION_BOGUS
				|| verdict == ASSOCIATION_DUPLICATE);
	note(scene, verdict);
	note(scene, (uint64_t)(sample.offset_ns ^ sample.delay_ns ^ sample.free_ns));
	note_action(scene);
}

static void touch_clock(struct scene *scene, struct bytes *input, unsigned detail)
{
	utc_t local = timeline_local(&scene->timeline, scene->free_ns);
	int64_t by = (int16_t)bytes_take_be16(input);

	if (detail & 1)
		timeline_step(&scene->timeline, local, by * 1'000'000);
	else
		timeline_set_frequency(&scene->timeline, local, (double)by * 2.5e-6);
}

static void happen(struct scene *scene, struct bytes *input)
{
	unsigned octet = bytes_take_u8(input), event = octet % 8, detail = octet / 8 % 16;
	struct association_stamp stamp;

	switch (event) {
	case EVENT_TIMER:
		ask(scene, detail & 1);
		break;
	case EVENT_ANSWER:
	case EVENT_DATAGRAM:
		receive(scene, input, event, detail);
		break;
	case EVENT_SENT:
		stamp = stamp_now(scene, detail);
		association_on_sent(scene->association, &stamp);
		break;
	case EVENT_CLOCK:
		touch_clock(scene, input, detail);
		break;
	case EVENT_WAIT:
		scene->free_ns += (int64_t)bytes_take_be16(input) << detail;
		break;
	case EVENT_START:
		association_start(scene->association, scene->free_ns, &scene->action);
		scene->asked_ns = scene->free_ns;
		scene->open = false;
		break;
	default:
		association_set_poll_hint(scene->association, (double)bytes_take_be16(input) / 64);
	}
}

static struct association_options read_options(struct bytes *input)
{
	uint8_t flags = bytes_take_u8(input);

	return (struct association_options){
		.minpoll = (int8_t)bytes_take_u8(input),
		.maxpoll = (int8_t)bytes_take_u8(input),
		.iburst = flags & OPTION_IBURST,
		.burst = flags & OPTION_BURST,
		.xleave = flags & OPTION_XLEAVE,
		.version = flags & OPTION_VERSION_3 ? 3 : 4,
		.presend = flags & OPTION_AHEAD ? 0 : 100,
		.maxdelay = 3,
		.maxdelayratio = flags & OPTION_RATIOS ? 2 : 0,
		.maxdelaydevratio = flags & OPTION_RATIOS ? 10 : 0,
		.maxdelayquant = flags & OPTION_QUANTILE ? 0.2 : 0,
		.asymmetry = flags & OPTION_HINT ? -0.5 : 0,
		.precision = 1e-7,
	};
}

static uint64_t play(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size);
	struct association_options options = read_options(&input);
	struct scene scene = { .association = malloc(association_size()) };

	require(scene.association != NULL);
	timeline_init(&scene.timeline, START, 0);
	association_init(scene.association, &options, 1);
	association_start(scene.association, 0, &scene.action);
	// Hundreds of the longest intervals would be more than free time can count.
	for (unsigned i = 0; i < EVENTS_MAX && input.left > 0; i++)
		happen(&scene, &input);
	free(scene.association);
	return scene.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	require(play(data, size) == play(data, size));
	return 0;
}
