// SPDX-License-Identifier: BSD-3-Clause
// What directives do beyond what their row in the table says. All have the contract of
// `struct directive`'s `read`.
#pragma once

#include "config/statement.h"

// directives_access.c
int allow_read(struct statement *statement);
int deny_read(struct statement *statement);
int command_access_read(struct statement *statement);  // cmdallow, cmddeny
int command_address_read(struct statement *statement); // bindcmdaddress
int ratelimit_read(struct statement *statement);
int noclientlog_read(struct statement *statement);

// directives_clock.c
int clock_read(struct statement *statement);
int local_read(struct statement *statement);
int tempcomp_read(struct statement *statement);

// directives_discipline.c
int bindacqaddress_read(struct statement *statement);
int driftfile_read(struct statement *statement);
int log_read(struct statement *statement);
int makestep_read(struct statement *statement);
int maxchange_read(struct statement *statement);
int rtcsync_read(struct statement *statement);

// directives_serve.c
int serve_read(struct statement *statement);
int cores_read(struct statement *statement);
int ealarg_read(struct statement *statement);
int lock_all_read(struct statement *statement);
int pidfile_read(struct statement *statement);

// directives_source.c
int source_read(struct statement *statement); // server, pool, peer

// lines.c
int include_read(struct statement *statement);
int confdir_read(struct statement *statement);
