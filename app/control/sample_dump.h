// SPDX-License-Identifier: BSD-3-Clause
// The last samples of a source as text, for `dumpdir` and -r: so that a short restart does not begin
// from nothing. They are in free time (sync/timeline.h), which ends with the process, so the dump also
// says how free time and the clock stood to each other; sample_dump_rebase() carries the samples over to
// another free time. Of use only for a clock that goes on while we do not: the kernel's, not that of -x,
// and not beyond a reboot.
#pragma once

#include "sync/sample.h"

#include <stddef.h>

#define SAMPLE_DUMP_SAMPLES   64
#define SAMPLE_DUMP_BOOT_SIZE 40 // of /proc/sys/kernel/random/boot_id, which is 36 characters
#define SAMPLE_DUMP_TEXT_SIZE (512 + SAMPLE_DUMP_SAMPLES * 256)

struct sample_dump {
	char boot[SAMPLE_DUMP_BOOT_SIZE]; // of the machine: no blanks
	// Of the timeline: the clock showed `local` at `free_ns`, and goes on 1 + `frequency` times as fast
	// when we have gone.
	utc_t local;
	int64_t free_ns;
	double frequency;
	unsigned count;
	struct sample samples[SAMPLE_DUMP_SAMPLES]; // oldest first
};

// The machine's. Returns 0 or -errno.
int sample_dump_boot(char boot[SAMPLE_DUMP_BOOT_SIZE]);
// Forgets the oldest when full.
void sample_dump_add(struct sample_dump *dump, const struct sample *sample);

// Pure. Returns the length.
size_t sample_dump_print(const struct sample_dump *dump, char text[SAMPLE_DUMP_TEXT_SIZE]);
// Pure. Returns 0, or -EINVAL for what is no dump of this version, torn, or beyond reason.
int sample_dump_parse(const char *text, struct sample_dump *dump);
// Pure. Puts the samples into the free time of a timeline that begins now, with `now` by the clock, which
// nobody has touched since the dump. Returns 0, or -ESTALE when `boot` is another, or the clock went back.
int sample_dump_rebase(struct sample_dump *dump, const char *boot, utc_t now);

// Returns 0 or -errno as above and as text_file_read(). Their stack takes SAMPLE_DUMP_TEXT_SIZE.
int sample_dump_read(const char *path, struct sample_dump *dump);
int sample_dump_write(const char *path, const struct sample_dump *dump);
