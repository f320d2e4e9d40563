// SPDX-License-Identifier: BSD-3-Clause
// What surrounds the work, whichever it is: log, background, signals, pidfile, word to the service
// manager.
#pragma once

#include "config/config.h"
#include "timeballd/notify.h"
#include "timeballd/options.h"
#include "timeballd/process.h"

// What is open while the process runs.
struct daemon;
// Opens, says daemon_ready(), runs, closes. Returns the exit status, or -errno with the problem filled.
typedef int daemon_work(struct daemon *daemon);

struct daemon {
	const struct options *options;
	struct config *config;
	daemon_work *work;
	struct detachment detachment;
	struct notify notify;
	char problem[768]; // one line for the operator
};

// Goes to the background unless told to stay, and does the work there. Returns the exit status.
int daemon_run(const struct options *options, struct config *config, daemon_work *work);
// To be called by the work: all is open, whoever waits for us may go on. Returns 0, or -errno with the
// problem filled.
int daemon_ready(struct daemon *daemon, const char *state);
