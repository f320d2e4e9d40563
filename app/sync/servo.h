// SPDX-License-Identifier: BSD-3-Clause
// From what is believed of the clock to what is done to it: steps, frequency, slews. Pure; the
// control thread's. Directives named in the options keep chrony's meaning.
#pragma once

#include "sync/estimator.h"
#include "sync/timeline.h"

#define SERVO_MAX_FREQUENCY 0.1 // what clock_adjtime() can do on Linux: tick and frequency together

struct servo_options {
	double makestep_threshold_s; // 0: never step
	int makestep_limit;          // updates during which steps are allowed, negative: always
	double max_change_s;         // maxchange: 0: no limit
	int max_change_start;        // updates before the limit holds
	int max_change_ignore; // updates over the limit that are ignored before giving up; negative: all
	double max_slew_rate;         // fraction, 0.083333: on top of the frequency
	double correction_time_ratio; // 0: not set, errors found are removed at once
	double max_update_skew;       // fraction: the frequency is not taken from a worse estimate
	double max_drift;             // fraction: no frequency beyond
};

enum servo_verdict {
	SERVO_NOTHING, // the clock is left as it is
	SERVO_ADJUST,
	SERVO_REFUSED, // a change over maxchange, ignored
	SERVO_GIVE_UP, // one too many: the daemon should end (chronyd: exits)
};

// What is to be done to the clock, in this order. Without SERVO_ADJUST only the wake-up counts.
struct servo_command {
	enum servo_verdict verdict;
	int64_t step_ns;      // 0: none; positive: forward
	double frequency;     // of the clock against free time from now on, slew included
	int64_t wake_free_ns; // when servo_continue() wants to be called, INT64_MAX: not at all
};

struct servo {
	struct servo_options options;
	int updates;
	int refused;
	double base_frequency;  // without slew
	int64_t target_free_ns; // when the slew under way has done its work, INT64_MAX: none is
	int64_t last_offset_ns; // UTC less the clock found at the last update, for reports
	bool frequency_known;

	// UTC as it was found: free_ns + believed_offset_ns at believed_free_ns, then at base_frequency.
	int64_t believed_free_ns;
	int64_t believed_offset_ns;
	int64_t tolerated_ns; // an error left by a slew that is not worth another
};

void servo_init(struct servo *servo, const struct servo_options *options, double frequency);
// A new estimate, of UTC against free time at `free_ns` (now).
struct servo_command servo_update(struct servo *servo, const struct timeline *timeline,
		const struct estimate *estimate, int64_t free_ns);
// The end of a slew, or of one of its stages.
struct servo_command servo_continue(
		struct servo *servo, const struct timeline *timeline, int64_t free_ns);
// Nothing is known of the clock any more, or nobody will be there to end a slew: it ends now.
struct servo_command servo_stop(struct servo *servo, const struct timeline *timeline);
