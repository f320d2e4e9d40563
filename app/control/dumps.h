// SPDX-License-Identifier: BSD-3-Clause
// What sources have measured, kept from one run to the next (`dumpdir`, -r): a file for each,
// DUMPDIR/ADDRESS.samples. The control thread's.
#pragma once

#include "control/member.h"
#include "control/sample_dump.h"

struct dumps_options {
	const char *folder; // NULL: nothing is kept
	bool recall;        // -r
};

struct dumps {
	struct dumps_options options;
	struct discipline *discipline;
	utc_t started;    // by the clock, when free time was 0
	double frequency; // that the clock had been given then
	bool software_clock; // -x: it is as the kernel's, untouched, when we come and when we have gone
	char boot[SAMPLE_DUMP_BOOT_SIZE];
	bool failed; // to write, said once
};

// Before anything is done to the clock.
void dumps_open(struct dumps *dumps, const struct dumps_options *options,
		const struct local_clock *clock, struct discipline *discipline);
// A source that is not asked yet is given its old samples, with -r. Its file is removed in any case: it will
// not be true any more when the clock has been steered.
void dumps_recall(struct dumps *dumps, const struct member *member);
// The source's last samples, if it has any. The clock is left as it is `now`.
void dumps_write(struct dumps *dumps, const struct member *member, utc_t now);
