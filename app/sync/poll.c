// SPDX-License-Identifier: BSD-3-Clause
#include "sync/poll.h"

#include "base/utc.h"

#include <math.h>

#define TARGET_DEFAULT 8 // as chrony
// RFC 5905 section 13.2 and the servers' rate limits: no less between the packets of a burst.
#define BURST_INTERVAL_NS   (2 * NS_PER_S)
#define IBURST_REQUESTS     8
#define IBURST_MEASUREMENTS 4
#define BURST_REQUESTS_MAX  4
// Below a second only to servers nearby, as chrony.
#define NEARBY_NS  (10 * (NS_PER_S / 1000))
#define SILENT_MAX 8 // polls, until it is asked less often
// What a kiss may bring the interval to: more would be a denial of service by one packet.
#define KISS_POLL_MAX 10

static int limit(int value, int least, int most)
{
	if (value < least)
		return least;
	return value > most ? most : value;
}

static int64_t exponent_ns(int exponent)
{
	return exponent < 0 ? NS_PER_S >> -exponent : NS_PER_S << exponent;
}

static void end_burst(struct poll_state *poll)
{
	poll->burst_requests = 0;
	poll->burst_measurements = 0;
}

// A burst goes on to its last request where it did not do what it is for.
static void end_burst_when_enough(struct poll_state *poll)
{
	if (poll->burst_measurements > 1)
		poll->burst_measurements--;
	else if (poll->burst_measurements == 1 && !poll->wants_more)
		end_burst(poll);
}

static void set_current(struct poll_state *poll, int exponent)
{
	poll->current = limit(exponent, poll->options.minimum, poll->options.maximum);
	poll->steady = 0;
}

static void begin_iburst(struct poll_state *poll)
{
	if (!poll->options.iburst || poll->denied)
		return;
	poll->burst_requests = IBURST_REQUESTS;
	poll->burst_measurements = IBURST_MEASUREMENTS;
}

void poll_init(struct poll_state *poll, const struct poll_options *options)
{
	*poll = (struct poll_state){ .options = *options, .delay_ns = -1 };
	poll->options.minimum = limit(options->minimum, POLL_MIN, POLL_MAX);
	poll->options.maximum = limit(options->maximum, poll->options.minimum, POLL_MAX);
	if (poll->options.target == 0)
		poll->options.target = TARGET_DEFAULT;
	poll->current = poll->options.minimum;
}

void poll_start(struct poll_state *poll)
{
	set_current(poll, poll->options.minimum);
	poll->silent = 0;
	poll->delay_ns = -1;
	end_burst(poll);
	begin_iburst(poll);
}

// A second chance for a poll that went wrong: no more requests than at the shortest interval.
static void begin_burst(struct poll_state *poll)
{
	int longer = poll->current - poll->options.minimum;

	poll->burst_requests = longer < 2 ? 1U << longer : BURST_REQUESTS_MAX;
	poll->burst_measurements = 1;
}

void poll_on_request(struct poll_state *poll)
{
	bool may_burst = poll->options.burst && poll->current > poll->options.minimum;

	if (!poll_in_burst(poll) && may_burst && poll->silent < SILENT_MAX && !poll->denied)
		begin_burst(poll);
	if (poll->burst_requests > 0)
		poll->burst_requests--;
}

void poll_on_silence(struct poll_state *poll)
{
	if (poll_in_burst(poll))
		return;
	poll->silent++;
	if (poll->silent % SILENT_MAX != 0)
		return;
	// RFC 4330 section 10 (7): who does not answer is asked less and less often.
	poll->delay_ns = -1;
	set_current(poll, poll->current + 1);
}

void poll_on_answer(struct poll_state *poll, bool recovered)
{
	poll->silent = 0;
	if (!recovered)
		return;
	poll->denied = false;
	set_current(poll, poll->options.minimum);
	if (!poll_in_burst(poll))
		begin_iburst(poll);
}

void poll_on_measurement(struct poll_state *poll, int64_t delay_ns)
{
	poll->delay_ns = delay_ns;
	end_burst_when_enough(poll);
	if (poll_in_burst(poll) || !(poll->useful_s > 0))
		return;
	// Longer only where it costs nothing, for long enough; shorter at once, but not for a trifle.
	if (poll->useful_s < exp2(poll->current - 0.5))
		set_current(poll, ilogb(poll->useful_s));
	else if (poll->useful_s < exp2(poll->current + 1))
		poll->steady = 0;
	else if (++poll->steady >= poll->options.target)
		set_current(poll, poll->current + 1);
}

void poll_on_rate(struct poll_state *poll, int8_t asked)
{
	int most = poll->options.maximum > KISS_POLL_MAX ? poll->options.maximum : KISS_POLL_MAX;
	int slower = poll_effective(poll) + 1;

	end_burst(poll);
	poll->options.iburst = false;
	poll->options.burst = false;
	poll->silent = 0;
	poll->options.minimum = limit(asked > slower ? asked : slower, POLL_MIN, most);
	if (poll->options.maximum < poll->options.minimum)
		poll->options.maximum = poll->options.minimum;
	set_current(poll, poll->options.minimum);
}

void poll_on_deny(struct poll_state *poll)
{
	end_burst(poll);
	poll->silent = 0;
	poll->denied = true;
	set_current(poll, poll->options.maximum);
}

bool poll_in_burst(const struct poll_state *poll)
{
	return poll->burst_requests > 0;
}

int poll_effective(const struct poll_state *poll)
{
	int exponent = poll->current;
	bool nearby = poll->delay_ns >= 0 && poll->delay_ns <= NEARBY_NS;

	if (poll->denied && exponent < KISS_POLL_MAX)
		return KISS_POLL_MAX;
	if (exponent < 0 && !nearby)
		return 0;
	// Not before the answer to the last one had its time to come.
	while (exponent < 0 && exponent_ns(exponent) < 2 * poll->delay_ns)
		exponent++;
	return exponent;
}

int64_t poll_interval_ns(const struct poll_state *poll)
{
	int64_t interval_ns = exponent_ns(poll_effective(poll));

	return poll_in_burst(poll) && interval_ns > BURST_INTERVAL_NS ? BURST_INTERVAL_NS
								      : interval_ns;
}
