// SPDX-License-Identifier: BSD-3-Clause
// The configuration as one plain struct, read from chrony.conf syntax. Text in, struct out: nothing
// here opens a device, resolves a name or logs; what the operator should hear is in `notices`.
#pragma once

#include "base/address.h"
#include "config/upstream.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_SERVE_ADDRESSES 16
#define CONFIG_LINE_SIZE       2048 // with the terminator; a longer line is an error
#define CONFIG_CORES           128
#define CONFIG_CORE_HIGHEST    1023
#define CONFIG_FOLLOW_STRATUM  2
#define CONFIG_CLIENTLOG_MIN   1024 // octets

enum config_clock {
	CONFIG_CLOCK_SYSTEM,
	CONFIG_CLOCK_FOLLOW,
};

enum config_pollmode {
	CONFIG_POLLMODE_BUSY,
	CONFIG_POLLMODE_ADAPTIVE,
};

enum config_hwtimestamp {
	CONFIG_HWTIMESTAMP_AUTO,
	CONFIG_HWTIMESTAMP_REQUIRE,
	CONFIG_HWTIMESTAMP_OFF,
};

// serve DEVICE address A/LEN [address A/LEN]... [vlan ID] [workers N] [hwtimestamp auto|require|off]
// serve net_af_xdpN,iface=INTERFACE shared [workers N] [hwtimestamp auto|require|off]
struct config_serve {
	char *device; // PCI address, DPDK vdev with its arguments, or "kernel", as written
	struct subnet addresses[CONFIG_SERVE_ADDRESSES];
	unsigned address_count;
	int vlan;         // 0..4094, -1 unless written: any
	unsigned workers; // queues of this port, 1 unless written; of AF_XDP all are taken
	bool shared;      // with the kernel, whose addresses it serves
	enum config_hwtimestamp hwtimestamp;
	char *where; // "file:line"
};

// allow/deny [all] [subnet|name]
struct config_access {
	bool allow;
	bool all;             // forgets every earlier rule inside the subnet
	struct subnet subnet; // masked; family NONE with no `host`: both families, /0
	char *host;           // name to be resolved at start, or NULL
	char *where;          // "file:line", for the message when `host` does not resolve
};

// local [stratum N] [distance S] [activate S] [orphan] [waitsynced S] [waitunsynced S]
struct config_local {
	bool enabled;
	bool orphan;
	unsigned stratum;    // 1..15, default 10
	double distance;     // seconds, default 1.0
	double activate;     // seconds, default 0.0
	double waitsynced;   // seconds, default 0.0 (300 with orphan)
	double waitunsynced; // seconds, default 0.0 (300 with orphan)
};

// ratelimit [interval N] [burst N] [leak N] [kod N] [ipv4mask /N] [ipv6mask /N]
struct config_ratelimit {
	bool enabled;
	int interval;       // seconds as log2, -19..12, default 3
	unsigned burst;     // 1..255, default 8
	unsigned leak;      // 1..4, default 2
	unsigned kod;       // 0..4, default 0: none
	unsigned ipv4_bits; // 1..32, default 32: who shares so many bits shares a limit
	unsigned ipv6_bits; // 1..128, default 128
	char *where;        // "file:line"
};

// cores [control N] [workers LIST]
struct config_cores {
	int control; // -1: choose
	unsigned workers[CONFIG_CORES];
	unsigned worker_count; // 0: choose
};

struct config {
	struct config_serve *serves;
	unsigned serve_count;
	struct config_cores cores;
	enum config_clock clock;
	unsigned follow_stratum; // clock follow [stratum N]
	struct config_local local;
	struct config_upstream upstream; // sources, discipline of the clock, logs and other files
	struct config_access *access;    // in the order written: later rules override earlier ones
	unsigned access_count;
	struct config_ratelimit ratelimit;
	uint64_t clientloglimit; // octets for all workers' clients, 0: so many a worker as is usual
	bool noclientlog;        // nothing is known of clients: no limit, no interleaved mode
	enum config_pollmode pollmode;
	char **ealargs;
	unsigned ealarg_count;
	char *pidfile;            // NULL: none (`pidfile /`)
	char *user;               // as written, or NULL
	double maxclockerror_ppm; // default 1.0
	double clockprecision_s;  // 0: measure
	unsigned port;            // default 123; 0: do not serve
	unsigned dscp;            // 0..63
	unsigned sched_priority;  // 0: leave alone, 1..99: SCHED_FIFO
	bool lock_all;

	char **lines; // every directive in effect, normalised, includes expanded: what -p prints
	unsigned line_count;
	char **notices; // "file:line: ..." warnings; each directive without effect once
	unsigned notice_count;
};

// Why reading stopped: one line for the operator, with file, line and the nearest valid word.
struct config_problem {
	char text[512];
};

// All defaults set. NULL when out of memory.
struct config *config_new(void);
void config_free(struct config *config); // NULL is fine
// Reads a file and what it includes. Returns 0, or -errno with `problem` filled: -EINVAL for a bad
// line, otherwise why a file could not be read.
int config_read_file(struct config *config, const char *path, struct config_problem *problem);
// Reads one line, as given on the command line. `number` is its place there, from 1.
int config_read_argument(struct config *config, const char *line, unsigned number,
		struct config_problem *problem);
// Checks what only the whole can show (say, two serve lines with one device).
int config_finish(struct config *config, struct config_problem *problem);
// Prints the lines in effect, as chronyd -p does.
void config_print(const struct config *config, FILE *stream);
