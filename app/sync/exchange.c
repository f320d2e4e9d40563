// SPDX-License-Identifier: BSD-3-Clause
#include "sync/exchange.h"

#define PHI_DIVISOR (1'000'000 / 15) // of our clock against the server's, RFC 5905 section 7.2

static int64_t subtract_wrapped(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t precision_to_ns(int log2s)
{
	if (log2s >= 0)
		return NS_PER_S;
	return log2s < -30 ? 1 : NS_PER_S >> -log2s;
}

utc_t exchange_time_of(const struct exchange *exchange, ntp64_t stamp)
{
	// A clock that was never set still finds the right era.
	const utc_t earliest = { 1577836800 * NS_PER_S }; // 2020-01-01
	utc_t local = exchange->received.local;

	return utc_from_ntp64(stamp, local.ns < earliest.ns ? earliest : local);
}

// Differences wrap: whatever the stamps are, a sensible delay makes the rest sensible.
bool exchange_measure(const struct exchange *exchange, const struct timeline *timeline,
		const struct client_answer *answer, struct measurement *measurement)
{
	if (exchange->sent.epoch != timeline->epoch || exchange->received.epoch != timeline->epoch)
		return false;

	utc_t receive = exchange_time_of(exchange, exchange->server_receive);
	utc_t transmit = exchange_time_of(exchange, answer->transmit);
	int64_t sent_ns = timeline_free_ns(timeline, exchange->sent.local);
	int64_t received_ns = timeline_free_ns(timeline, exchange->received.local);
	int64_t duration_ns = subtract_wrapped(received_ns, sent_ns);
	int64_t response_ns = utc_diff_ns(transmit, receive);
	int64_t delay_ns = subtract_wrapped(duration_ns, response_ns);

	*measurement = (struct measurement){
		.free_ns = sent_ns + duration_ns / 2,
		.offset_ns = subtract_wrapped(
				receive.ns, subtract_wrapped(sent_ns, -(delay_ns / 2))),
		.delay_ns = delay_ns,
		.response_ns = response_ns,
		.dispersion_ns = precision_to_ns(answer->precision)
				+ (duration_ns > 0 ? duration_ns / PHI_DIVISOR : 0),
	};
	return true;
}
