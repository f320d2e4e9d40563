// SPDX-License-Identifier: BSD-3-Clause
#include "control/dumps.h"

#include "base/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define SAME      1e-9 // frequencies; the kernel's grain is 1.5e-11

// False when the path is too long for a file.
static bool path_of(const struct dumps *dumps, const struct member *member, char path[PATH_SIZE])
{
	int length = snprintf(
			path, PATH_SIZE, "%s/%s.samples", dumps->options.folder, member->text);

	return length > 0 && length < PATH_SIZE;
}

void dumps_open(struct dumps *dumps, const struct dumps_options *options,
		const struct local_clock *clock, struct discipline *discipline)
{
	const struct timeline *timeline = discipline_timeline(discipline);

	*dumps = (struct dumps){
		.options = *options,
		.discipline = discipline,
		.started = timeline_local(timeline, 0),
		.frequency = timeline_frequency(timeline),
		.software_clock = clock->driver->from_real != NULL,
	};
	int error = options->folder ? sample_dump_boot(dumps->boot) : 0;

	if (!error)
		return;
	log_warn("dumpdir: no samples are kept, for this machine does not say when it was booted: %s",
			strerror(-error));
	dumps->options.folder = NULL;
}

// Returns 0, or -ESTALE when the clock is not as it was left.
static int carry_over(const struct dumps *dumps, struct sample_dump *dump)
{
	if (!dumps->software_clock && fabs(dump->frequency - dumps->frequency) > SAME)
		return -ESTALE;
	return sample_dump_rebase(dump, dumps->boot, dumps->started);
}

void dumps_recall(struct dumps *dumps, const struct member *member)
{
	struct sample_dump dump;
	char path[PATH_SIZE];
	int error;

	if (!dumps->options.folder || !path_of(dumps, member, path))
		return;
	error = dumps->options.recall ? sample_dump_read(path, &dump) : -ENOENT;
	if (!error)
		error = carry_over(dumps, &dump);
	if (error == -ESTALE)
		log_warn("%s: from before the machine was booted, or the clock was steered since",
				path);
	else if (error && error != -ENOENT)
		log_warn("%s: %s", path, strerror(-error));
	if (!error) {
		discipline_recall(dumps->discipline, (unsigned)member->source, dump.samples,
				dump.count);
		log_info("server %s: %u samples of before", member->text, dump.count);
	}
	unlink(path);
}

// The clock and free time as they are left. With -x the clock ends with us: CLOCK_REALTIME goes on.
static struct sample_dump begin_dump(const struct dumps *dumps, utc_t now)
{
	const struct timeline *timeline = discipline_timeline(dumps->discipline);
	struct discipline_tracking tracking;
	struct sample_dump dump = {
		.local = now,
		.free_ns = timeline_free_ns(timeline, now),
	};

	memcpy(dump.boot, dumps->boot, sizeof(dump.boot));
	if (dumps->software_clock) {
		dump.local = utc_add(dumps->started, dump.free_ns);
		return dump;
	}
	discipline_track(dumps->discipline, now, &tracking);
	dump.frequency = tracking.frequency;
	return dump;
}

void dumps_write(struct dumps *dumps, const struct member *member, utc_t now)
{
	struct sample_dump dump;
	char path[PATH_SIZE];
	int error;

	if (!dumps->options.folder || !path_of(dumps, member, path))
		return;
	dump = begin_dump(dumps, now);
	dump.count = discipline_samples(dumps->discipline, (unsigned)member->source, dump.samples,
			SAMPLE_DUMP_SAMPLES);
	if (dump.count == 0)
		return;
	// If it is there, or cannot be made, writing tells.
	mkdir(dumps->options.folder, 0755);
	error = sample_dump_write(path, &dump);
	if (error && !dumps->failed)
		log_error("%s: %s", path, strerror(-error));
	dumps->failed = error != 0;
}
