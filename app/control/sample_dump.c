// SPDX-License-Identifier: BSD-3-Clause
// Lines of words:
//   timeball samples 1
//   boot ID
//   clock LOCAL FREE FREQUENCY
//   sample FREE OFFSET DELAY DISPERSION LEAP STRATUM REFID ROOT-DELAY ROOT-DISPERSION TIME SENT RECEIVED
//   end COUNT
// Times are whole nanoseconds, moments since 1970; the last two words of a sample are enum stamp_level.
#include "control/sample_dump.h"

#include "control/text_file.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define TITLE   "timeball samples 1\n"
// So large that nothing of reason is larger, and no sum of them overflows.
#define MOST_AWAY_NS  (INT64_C(1) << 58) // nine years
#define MOST_NS       (INT64_C(1) << 61) // offsets are of true time, which is 56 years
#define FREQUENCY_MAX 0.5

int sample_dump_boot(char boot[SAMPLE_DUMP_BOOT_SIZE])
{
	long length = text_file_read(BOOT_ID, boot, SAMPLE_DUMP_BOOT_SIZE);

	if (length < 0)
		return (int)length;
	boot[strcspn(boot, "\n")] = '\0';
	return 0;
}

void sample_dump_add(struct sample_dump *dump, const struct sample *sample)
{
	if (dump->count == SAMPLE_DUMP_SAMPLES) {
		dump->count--;
		memmove(dump->samples, dump->samples + 1, dump->count * sizeof(dump->samples[0]));
	}
	dump->samples[dump->count++] = *sample;
}

struct writer {
	char *text;
	size_t length;
};

[[gnu::format(printf, 2, 3)]] static void append(struct writer *writer, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	writer->length += (size_t)vsnprintf(writer->text + writer->length,
			SAMPLE_DUMP_TEXT_SIZE - writer->length, format, arguments);
	va_end(arguments);
}

static void sample_print(struct writer *writer, const struct sample *sample)
{
	append(writer, "sample %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, sample->free_ns,
			sample->offset_ns, sample->delay_ns, sample->dispersion_ns);
	append(writer, " %u %u %" PRIu32 " %" PRId64 " %" PRId64 " %" PRId64 " %u %u\n",
			sample->leap, sample->stratum, sample->refid, sample->root_delay_ns,
			sample->root_dispersion_ns, sample->reference_time.ns, sample->sent_by,
			sample->received_by);
}

size_t sample_dump_print(const struct sample_dump *dump, char text[SAMPLE_DUMP_TEXT_SIZE])
{
	struct writer writer = { .text = text };

	append(&writer, TITLE "boot %s\n", dump->boot);
	append(&writer, "clock %" PRId64 " %" PRId64 " %.17g\n", dump->local.ns, dump->free_ns,
			dump->frequency);
	for (unsigned i = 0; i < dump->count; i++)
		sample_print(&writer, &dump->samples[i]);
	append(&writer, "end %u\n", dump->count);
	return writer.length;
}

// What is left of the text, and whether all before was as it should be.
struct reader {
	const char *at;
	bool bad;
};

static void expect(struct reader *reader, const char *word)
{
	size_t length = strlen(word);

	if (reader->bad || strncmp(reader->at, word, length))
		reader->bad = true;
	else
		reader->at += length;
}

static bool begins(const struct reader *reader, const char *word)
{
	return !reader->bad && !strncmp(reader->at, word, strlen(word));
}

// A whole number behind one blank.
static int64_t take(struct reader *reader, int64_t least, int64_t most)
{
	int64_t number;
	char *end;

	expect(reader, " ");
	if (reader->bad)
		return least;
	errno = 0;
	number = strtoll(reader->at, &end, 10);
	if (errno || end == reader->at || strchr(" \t\r\n\v\f+", *reader->at) || number < least
			|| number > most) {
		reader->bad = true;
		return least;
	}
	reader->at = end;
	return number;
}

static double take_frequency(struct reader *reader)
{
	double number;
	char *end;

	expect(reader, " ");
	if (reader->bad)
		return 0;
	number = strtod(reader->at, &end);
	reader->bad = end == reader->at || !(fabs(number) <= FREQUENCY_MAX);
	reader->at = end;
	return reader->bad ? 0 : number;
}

