// SPDX-License-Identifier: BSD-3-Clause
// What outlives the process, the drift file and dumps of samples: whatever they hold, reading them ends,
// what is accepted is within bounds, and it is read as the same again once written.
#include "control/drift_file.h"
#include "control/sample_dump.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void try_drift(const char *text)
{
	struct drift drift, again;
	char printed[DRIFT_TEXT_SIZE];
	size_t length;

	if (drift_parse(text, &drift))
		return;
	require(fabs(drift.frequency) <= 0.5 && drift.skew > 0 && drift.skew <= 1);
	length = drift_print(&drift, printed);
	require(length == strlen(printed));
	require(drift_parse(printed, &again) == 0);
	// Six digits behind the point of a ppm are kept.
	require(fabs(again.frequency - drift.frequency) < 1e-12);
	require(fabs(again.skew - drift.skew) < 1e-12);
}

static void try_dump(const char *text)
{
	static struct sample_dump dump, again;
	static char printed[SAMPLE_DUMP_TEXT_SIZE], reprinted[SAMPLE_DUMP_TEXT_SIZE];
	char boot[SAMPLE_DUMP_BOOT_SIZE];
	size_t length;

	if (sample_dump_parse(text, &dump))
		return;
	require(dump.count <= SAMPLE_DUMP_SAMPLES);
	length = sample_dump_print(&dump, printed);
	require(length == strlen(printed));
	require(sample_dump_parse(printed, &again) == 0);
	sample_dump_print(&again, reprinted);
	require(strcmp(printed, reprinted) == 0);

	// No overflow, which the sanitizer would tell, and still in order and in the past.
	strcpy(boot, dump.boot);
	require(sample_dump_rebase(&dump, "another", dump.local) != 0 || !strcmp(boot, "another"));
	if (sample_dump_rebase(&dump, boot, utc_add(dump.local, INT64_C(1) << 57)))
		return;
	for (unsigned i = 0; i < dump.count; i++) {
		require(dump.samples[i].free_ns <= 0);
		require(i == 0 || dump.samples[i].free_ns >= dump.samples[i - 1].free_ns);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	try_drift(text);
	try_dump(text);
	free(text);
	return 0;
}
