// SPDX-License-Identifier: BSD-3-Clause
#include "control/sources_log.h"

#include "base/log.h"

#define QUIET_NS (60 * NS_PER_S)
#define LINES    4 // of one source in that time

static const char *const state_names[] = {
	[SOURCE_SELECTED] = "followed",
	[SOURCE_COMBINED] = "averaged with the one followed",
	[SOURCE_NOT_COMBINED] = "not needed",
	[SOURCE_FALSETICKER] = "falseticker",
	[SOURCE_JITTERY] = "too much jitter",
	[SOURCE_DISTANT] = "too distant",
	[SOURCE_UNREACHABLE] = "does not answer",
	[SOURCE_NOSELECT] = "noselect",
	[SOURCE_UNSYNCHRONISED] = "not synchronised",
	[SOURCE_WAITING] = "waiting",
};

// Of the source's time from what our clock shows.
static double offset_s(
		const struct source_report *report, const struct discipline *discipline, utc_t now)
{
	const struct timeline *timeline = discipline_timeline(discipline);
	int64_t correction_ns = timeline_correction_ns(timeline, timeline_free_ns(timeline, now));

	return (double)(report->estimate.offset_ns - correction_ns) / NS_PER_S;
}

// What is worth a line when it begins; the rest comes and goes with every sample.
static bool is_news(enum source_state state, int said_state)
{
	switch (state) {
	case SOURCE_SELECTED:
	case SOURCE_FALSETICKER:
	case SOURCE_JITTERY:
	case SOURCE_DISTANT:
	case SOURCE_UNSYNCHRONISED:
		return true;
	case SOURCE_UNREACHABLE:
		return said_state >= 0 && said_state != SOURCE_WAITING;
	default:
		return false;
	}
}

// One that goes to and fro does not fill the log.
static bool may_say(struct member *member)
{
	int64_t now_ns = loop_now_ns();

	if (now_ns - member->said_ns > QUIET_NS) {
		member->said_ns = now_ns;
		member->said_lately = 0;
	}
	return member->said_lately++ < LINES;
}

static void say(const struct member *member, const struct source_report *report, double offset)
{
	const char *name = state_names[report->state];

	if (report->state == SOURCE_SELECTED)
		log_info("server %s: followed, stratum %u, %.6f s from our clock", member->text,
				report->stratum, offset);
	else if (report->state == SOURCE_FALSETICKER)
		log_warn("server %s: falseticker, %.6f s from our clock", member->text, offset);
	else
		log_warn("server %s: %s", member->text, name);
}

void sources_log_changes(struct sources *sources, const struct discipline *discipline, utc_t now)
{
	struct source_report report;
	struct member *member;

	for (unsigned i = 0; (member = sources_member(sources, i)); i++) {
		discipline_describe(discipline, (unsigned)member->source, now, &report);
		if ((int)report.state == member->said_state)
			continue;
		if (is_news(report.state, member->said_state) && may_say(member))
			say(member, &report, offset_s(&report, discipline, now));
		member->said_state = (int)report.state;
	}
}

void sources_log_all(struct sources *sources, const struct discipline *discipline, utc_t now)
{
	struct source_report report;
	struct member *member;

	for (unsigned i = 0; (member = sources_member(sources, i)); i++) {
		discipline_describe(discipline, (unsigned)member->source, now, &report);
		log_info("server %s: %s, stratum %u, reach %o, poll %d, %u samples, offset %.9f s, jitter %.9f s, unreachable %u",
				member->text, state_names[report.state], report.stratum,
				report.reach, report.poll, report.samples,
				report.samples ? offset_s(&report, discipline, now) : 0,
				(double)report.estimate.jitter_ns / NS_PER_S, member->unreachable);
	}
}
