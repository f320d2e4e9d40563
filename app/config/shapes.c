// SPDX-License-Identifier: BSD-3-Clause
#include "config/shapes.h"

#include "config/values.h"

#include <limits.h>

#define REAL_MAX 1e9 // where nothing else bounds a number

const struct value_type type_text = { .kind = VALUE_TEXT };
const struct value_type type_host = { .kind = VALUE_HOST };
const struct value_type type_address = { .kind = VALUE_ADDRESS };
const struct value_type type_boolean = { .kind = VALUE_UNSIGNED, .max = 1 };
const struct value_type type_port = { .kind = VALUE_UNSIGNED, .max = 65535 };
const struct value_type type_stratum = { .kind = VALUE_UNSIGNED, .min = 1, .max = 15 };
const struct value_type type_count = { .kind = VALUE_UNSIGNED, .max = INT_MAX };
const struct value_type type_integer = { .kind = VALUE_INTEGER, .min = INT_MIN, .max = INT_MAX };
const struct value_type type_real = { .kind = VALUE_REAL, .min = -REAL_MAX, .max = REAL_MAX };
const struct value_type type_seconds = { .kind = VALUE_REAL, .max = REAL_MAX };

static const struct value_type any_stratum = { .kind = VALUE_UNSIGNED, .max = 15 };
static const struct value_type asymmetry = { .kind = VALUE_REAL, .min = -0.5, .max = 0.5 };
static const struct value_type fraction = { .kind = VALUE_REAL, .max = 1 };
static const struct value_type identifier = { .kind = VALUE_UNSIGNED, .max = UINT_MAX };
static const struct value_type key = { .kind = VALUE_UNSIGNED, .min = 1, .max = UINT_MAX };
static const struct value_type maxsources = { .kind = VALUE_UNSIGNED, .min = 1, .max = 16 };
static const struct value_type poll = { .kind = VALUE_INTEGER, .min = -7, .max = 24 };
static const struct value_type any_poll = { .kind = VALUE_INTEGER, .min = -32, .max = 32 };
static const struct value_type version = { .kind = VALUE_UNSIGNED, .min = 1, .max = 4 };

static const struct value_type limit_interval = { .kind = VALUE_INTEGER, .min = -19, .max = 12 };
static const struct value_type limit_burst = { .kind = VALUE_UNSIGNED, .min = 1, .max = 255 };
static const struct value_type limit_leak = { .kind = VALUE_UNSIGNED, .min = 1, .max = 4 };
static const struct value_type limit_kod = { .kind = VALUE_UNSIGNED, .max = 4 };

static const char *const extfields[] = { "F323", "10A", "F324", NULL };
static const struct value_type extfield = { .kind = VALUE_CHOICE, .choices = extfields };

static const char *const rxfilters[] = { "all", "none", "ntp", "ptp", NULL };
static const struct value_type rxfilter = { .kind = VALUE_CHOICE, .choices = rxfilters };

const struct option options_hwtimestamp[] = {
	{ .name = "maxpoll", .type = &any_poll },
	{ .name = "maxsamples", .type = &type_count },
	{ .name = "minpoll", .type = &any_poll },
	{ .name = "minsamples", .type = &type_count },
	{ .name = "nocrossts" },
	{ .name = "precision", .type = &type_seconds },
	{ .name = "rxcomp", .type = &type_real },
	{ .name = "rxfilter", .type = &rxfilter },
	{ .name = "txcomp", .type = &type_real },
	{ 0 },
};

// The slash before the length may be left out.
static int prefix_read(const struct statement *statement, const char *word, unsigned max,
		const char *what, unsigned *bits)
{
	int64_t number;

	if (value_parse_integer(word + (*word == '/'), 1, max, &number))
		return statement_refuse(statement,
				"%s \"%.64s\" is not the length of a prefix, /1 to /%u", what, word,
				max);
	*bits = (unsigned)number;
	return 0;
}

static int ipv4mask_read(const struct statement *statement, const char *word, void *target)
{
	struct config_ratelimit *limit = target;

	return prefix_read(statement, word, 32, "ipv4mask", &limit->ipv4_bits);
}

static int ipv6mask_read(const struct statement *statement, const char *word, void *target)
{
	struct config_ratelimit *limit = target;

	return prefix_read(statement, word, 128, "ipv6mask", &limit->ipv6_bits);
}

const struct option options_ratelimit[] = {
	{ .name = "burst",
			.type = &limit_burst,
			.offset = offsetof(struct config_ratelimit, burst) },
	{ .name = "interval",
			.type = &limit_interval,
			.offset = offsetof(struct config_ratelimit, interval) },
	{ .name = "ipv4mask", .read = ipv4mask_read },
	{ .name = "ipv6mask", .read = ipv6mask_read },
	{ .name = "kod", .type = &limit_kod, .offset = offsetof(struct config_ratelimit, kod) },
	{ .name = "leak", .type = &limit_leak, .offset = offsetof(struct config_ratelimit, leak) },
	{ 0 },
};

