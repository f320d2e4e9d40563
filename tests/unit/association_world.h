// SPDX-License-Identifier: BSD-3-Clause
// A server at the end of a link, for tests of the association: written from the RFCs alone, with
// its own reading and writing of packets, so that no mistake is made twice.
#pragma once

#include "sync/association.h"
#include "unit.h"

#include <math.h>
#include <string.h>

#define WORLD_START_S   INT64_C(1795392000) // 2026-11-23
#define WORLD_START     ((utc_t){ WORLD_START_S * NS_PER_S })
#define WORLD_MS        INT64_C(1'000'000)
#define WORLD_US        INT64_C(1'000)
#define WORLD_SAVED     8
#define WORLD_OCTETS    1500
#define WORLD_UNIX_S    INT64_C(2208988800)
#define WORLD_REFID     UINT32_C(0xc0000201)
#define WORLD_PRECISION -23

// What the server knows of an answer it has given (RFC 9769 section 2).
struct world_saved {
	uint64_t receive, transmit; // as the wire has them; the transmit timestamp is the real one
};

struct world {
	struct timeline timeline;
	struct association *association;
	struct association_action action;
	struct association_report report;
	enum association_verdict verdict;
	struct sample sample;
	int64_t free_ns; // now
	uint64_t random;
	uint8_t request[WORLD_OCTETS];
	uint8_t reply[WORLD_OCTETS];
	size_t length; // of the reply

	int64_t out_ns, back_ns; // the link's delays
	int64_t inside_ns;       // from receive to the transmit timestamp in the packet
	int64_t late_ns;         // from there until it really leaves
	int64_t ahead_ns;        // server's clock less ours, had nobody touched it
	int64_t sent_late_ns; // of our own packets, from the daemon's stamp until they really leave
	enum stamp_level level; // of our own stamps; STAMP_DAEMON: nothing is said of what was sent
	uint8_t leap, stratum;
	uint32_t refid, root_delay, root_dispersion;
	uint64_t reference; // 0: 10 s before
	bool interleaves;
	struct world_saved saved[WORLD_SAVED];
	unsigned saved_count;
	uint32_t own_refids[2];
	unsigned own_refid_count;
};

static inline uint64_t world_get(const uint8_t *at, unsigned octets)
{
	uint64_t value = 0;

	while (octets-- > 0)
		value = value << 8 | *at++;
	return value;
}

static inline void world_put(uint8_t *at, unsigned octets, uint64_t value)
{
	while (octets-- > 0) {
		at[octets] = (uint8_t)value;
		value >>= 8;
	}
}

// 32.32 of the server's clock, to the nearest.
static inline uint64_t world_stamp(const struct world *world, int64_t free_ns)
{
	int64_t server_ns = free_ns + world->ahead_ns;
	int64_t whole = server_ns / NS_PER_S - (server_ns % NS_PER_S < 0);
	long double rest = (long double)(server_ns - whole * NS_PER_S) * 4.294967296L;

	return ((uint64_t)(whole + WORLD_START_S + WORLD_UNIX_S) << 32) + (uint64_t)llroundl(rest);
}

static inline struct association_options world_options(void)
{
	return (struct association_options){
		.minpoll = 6, .maxpoll = 10, .version = 4, .presend = 100, .precision = 1e-7
	};
}

static inline void world_open(struct world *world, const struct association_options *options)
{
	memset(world, 0, sizeof(*world));
	world->random = test_seed();
	world->free_ns = NS_PER_S;
	world->out_ns = 300 * WORLD_US;
	world->back_ns = 300 * WORLD_US;
	world->inside_ns = 20 * WORLD_US;
	world->late_ns = 8 * WORLD_US;
	world->sent_late_ns = 5 * WORLD_US;
	world->stratum = 1;
	world->refid = WORLD_REFID;
	world->root_delay = 0x80;
	world->root_dispersion = 0x40;
	timeline_init(&world->timeline, WORLD_START, 0);
	world->association = malloc(association_size());
	assert_non_null(world->association);
	association_init(world->association, options, random_next(&world->random));
	association_start(world->association, world->free_ns, &world->action);
}

static inline void world_close(struct world *world)
{
	free(world->association);
}

static inline struct association_stamp world_own_stamp(const struct world *world, int64_t free_ns)
{
	return (struct association_stamp){ timeline_local(&world->timeline, free_ns),
		world->timeline.epoch, world->level };
}

// The timer runs down and a request goes out.
static inline void world_ask(struct world *world)
{
	assert_true(world->action.wake_free_ns >= world->free_ns);
	world->free_ns = world->action.wake_free_ns;
	association_on_timer(world->association, &world->timeline, world->free_ns,
			random_next(&world->random), &world->action);
	assert_int_equal(world->action.send_length, 48);
	assert_true(world->action.new_port);
	memcpy(world->request, world->action.packet, 48);
	if (world->level != STAMP_DAEMON) {
		struct association_stamp stamp =
				world_own_stamp(world, world->free_ns + world->sent_late_ns);

		association_on_sent(world->association, &stamp);
	}
}

