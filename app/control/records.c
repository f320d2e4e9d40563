// SPDX-License-Identifier: BSD-3-Clause
#include "control/records.h"

#include "base/log.h"
#include "control/log_lines.h"

#include <string.h>

static double s_of(int64_t ns)
{
	return (double)ns / NS_PER_S;
}

void records_open(struct records *records, const struct records_options *options,
		struct discipline *discipline)
{
	enum log_file which;
	int error = 0;

	*records = (struct records){ .drift = options->drift, .discipline = discipline };
	records->drift.written_s = s_of(loop_now_ns());
	for (unsigned i = 0; i < LOG_FILES; i++)
		records->logs.files[i].file = -1;
	if (options->log_folder)
		error = log_files_open(&records->logs, options->log_folder, options->log_banner,
				options->logs_wanted, &which);
	if (error)
		log_error("%s%s%s: %s", options->log_folder, which == LOG_FILES ? "" : "/",
				which == LOG_FILES ? "" : log_file_name(which), strerror(-error));
}

static void write_measurement(struct records *records, const struct member *member, utc_t now)
{
	struct association_report association;
	struct source_report source;
	char line[LOG_LINE_SIZE];

	association_describe(discipline_association(records->discipline, (unsigned)member->source),
			&association);
	discipline_describe(records->discipline, (unsigned)member->source, now, &source);
	struct log_measurement entry = {
		.time = association.last_received.local,
		.source = member->text,
		.leap = association.answer.leap,
		.stratum = association.answer.stratum,
		.local_poll = association.poll,
		.remote_poll = association.answer.poll,
		.score = source.score,
		.root_delay = s_of(association.answer.root_delay_ns),
		.root_dispersion = s_of(association.answer.root_dispersion_ns),
		.refid = association.answer.refid,
		.interleaved = association.interleaved,
		.sent_by = association.last_sent.level,
		.received_by = association.last_received.level,
	};

	// The first letter is the highest bit.
	for (unsigned i = 0; i < LOG_TESTS; i++)
		entry.passed[i] = association.tests >> (LOG_TESTS - 1 - i) & 1;
	if (source.samples) {
		const struct timeline *timeline = discipline_timeline(records->discipline);
		int64_t correction_ns = timeline_correction_ns(timeline, source.last.free_ns);

		entry.offset = s_of(source.last.offset_ns - correction_ns);
		entry.delay = s_of(source.last.delay_ns);
		entry.dispersion = s_of(source.last.dispersion_ns);
	}
	log_measurement_print(&entry, line);
	log_files_write(&records->logs, LOG_FILE_MEASUREMENTS, line);
}

static void write_statistics(struct records *records, const struct member *member, utc_t now)
{
	const struct timeline *timeline = discipline_timeline(records->discipline);
	int64_t free_ns = timeline_free_ns(timeline, now);
	struct source_report source;
	char line[LOG_LINE_SIZE];

	discipline_describe(records->discipline, (unsigned)member->source, now, &source);
	if (source.samples == 0)
		return;
	struct log_statistics entry = {
		.time = now,
		.source = member->text,
		.deviation = source.estimate.jitter_ns / NS_PER_S,
		.offset = s_of(timeline_correction_ns(timeline, free_ns)
				- source.estimate.offset_ns),
		.offset_deviation = source.estimate.offset_sd_ns / NS_PER_S,
		.frequency = -(source.estimate.frequency - timeline_frequency(timeline)),
		.skew = source.estimate.frequency_sd,
		.samples = source.samples,
	};

	log_statistics_print(&entry, line);
	log_files_write(&records->logs, LOG_FILE_STATISTICS, line);
}