const struct option options_service_ratelimit[] = {
	{ .name = "burst", .type = &limit_burst },
	{ .name = "interval", .type = &limit_interval },
	{ .name = "leak", .type = &limit_leak },
	{ 0 },
};

const struct option options_refclock[] = {
	{ .name = "delay", .type = &type_seconds },
	{ .name = "dpoll", .type = &any_poll },
	{ .name = "filter", .type = &type_count },
	{ .name = "local" },
	{ .name = "lock", .type = &type_text },
	{ .name = "maxdispersion", .type = &type_seconds },
	{ .name = "maxlockage", .type = &type_count },
	{ .name = "maxsamples", .type = &type_count },
	{ .name = "maxunreach", .type = &type_count },
	{ .name = "minsamples", .type = &type_count },
	{ .name = "noselect" },
	{ .name = "offset", .type = &type_real },
	{ .name = "poll", .type = &any_poll },
	{ .name = "pps" },
	{ .name = "precision", .type = &type_seconds },
	{ .name = "prefer" },
	{ .name = "rate", .type = &type_count },
	{ .name = "refid", .type = &type_text },
	{ .name = "require" },
	{ .name = "stratum", .type = &any_stratum },
	{ .name = "tai" },
	{ .name = "trust" },
	{ .name = "width", .type = &type_seconds },
	{ 0 },
};

const struct option options_smoothtime[] = {
	{ .name = "leaponly" },
	{ 0 },
};

#define SOURCE(member) offsetof(struct config_source, member)

const struct option options_source[] = {
	{ .name = "asymmetry", .type = &asymmetry, .offset = SOURCE(asymmetry) },
	{ .name = "auto_offline", .offset = SOURCE(auto_offline) },
	{ .name = "burst", .offset = SOURCE(burst) },
	{ .name = "certset", .type = &identifier, .offset = SOURCE(certset) },
	{ .name = "copy", .offset = SOURCE(copy) },
	{ .name = "extfield", .type = &extfield, .offset = SOURCE(extfield) },
	{ .name = "filter", .type = &type_count, .offset = SOURCE(filter) },
	{ .name = "iburst", .offset = SOURCE(iburst) },
	{ .name = "ipv4", .offset = SOURCE(ipv4) },
	{ .name = "ipv6", .offset = SOURCE(ipv6) },
	{ .name = "key", .type = &key, .offset = SOURCE(key) },
	{ .name = "maxdelay", .type = &type_seconds, .offset = SOURCE(maxdelay) },
	{ .name = "maxdelaydevratio", .type = &type_seconds, .offset = SOURCE(maxdelaydevratio) },
	{ .name = "maxdelayquant", .type = &fraction, .offset = SOURCE(maxdelayquant) },
	{ .name = "maxdelayratio", .type = &type_seconds, .offset = SOURCE(maxdelayratio) },
	{ .name = "maxpoll", .type = &poll, .offset = SOURCE(maxpoll) },
	{ .name = "maxsamples", .type = &type_count, .offset = SOURCE(maxsamples) },
	{ .name = "maxsources", .type = &maxsources, .offset = SOURCE(maxsources) }, // of pool
	{ .name = "maxunreach", .type = &type_count, .offset = SOURCE(maxunreach) },
	{ .name = "mindelay", .type = &type_seconds, .offset = SOURCE(mindelay) },
	{ .name = "minpoll", .type = &poll, .offset = SOURCE(minpoll) },
	{ .name = "minsamples", .type = &type_count, .offset = SOURCE(minsamples) },
	{ .name = "minstratum", .type = &any_stratum, .offset = SOURCE(minstratum) },
	{ .name = "noselect", .offset = SOURCE(noselect) },
	{ .name = "nts", .offset = SOURCE(nts) },
	{ .name = "ntsport", .type = &type_port, .offset = SOURCE(ntsport) },
	{ .name = "offline", .offset = SOURCE(offline) },
	{ .name = "offset", .type = &type_real, .offset = SOURCE(offset) },
	{ .name = "polltarget", .type = &type_count, .offset = SOURCE(polltarget) },
	{ .name = "port", .type = &type_port, .offset = SOURCE(port) },
	{ .name = "prefer", .offset = SOURCE(prefer) },
	{ .name = "presend", .type = &poll, .offset = SOURCE(presend) },
	{ .name = "require", .offset = SOURCE(require) },
	{ .name = "trust", .offset = SOURCE(trust) },
	{ .name = "version", .type = &version, .offset = SOURCE(version) },
	{ .name = "xleave", .offset = SOURCE(xleave) },
	{ 0 },
};
