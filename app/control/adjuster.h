// SPDX-License-Identifier: BSD-3-Clause
// Does to the clock what the discipline decides and tells it what became of that; and notices what
// others do to the clock. The control thread's.
#pragma once

#include "control/clock_watch.h"
#include "control/loop.h"
#include "control/publisher.h"
#include "sync/discipline.h"
#include "timing/local_clock.h"

struct adjuster {
	struct local_clock *clock;
	struct discipline *discipline;
	struct loop *loop;
	struct publisher *publisher; // NULL: nobody is served
	bool rtcsync;
	double log_change_s; // errors at least this large are said; 0: none

	struct timer timer;
	int64_t wake_free_ns; // INT64_MAX: nothing is to be done
	struct clock_watch watch;
	unsigned updates_seen;
	int last_error; // of the driver, said once
	bool gave_up;   // maxchange: the process is to end
	bool meddled;   // somebody else set the frequency, when last looked
};

// Fields up to `log_change_s` are filled. From now on jumps are looked for.
void adjuster_start(struct adjuster *adjuster);
void adjuster_perform(struct adjuster *adjuster, const struct discipline_command *command);
// After each wait, before anything that came meanwhile is looked at. Returns whether the clock
// jumped; the discipline has then been told, and every source is to be asked anew.
bool adjuster_look(struct adjuster *adjuster, struct clock_jump *jump);
// Whether somebody else sets the frequency; once in some seconds.
void adjuster_watch_others(struct adjuster *adjuster);
// Tells the kernel how good the clock is, from what we claim; some times a minute.
void adjuster_tell(struct adjuster *adjuster, const struct reference *reference, utc_t now);

// A moment of free time as one of the loop's: it runs as fast as the clock does now.
int64_t adjuster_due_ns(const struct adjuster *adjuster, int64_t wake_free_ns);
int64_t adjuster_free_ns(const struct adjuster *adjuster); // now
