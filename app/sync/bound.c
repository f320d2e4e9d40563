// SPDX-License-Identifier: BSD-3-Clause
#include "sync/bound.h"

#include <math.h>
#include <string.h>

#define OLDEST_NS    (4096 * NS_PER_S) // proofs of the frequency; the few newest may be older
#define OLDEST_COUNT 4
#define YOUNG_COUNT  8 // anchors; with more, proof is better than what an estimate says
#define STEADY_NS    (1024 * NS_PER_S) // in so long the frequency gains no more than maxclockerror
#define SIGMAS       5    // of the wander: at 4, one claim in 10^7 was wrong at 1e-7 per sqrt(s)
#define MISSED_MOST  1e-4 // a contradiction beyond is a step, which says nothing of frequency
#define BROADEST_NS  INT64_C(0x3fff'ffff'ffff'ffff)

// 1 ns outward: what is rounded here must not be what breaks the bound.
static int64_t grown(double slope, double elapsed_ns, int outward)
{
	double growth_ns = slope * elapsed_ns + outward;

	return fabs(growth_ns) < (double)BROADEST_NS ? (int64_t)growth_ns : outward * BROADEST_NS;
}

// By how much the mean frequency of a stretch of `elapsed_ns` may differ from that of another.
static double random_walk(const struct bound *bound, double elapsed_ns)
{
	return SIGMAS * bound->wander * sqrt(elapsed_ns / (3.0 * NS_PER_S));
}

int64_t bound_sample_radius_ns(const struct sample *sample)
{
	return sample->delay_ns / 2 + sample->dispersion_ns + sample->root_delay_ns / 2
			+ sample->root_dispersion_ns + 2;
}

void bound_init(struct bound *bound, double limit, double max_wander)
{
	*bound = (struct bound){
		.max_wander = max_wander,
		.limit = limit,
		.prior_slowest = -limit,
		.prior_fastest = limit,
	};
}

void bound_set_frequency(struct bound *bound, int64_t free_ns, double slowest, double fastest)
{
	bound->prior_slowest = fmax(slowest, -bound->limit);
	bound->prior_fastest = fmin(fastest, bound->limit);
	bound->prior_free_ns = free_ns;
}

void bound_set_wander(struct bound *bound, double wander)
{
	bound->wander = wander;
}

static void remove_anchor(struct bound *bound, unsigned index)
{
	bound->anchor_count--;
	memmove(&bound->anchors[index], &bound->anchors[index + 1],
			(bound->anchor_count - index) * sizeof(bound->anchors[0]));
}

// Makes room so that the gaps between anchors stay in proportion to their age: the newest matter for
// what changed of late, the oldest tell the frequency best.
static void thin_out(struct bound *bound)
{
	const struct bound_anchor *anchors = bound->anchors;
	unsigned spare = 1;
	double least = INFINITY;

	for (unsigned i = 1; i + 1 < bound->anchor_count; i++) {
		double gap = (double)(anchors[i + 1].free_ns - anchors[i - 1].free_ns);
		double age = (double)(bound->free_ns - anchors[i].free_ns) + 1;

		if (gap / age < least) {
			least = gap / age;
			spare = i;
		}
	}
	remove_anchor(bound, spare);
}

static void add_anchor(struct bound *bound)
{
	while (bound->anchor_count > OLDEST_COUNT
			&& bound->free_ns - bound->anchors[0].free_ns > OLDEST_NS)
		remove_anchor(bound, 0);
	if (bound->anchor_count == BOUND_ANCHORS)
		thin_out(bound);
	bound->anchors[bound->anchor_count++] = (struct bound_anchor){
		.free_ns = bound->free_ns,
		.low_ns = bound->at.low_ns,
		.high_ns = bound->at.high_ns,
	};
}

// Narrows the slopes by the anchors' mean frequencies, newest first; from where they contradict what
// came before, the frequency wandered by more than it should: the older say nothing of now. Returns how
// many those are.
static unsigned narrow(const struct bound *bound, double *slowest, double *fastest)
{
	for (unsigned i = bound->anchor_count; i-- > 0;) {
		const struct bound_anchor *anchor = &bound->anchors[i];
		double elapsed_ns = (double)(bound->free_ns - anchor->free_ns);
		double doubt = fmax(bound->max_wander * fmax(elapsed_ns / STEADY_NS, 1),
				random_walk(bound, elapsed_ns));
		double low = (double)(bound->at.low_ns - anchor->high_ns) / elapsed_ns - doubt;
		double high = (double)(bound->at.high_ns - anchor->low_ns) / elapsed_ns + doubt;

		if (low > *fastest || high < *slowest)
			return i + 1;
		*slowest = fmax(*slowest, low);
		*fastest = fmin(*fastest, high);
	}
	return 0;
}

static void prove_frequency(struct bound *bound)
{
	double slowest = bound->prior_slowest, fastest = bound->prior_fastest;
	bool old = bound->free_ns - bound->prior_free_ns > OLDEST_NS;
	unsigned contradicted = narrow(bound, &slowest, &fastest);

	if (contradicted || (old && bound->anchor_count)) {
		bound->prior_slowest = slowest = -bound->limit;
		bound->prior_fastest = fastest = bound->limit;
		contradicted = narrow(bound, &slowest, &fastest);
		for (; contradicted; contradicted--)
			remove_anchor(bound, 0);
	}
	// Growth is never claimed to be less than maxclockerror each way.
	double middle = (slowest + fastest) / 2;

	bound->at.slowest = fmin(slowest, middle - bound->max_wander);
	bound->at.fastest = fmax(fastest, middle + bound->max_wander);
}