static inline void world_write_header(const struct world *world, uint8_t *reply, uint64_t receive)
{
	memset(reply, 0, 48);
	reply[0] = (uint8_t)(world->leap << 6 | (world->request[0] & 0x38) | 4);
	reply[1] = world->stratum;
	reply[2] = world->request[2];
	reply[3] = (uint8_t)WORLD_PRECISION;
	world_put(reply + 4, 4, world->root_delay);
	world_put(reply + 8, 4, world->root_dispersion);
	world_put(reply + 12, 4, world->refid);
	world_put(reply + 16, 8,
			world->reference ? world->reference : receive - (UINT64_C(10) << 32));
}

// RFC 9769 section 2: the pair that the origin names is used once.
static inline bool world_take_saved(struct world *world, uint64_t origin, uint64_t *transmit)
{
	for (unsigned i = 0; i < world->saved_count; i++) {
		if (world->saved[i].receive != origin)
			continue;
		*transmit = world->saved[i].transmit;
		world->saved[i] = world->saved[--world->saved_count];
		return true;
	}
	return false;
}

// The request arrives `out_ns` after it left, and the answer lies in `reply`.
static inline void world_serve(struct world *world)
{
	int64_t left_ns = world->free_ns + (world->level == STAMP_DAEMON ? 0 : world->sent_late_ns);
	int64_t arrived_ns = left_ns + world->out_ns;
	uint64_t receive = world_stamp(world, arrived_ns) | 1;
	uint64_t transmit = world_stamp(world, arrived_ns + world->inside_ns) & ~UINT64_C(1);
	uint64_t origin = world_get(world->request + 24, 8);
	uint64_t their_receive = world_get(world->request + 32, 8);
	uint64_t their_transmit = world_get(world->request + 40, 8);
	uint64_t echo = their_transmit;

	world_write_header(world, world->reply, receive);
	if (world->interleaves && their_receive != their_transmit && (origin & 1)
			&& world_take_saved(world, origin, &transmit))
		echo = their_receive;
	if (world->interleaves) {
		int64_t gone_ns = arrived_ns + world->inside_ns + world->late_ns;

		world->saved_count -= world->saved_count == WORLD_SAVED;
		world->saved[world->saved_count++] = (struct world_saved){ receive,
			world_stamp(world, gone_ns) & ~UINT64_C(1) };
	}
	world_put(world->reply + 24, 8, echo);
	world_put(world->reply + 32, 8, receive);
	world_put(world->reply + 40, 8, transmit);
	world->length = 48;
	// What arrives travelled from when it really left.
	world->free_ns = arrived_ns + world->inside_ns + world->back_ns
			+ (world->interleaves ? world->late_ns : 0);
}

static inline enum association_verdict world_receive(struct world *world)
{
	struct association_stamp stamp = world_own_stamp(world, world->free_ns);
	uint8_t *copy = malloc(world->length ? world->length : 1);

	// So that a sanitizer sees one octet too many.
	assert_non_null(copy);
	memcpy(copy, world->reply, world->length);
	world->verdict = association_on_reply(world->association, &world->timeline, copy,
			world->length, &stamp, world->own_refids, world->own_refid_count,
			&world->sample, &world->action);
	free(copy);
	assert_int_equal(world->action.send_length, 0);
	association_describe(world->association, &world->report);
	return world->verdict;
}

static inline enum association_verdict world_exchange(struct world *world)
{
	world_ask(world);
	world_serve(world);
	return world_receive(world);
}

// Asked, and nothing comes back.
static inline void world_lose(struct world *world)
{
	world_ask(world);
	association_describe(world->association, &world->report);
}

static inline int64_t world_until_wake(const struct world *world)
{
	return world->action.wake_free_ns - world->free_ns;
}

// About `seconds` from the request to the next, up to 1/64 more, and the answer's time less.
static inline void assert_interval(const struct world *world, int64_t asked_ns, double seconds)
{
	double gone = (double)(world->action.wake_free_ns - asked_ns) / NS_PER_S;

	if (gone < seconds * 0.999999 || gone > seconds * 1.0157)
		fail_msg("%g s instead of %g", gone, seconds);
}

// The offset there should be: the server's clock less free time, as sample.h has it.
static inline void assert_offset(const struct world *world, int64_t error_ns)
{
	int64_t found_ns = world->sample.offset_ns - WORLD_START.ns - world->ahead_ns;

	if (llabs(found_ns - error_ns) > 2)
		fail_msg("offset is wrong by %lld instead of %lld ns", (long long)found_ns,
				(long long)error_ns);
}
