// SPDX-License-Identifier: BSD-3-Clause
// Of the configuration: whom we ask for the time, what is done to the clock, and what is written
// down of it. Names and meaning are those of chrony.conf(5).
#pragma once

#include "base/address.h"

#include <stdbool.h>

#define CONFIG_POOL_SOURCES     16  // at most of one pool
#define CONFIG_PRESEND_NEVER    25  // no poll is so long
#define CONFIG_ASYMMETRY_UNSAID 1.0 // outside -0.5..0.5

// server|pool HOST [options]
struct config_source {
	char *host; // name or address
	bool is_pool;
	bool ipv4, ipv6; // resolve to this family only; neither or both: to any
	unsigned port;
	unsigned maxsources;  // of a pool
	int minpoll, maxpoll; // log2 s; minpoll <= maxpoll
	int presend;          // log2 s
	unsigned polltarget;
	unsigned version;
	unsigned minstratum;
	unsigned maxunreach;
	unsigned filter; // samples to one, 0: no filter
	bool iburst, burst, xleave;
	// With a key or NTS `noselect` is set whatever the line says: authentication has no effect yet.
	bool prefer, noselect, trust, require;
	bool offline, auto_offline;
	bool copy;
	unsigned extfield, minsamples, maxsamples;             // have no effect
	double maxdelay;                                       // seconds, 0: no such test
	double maxdelayratio, maxdelaydevratio, maxdelayquant; // 0: no such test
	double mindelay;                                       // seconds
	double asymmetry;                                      // CONFIG_ASYMMETRY_UNSAID: estimate
	double offset;                                         // seconds
	unsigned key;                                          // 0: none
	bool nts;
	unsigned ntsport;
	unsigned certset;
	char *where; // "file:line"
};

// driftfile FILE [interval S]
struct config_driftfile {
	char *path;      // NULL: none
	double interval; // seconds between writes
};

// makestep THRESHOLD LIMIT
struct config_makestep {
	double threshold; // seconds
	int limit;        // during so many updates, 0: never, negative: always
};

// maxchange OFFSET START IGNORE
struct config_maxchange {
	bool enabled;
	double offset; // seconds
	int start;     // so many updates may be larger
	int ignore;    // so many of the others are ignored before we give up, negative: all
};

struct config_upstream {
	struct config_source *sources;
	unsigned source_count;
	unsigned refresh;                 // seconds until names are resolved again
	unsigned acquisitionport;         // 0: a random one for each request
	struct address bindacqaddress[2]; // IPv4, IPv6; family NONE: any
	char *bindacqdevice;              // NULL: any

	// Selection.
	double maxdistance;   // seconds
	double maxjitter;     // seconds
	double reselectdist;  // seconds
	double stratumweight; // seconds
	double combinelimit;
	unsigned minsources;
	unsigned minstratum, maxstratum;

	// The clock.
	struct config_makestep makestep;
	struct config_maxchange maxchange;
	double corrtimeratio;
	double maxdrift_ppm;
	double maxslewrate_ppm;
	double maxupdateskew_ppm;
	double maxservedistance; // seconds, our own: beyond it we do not serve
	double afterstep;        // seconds, our own: after a step we do not serve for so long
	bool rtcsync;
	struct config_driftfile driftfile;

	char *dumpdir; // NULL: none
	bool recall;   // what is in it is read: -r
	char *logdir;  // NULL: none
	bool log_measurements, log_selection, log_statistics, log_tracking;
	int logbanner;    // lines between banners, 0: none
	double logchange; // seconds
};