// By what frequency the old bound missed the new one, as far as that can be frequency.
static double missed_frequency(const struct bound *bound, const struct bound_interval *carried,
		const struct bound_interval *fresh, int64_t free_ns)
{
	double gap_ns = (double)fresh->low_ns - (double)carried->high_ns;

	if (fresh->high_ns < carried->low_ns)
		gap_ns = (double)carried->low_ns - (double)fresh->high_ns;
	return fmin(2 * gap_ns / fmax((double)(free_ns - bound->free_ns), 1), MISSED_MOST);
}

static void begin_anew(struct bound *bound, const struct bound_interval *carried,
		const struct bound_interval *fresh, int64_t free_ns)
{
	double missed = missed_frequency(bound, carried, fresh, free_ns);

	bound->conflicts++;
	bound->anchor_count = 0;
	bound_set_frequency(bound, free_ns, bound->at.slowest - missed, bound->at.fastest + missed);
	bound->at.low_ns = fresh->low_ns;
	bound->at.high_ns = fresh->high_ns;
}

void bound_doubt_frequency(struct bound *bound, double slowest, double fastest)
{
	bool agrees = slowest <= bound->prior_fastest && fastest >= bound->prior_slowest;

	if (agrees || bound->conflicts || bound->anchor_count >= YOUNG_COUNT)
		return;
	bound_set_frequency(bound, bound->free_ns, -bound->limit, bound->limit);
	prove_frequency(bound);
}

static bool overlap(const struct bound_interval *one, const struct bound_interval *other)
{
	return one->low_ns <= other->high_ns && one->high_ns >= other->low_ns;
}

// The bound at the sample's moment. Two answers are no majority: when the second one contradicts what was only
// believed of the frequency, that belief is to blame.
static struct bound_interval carry_to(
		struct bound *bound, const struct bound_interval *fresh, int64_t free_ns)
{
	struct bound_interval carried = bound_at(bound, free_ns);

	if (bound->anchor_count || overlap(fresh, &carried))
		return carried;
	bound_set_frequency(bound, free_ns, -bound->limit, bound->limit);
	bound->at.slowest = -bound->limit;
	bound->at.fastest = bound->limit;
	return bound_at(bound, free_ns);
}

bool bound_add(struct bound *bound, const struct sample *sample)
{
	int64_t radius_ns = bound_sample_radius_ns(sample);
	struct bound_interval fresh = {
		.low_ns = sample->offset_ns - radius_ns,
		.high_ns = sample->offset_ns + radius_ns,
	};
	bool agrees = true;

	if (!bound->known) {
		bound->known = true;
		bound->at = fresh;
	} else if (sample->free_ns <= bound->free_ns) {
		return true; // out of order: true, but nothing to gain
	} else {
		struct bound_interval carried = carry_to(bound, &fresh, sample->free_ns);

		agrees = overlap(&fresh, &carried);
		if (agrees) {
			add_anchor(bound);
			bound->at.low_ns = fresh.low_ns > carried.low_ns ? fresh.low_ns
									 : carried.low_ns;
			bound->at.high_ns = fresh.high_ns < carried.high_ns ? fresh.high_ns
									    : carried.high_ns;
		} else {
			begin_anew(bound, &carried, &fresh, sample->free_ns);
		}
	}
	bound->free_ns = sample->free_ns;
	prove_frequency(bound);
	return agrees;
}

static struct bound_interval carry(const struct bound *bound, double slowest, double fastest,
		double elapsed_ns, double walk)
{
	slowest -= walk;
	fastest += walk;
	return (struct bound_interval){
		.low_ns = bound->at.low_ns + grown(slowest, elapsed_ns, -1),
		.high_ns = bound->at.high_ns + grown(fastest, elapsed_ns, 1),
		// The walk's own growth is 1.5 times its mean.
		.slowest = slowest - walk / 2,
		.fastest = fastest + walk / 2,
	};
}

bool bound_proves_frequency(const struct bound *bound)
{
	return bound->anchor_count > 0;
}

struct bound_interval bound_at(const struct bound *bound, int64_t free_ns)
{
	double elapsed_ns = fmax((double)(free_ns - bound->free_ns), 0);

	return carry(bound, bound->at.slowest, bound->at.fastest, elapsed_ns,
			random_walk(bound, elapsed_ns));
}

struct bound_interval bound_believed(
		const struct bound *bound, int64_t free_ns, double slowest, double fastest)
{
	double elapsed_ns = (double)(free_ns - bound->free_ns);
	double walk = random_walk(bound, fabs(elapsed_ns));

	if (slowest > bound->at.fastest || fastest < bound->at.slowest) {
		slowest = bound->at.slowest;
		fastest = bound->at.fastest;
	}
	slowest = fmax(slowest, bound->at.slowest);
	fastest = fmin(fastest, bound->at.fastest);
	if (elapsed_ns >= 0)
		return carry(bound, slowest, fastest, elapsed_ns, walk);
	// Back in time what gained has lost.
	struct bound_interval back = carry(bound, -fastest, -slowest, -elapsed_ns, walk);

	return (struct bound_interval){
		.low_ns = back.low_ns,
		.high_ns = back.high_ns,
		.slowest = -back.fastest,
		.fastest = -back.slowest,
	};
}