static void take_boot(struct reader *reader, char boot[SAMPLE_DUMP_BOOT_SIZE])
{
	size_t length;

	expect(reader, "boot ");
	if (reader->bad)
		return;
	length = strcspn(reader->at, " \t\r\n\v\f");
	if (length >= SAMPLE_DUMP_BOOT_SIZE) {
		reader->bad = true;
		return;
	}
	memcpy(boot, reader->at, length);
	boot[length] = '\0';
	reader->at += length;
	expect(reader, "\n");
}

static struct sample take_sample(struct reader *reader)
{
	struct sample sample = { 0 };

	expect(reader, "sample");
	sample.free_ns = take(reader, -MOST_AWAY_NS, MOST_AWAY_NS);
	sample.offset_ns = take(reader, -MOST_NS, MOST_NS);
	sample.delay_ns = take(reader, 1, MOST_NS);
	sample.dispersion_ns = take(reader, 0, MOST_NS);
	sample.leap = (enum ntp_leap)take(reader, NTP_LEAP_NONE, NTP_LEAP_UNSYNCHRONISED);
	sample.stratum = (uint8_t)take(reader, 0, 16);
	sample.refid = (uint32_t)take(reader, 0, UINT32_MAX);
	sample.root_delay_ns = take(reader, 0, MOST_NS);
	sample.root_dispersion_ns = take(reader, 0, MOST_NS);
	sample.reference_time.ns = take(reader, INT64_MIN, INT64_MAX);
	sample.sent_by = (enum stamp_level)take(reader, STAMP_DAEMON, STAMP_HARDWARE);
	sample.received_by = (enum stamp_level)take(reader, STAMP_DAEMON, STAMP_HARDWARE);
	expect(reader, "\n");
	return sample;
}

int sample_dump_parse(const char *text, struct sample_dump *dump)
{
	struct reader reader = { .at = text };
	struct sample_dump read = { .count = 0 };

	expect(&reader, TITLE);
	take_boot(&reader, read.boot);
	expect(&reader, "clock");
	read.local.ns = take(&reader, INT64_MIN, INT64_MAX);
	read.free_ns = take(&reader, -MOST_AWAY_NS, MOST_AWAY_NS);
	read.frequency = take_frequency(&reader);
	expect(&reader, "\n");
	while (begins(&reader, "sample") && read.count < SAMPLE_DUMP_SAMPLES) {
		struct sample sample = take_sample(&reader);

		// In order of time, and none of them of the future.
		reader.bad |= sample.free_ns > read.free_ns
				|| (read.count > 0
						&& sample.free_ns < read.samples[read.count - 1]
										    .free_ns);
		read.samples[read.count++] = sample;
	}
	expect(&reader, "end");
	take(&reader, read.count, read.count);
	expect(&reader, "\n");
	if (reader.bad || *reader.at)
		return -EINVAL;
	*dump = read;
	return 0;
}

int sample_dump_rebase(struct sample_dump *dump, const char *boot, utc_t now)
{
	int64_t away_ns = utc_diff_ns(now, dump->local);
	int64_t free_away_ns;

	if (strcmp(boot, dump->boot) || away_ns < 0 || away_ns > MOST_AWAY_NS)
		return -ESTALE;
	// A double has not the nanoseconds of days.
	free_away_ns = llroundl(away_ns / (1 + (long double)dump->frequency));
	dump->free_ns += free_away_ns;
	for (unsigned i = 0; i < dump->count; i++) {
		// The new free time is 0 now, so that it is less, and true time is ahead of it by more.
		dump->samples[i].free_ns -= dump->free_ns;
		dump->samples[i].offset_ns += dump->free_ns;
	}
	dump->local = now;
	dump->free_ns = 0;
	return 0;
}

int sample_dump_read(const char *path, struct sample_dump *dump)
{
	char text[SAMPLE_DUMP_TEXT_SIZE];
	long length = text_file_read(path, text, sizeof(text));

	return length < 0 ? (int)length : sample_dump_parse(text, dump);
}

int sample_dump_write(const char *path, const struct sample_dump *dump)
{
	char text[SAMPLE_DUMP_TEXT_SIZE];
	size_t length = sample_dump_print(dump, text);

	return text_file_replace(path, text, length);
}
