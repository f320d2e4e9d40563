// SPDX-License-Identifier: BSD-3-Clause
#include "link.h"

#include "noise.h"

static bool is_up(const struct link_options *link, double true_s)
{
	if (link->cut_until_s > 0 && true_s >= link->cut_from_s && true_s < link->cut_until_s)
		return false;
	return link->period_s <= 0 || fmod(true_s, link->period_s) < link->up_s;
}

static double jitter_s(const struct link_options *link, bool back, uint64_t *random)
{
	double deviation = back && link->jitter_back_s > 0 ? link->jitter_back_s : link->jitter_s;

	if (deviation <= 0)
		return 0;
	switch (link->jitter) {
	case JITTER_NORMAL:
		return deviation * noise_normal(random);
	case JITTER_TWO_STAGE:
		return noise_exponential(random, deviation / sqrt(2))
				+ noise_exponential(random, deviation / sqrt(2));
	default:
		return noise_exponential(random, deviation);
	}
}

bool link_carry(const struct link_options *link, int64_t true_ns, bool back, uint64_t *random,
		double *delay_ns)
{
	double true_s = (double)true_ns * 1e-9;
	double delay_s = link->base_s + (back ? -link->asymmetry_s : link->asymmetry_s) / 2;

	if (!is_up(link, true_s) || noise_happens(random, link->loss))
		return false;
	if (!back && true_s >= link->detour_from_s && true_s < link->detour_until_s)
		delay_s += link->detour_s;
	delay_s += jitter_s(link, back, random);
	if (noise_happens(random, link->spike_probability))
		delay_s += noise_exponential(random, link->spike_s);
	// Normal noise has no least delay; nothing arrives before it is sent.
	*delay_ns = fmax(delay_s, 0) * 1e9;
	return true;
}

double link_offset_deviation(const struct link_options *link)
{
	double back = link->jitter_back_s > 0 ? link->jitter_back_s : link->jitter_s;

	return sqrt(link->jitter_s * link->jitter_s + back * back) / 2;
}