// Returns how many are followed, and writes a line for each if wanted.
static unsigned write_selection(struct records *records, struct sources *sources, utc_t now)
{
	const struct timeline *timeline = discipline_timeline(records->discipline);
	const struct member *member;
	unsigned combined = 0;
	char line[LOG_LINE_SIZE];

	for (unsigned i = 0; (member = sources_member(sources, i)); i++) {
		struct source_report source;

		discipline_describe(records->discipline, (unsigned)member->source, now, &source);
		combined += source.state == SOURCE_SELECTED || source.state == SOURCE_COMBINED;
		if (!log_files_want(&records->logs, LOG_FILE_SELECTION))
			continue;
		struct log_selection entry = {
			.time = now,
			.source = member->text,
			.state = source.letter,
			.noselect = member->options.noselect,
			.prefer = member->options.prefer,
			.trust = member->options.trust,
			.require = member->options.require,
			.reach = source.reach,
			.score = source.score,
			.low = s_of(source.low_ns),
			.high = s_of(source.high_ns),
		};

		if (source.samples)
			entry.last_sample =
					s_of(timeline_free_ns(timeline, now) - source.last.free_ns);
		log_selection_print(&entry, line);
		log_files_write(&records->logs, LOG_FILE_SELECTION, line);
	}
	return combined;
}

// How far off the clock could have been just before.
static double max_error_s(const struct reference *before, utc_t now)
{
	int64_t age_ns = utc_diff_ns(now, before->as_of);
	double growth = (double)before->root_dispersion_rate_ppb / NS_PER_S;

	if (before->stratum == 0)
		return 0;
	return s_of(reference_distance_ns(before)) + s_of(age_ns) * growth;
}

static const char *name_of(struct sources *sources, int source)
{
	const struct member *member;

	for (unsigned i = 0; (member = sources_member(sources, i)); i++) {
		if (member->source == source)
			return member->text;
	}
	return "0.0.0.0";
}

static void write_drift(struct records *records, utc_t now, double uptime_s)
{
	struct discipline_tracking tracking;

	discipline_track(records->discipline, now, &tracking);
	struct drift drift = { .frequency = tracking.frequency, .skew = tracking.skew };
	int error = drift_file_update(&records->drift, &drift, uptime_s);

	if (error < 0 && error != records->drift_error)
		log_error("%s: %s", records->drift.path, strerror(-error));
	records->drift_error = error < 0 ? error : 0;
}

void records_close(struct records *records, utc_t now)
{
	// Due, however short ago the last time was.
	if (records->updates_seen)
		write_drift(records, now, records->drift.written_s + records->drift.interval_s);
	log_files_close(&records->logs);
}

void records_answer(struct records *records, struct sources *sources, const struct member *member,
		enum association_verdict verdict, const struct reference *before)
{
	utc_t now = member->world->clock->driver->now(member->world->clock);
	struct discipline_tracking tracking;
	char line[LOG_LINE_SIZE];

	if (log_files_want(&records->logs, LOG_FILE_MEASUREMENTS)
			&& verdict != ASSOCIATION_MALFORMED && verdict != ASSOCIATION_BOGUS)
		write_measurement(records, member, now);
	if (log_files_want(&records->logs, LOG_FILE_STATISTICS) && verdict == ASSOCIATION_SAMPLE)
		write_statistics(records, member, now);
	discipline_track(records->discipline, now, &tracking);
	if (tracking.updates == records->updates_seen)
		return;
	records->updates_seen = tracking.updates;
	write_drift(records, now, s_of(loop_now_ns()));
	struct log_tracking entry = {
		.time = now,
		.source = name_of(sources, tracking.selected),
		.stratum = tracking.stratum,
		.frequency_ppm = -tracking.frequency * 1e6,
		.skew_ppm = tracking.skew * 1e6,
		.offset = -tracking.last_offset_s,
		.leap = tracking.leap,
		.combined = write_selection(records, sources, now),
		.offset_deviation = tracking.rms_offset_s,
		.remaining = tracking.current_correction_s,
		.root_delay = tracking.root_delay_s,
		.root_dispersion = tracking.root_dispersion_s,
		.max_error = max_error_s(before, now),
	};

	if (!log_files_want(&records->logs, LOG_FILE_TRACKING))
		return;
	log_tracking_print(&entry, line);
	log_files_write(&records->logs, LOG_FILE_TRACKING, line);
}
