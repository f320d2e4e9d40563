// SPDX-License-Identifier: BSD-3-Clause
// The command line.
#pragma once

#include "base/address.h"
#include "frame/host.h"
#include "timeball-bench/clients.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OPTIONS_RATES   64
#define OPTIONS_EALARGS 32

struct options {
	const char *device;
	struct address servers[FAMILIES]; // by family; ADDRESS_NONE where none was given

	struct subnet clients[FAMILIES];
	uint64_t count; // of clients, of each family; 0: choose
	struct address own[FAMILIES];
	struct address gateways[FAMILIES];
	bool has_mac;
	uint8_t mac[MAC_SIZE]; // the server's or the gateway's
	uint64_t vlan;
	uint64_t port;
	uint64_t version;

	double rates[OPTIONS_RATES];
	unsigned rate_count;
	double min_rate; // of a range, else 0
	double max_rate;
	double step;
	bool search;
	bool exponential;
	double duration_s;
	double warm_up_s;
	double timeout_s;
	uint64_t trials;
	double resolution; // shares, as all that is given in percent
	double loss;
	double interleaved;
	double ipv6; // below 0: half, or what there are servers for
	bool same_clock;
	double tolerance_us;
	bool takes_unsynchronised;

	uint64_t cpu;
	const char *ealargs[OPTIONS_EALARGS];
	unsigned ealarg_count;
	uint64_t seed; // 0: choose
	const char *json_path;
	const char *plot_path;
	bool ntpperf;
	double correction_us;
	bool has_correction;
	bool quiet;
	bool wants_usage;
	bool wants_version;
};

// Returns 0, or -EINVAL with one line for the operator. Strings point into `argv`.
int options_parse(int argc, char **argv, struct options *options, char *message, size_t size);
// Static text.
const char *options_usage(void);
