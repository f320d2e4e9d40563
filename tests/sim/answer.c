// SPDX-License-Identifier: BSD-3-Clause
#include "answer.h"

#include "base/bytes.h"
#include "noise.h"

#include <string.h>

#define SERVER_NS 20'000 // from request to answer

void answer_write(uint8_t *packet, const uint8_t head[NTP_HEAD_SIZE], ntp64_t receive,
		ntp64_t transmit)
{
	uint8_t version = packet[NTP_LEAP_VERSION_MODE] >> 3 & 7;
	uint8_t poll = packet[NTP_POLL];
	uint8_t origin[8];

	memcpy(origin, packet + NTP_TRANSMIT, sizeof(origin));
	memcpy(packet, head, NTP_HEAD_SIZE);
	packet[NTP_LEAP_VERSION_MODE] |= ntp_flags(NTP_LEAP_NONE, version, NTP_MODE_SERVER);
	packet[NTP_POLL] = poll;
	memcpy(packet + NTP_ORIGIN, origin, sizeof(origin));
	store_be64(packet + NTP_RECEIVE, receive | 1);
	store_be64(packet + NTP_TRANSMIT, transmit & ~UINT64_C(1));
}

// Positive: it is ahead of true time.
static int64_t error_ns(const struct server_options *server, double true_s)
{
	double error_s = server->error_s + server->drift * true_s;

	if (server->step_at_s > 0 && true_s >= server->step_at_s)
		error_s += server->step_s;
	return llround(error_s * 1e9);
}

// Puts into the answer when the one before it left, if that is what was asked for.
static void interleave(const uint8_t request[NTP_HEADER_SIZE], struct issued *issued, ntp64_t left,
		uint8_t *packet)
{
	ntp64_t origin = load_be64(request + NTP_ORIGIN);
	bool asked = origin == issued->receive && origin != 0
			&& load_be64(request + NTP_RECEIVE) != load_be64(request + NTP_TRANSMIT);

	if (asked) {
		memcpy(packet + NTP_ORIGIN, request + NTP_RECEIVE, sizeof(ntp64_t));
		store_be64(packet + NTP_TRANSMIT, issued->transmit);
	}
	issued->receive = load_be64(packet + NTP_RECEIVE);
	issued->transmit = left & ~UINT64_C(1);
}

int64_t server_answer(const struct plan *plan, unsigned server, int64_t true_ns, uint64_t *random,
		struct issued *issued, uint8_t *packet)
{
	const struct server_options *options = &plan->servers[server];
	double true_s = (double)true_ns * 1e-9;
	utc_t now = utc_add(plan->start, true_ns + error_ns(options, true_s));
	struct reference reference = {
		.leap = NTP_LEAP_NONE,
		.stratum = 1,
		.refid = 0x47505300, // GPS
		.time = utc_add(now, -NS_PER_S),
	};
	uint8_t head[NTP_HEAD_SIZE], request[NTP_HEADER_SIZE];

	if (options->silent_until_s > 0 && true_s >= options->silent_from_s
			&& true_s < options->silent_until_s)
		return -1;
	reference_write_head(&reference, -30, head);
	store_be32(head + NTP_ROOT_DISPERSION,
			ns_to_ntp32(llround(options->root_dispersion_s * 1e9)));
	memcpy(request, packet, NTP_HEADER_SIZE);
	int64_t receive_ns = llround(options->stamp_s * 1e9 * noise_normal(random));
	int64_t left_ns = SERVER_NS + llround(options->stamp_s * 1e9 * noise_normal(random));
	int64_t early_ns = llround(noise_exponential(random, options->transmit_early_s * 1e9));

	answer_write(packet, head, utc_to_ntp64(utc_add(now, receive_ns)),
			utc_to_ntp64(utc_add(now, left_ns - early_ns)));
	interleave(request, issued, utc_to_ntp64(utc_add(now, left_ns)), packet);
	return true_ns + SERVER_NS;
}
