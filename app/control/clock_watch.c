// SPDX-License-Identifier: BSD-3-Clause
#include "control/clock_watch.h"

#include <time.h>

#define TRIES    3
#define QUICK_NS 2'000

// Less is left to the estimator: it is what samples of a quiet network leave in doubt.
#define LEAST_JUMP_NS 10'000
// Sleep shorter than this is no reason to say so.
#define LEAST_SLEEP_NS 1'000'000

static int64_t read_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now))
		return 0;
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

struct clock_pair clock_pair_read(void)
{
	struct clock_pair best = { 0 };

	for (int i = 0; i < TRIES; i++) {
		struct clock_pair pair;

		pair.before_ns = read_ns(CLOCK_MONOTONIC);
		pair.real = (utc_t){ read_ns(CLOCK_REALTIME) };
		pair.after_ns = read_ns(CLOCK_MONOTONIC);
		if (i == 0 || pair.after_ns - pair.before_ns < best.after_ns - best.before_ns)
			best = pair;
		if (best.after_ns - best.before_ns < QUICK_NS)
			break;
	}
	int64_t boot_ns = read_ns(CLOCK_BOOTTIME);

	best.asleep_ns = boot_ns ? boot_ns - best.after_ns : 0;
	return best;
}

void clock_watch_start(struct clock_watch *watch, const struct clock_pair *pair)
{
	*watch = (struct clock_watch){
		.least_ns = pair->real.ns - pair->after_ns,
		.most_ns = pair->real.ns - pair->before_ns,
		.asleep_ns = pair->asleep_ns,
	};
}

bool clock_watch_look(
		struct clock_watch *watch, const struct clock_pair *pair, struct clock_jump *jump)
{
	struct clock_watch now;
	int64_t asleep_ns = pair->asleep_ns - watch->asleep_ns;

	clock_watch_start(&now, pair);
	if (now.least_ns > watch->most_ns + LEAST_JUMP_NS
			|| now.most_ns < watch->least_ns - LEAST_JUMP_NS) {
		jump->jump_ns = (now.least_ns + now.most_ns - watch->least_ns - watch->most_ns) / 2;
		jump->asleep_ns = asleep_ns > LEAST_SLEEP_NS ? asleep_ns : 0;
		*watch = now;
		return true;
	}
	// Each look narrows it.
	if (now.least_ns > watch->least_ns)
		watch->least_ns = now.least_ns;
	if (now.most_ns < watch->most_ns)
		watch->most_ns = now.most_ns;
	return false;
}
