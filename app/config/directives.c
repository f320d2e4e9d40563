// SPDX-License-Identifier: BSD-3-Clause
#include "config/directives.h"

#include "config/readers.h"
#include "config/shapes.h"
#include "config/suggest.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>

#define ANY UINT_MAX // number of words

#define NO_WINDOW  "the estimate has no window of samples to bound"
#define KERNEL_RTC "the kernel keeps the real-time clock (rtcsync)"

static const char *const authselectmodes[] = { "ignore", "mix", "prefer", "require", NULL };
static const char *const leapsecmodes[] = { "ignore", "slew", "step", "system", NULL };
static const char *const pollmodes[] = {
	[CONFIG_POLLMODE_BUSY] = "busy",
	[CONFIG_POLLMODE_ADAPTIVE] = "adaptive",
	NULL,
};
static const char *const refclocks[] = { "PHC", "PPS", "RTC", "SHM", "SOCK", NULL };

static const struct value_type authselectmode = { .kind = VALUE_CHOICE,
	.choices = authselectmodes };
static const struct value_type banner = { .kind = VALUE_INTEGER, .max = INT_MAX };
static const struct value_type clientlog = {
	.kind = VALUE_SIZE, .min = CONFIG_CLIENTLOG_MIN, .max = 1e14
};
static const struct value_type dscp = { .kind = VALUE_UNSIGNED, .max = 63 };
static const struct value_type leapsecmode = { .kind = VALUE_CHOICE, .choices = leapsecmodes };
static const struct value_type pollmode = { .kind = VALUE_CHOICE, .choices = pollmodes };
static const struct value_type precision = { .kind = VALUE_REAL, .max = 1 };
static const struct value_type priority = { .kind = VALUE_UNSIGNED, .max = 100 };
static const struct value_type ptpdomain = { .kind = VALUE_UNSIGNED, .max = 255 };
static const struct value_type refclock = { .kind = VALUE_CHOICE, .choices = refclocks };

// In alphabetical order; chrony's directives as of its version 4.8 and after, and our own.
static const struct directive directives[] = {
	{ "acquisitionport", EFFECT_NOW, 1, 1, .types = { &type_port },
			.offset = offsetof(struct config, upstream.acquisitionport) },
	{ "afterstep", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.afterstep) },
	{ "allow", EFFECT_NOW, 0, 2, .read = allow_read },
	{ "authselectmode", EFFECT_LATER, 1, 1, .types = { &authselectmode } },
	{ "bindacqaddress", EFFECT_NOW, 1, 1, .read = bindacqaddress_read },
	{ "bindacqdevice", EFFECT_NOW, 1, 1, .types = { &type_text },
			.offset = offsetof(struct config, upstream.bindacqdevice) },
	{ "bindaddress", EFFECT_LATER, 1, 1, .types = { &type_address } },
	{ "bindcmdaddress", EFFECT_LATER, 1, 1, .read = command_address_read },
	{ "bindcmddevice", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "binddevice", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "broadcast", EFFECT_NEVER, 2, 3, .types = { &type_count, &type_address, &type_port },
			.reason = "broadcast mode is not served: its clients cannot measure the delay" },
	{ "clientloglimit", EFFECT_NOW, 1, 1, .types = { &clientlog },
			.offset = offsetof(struct config, clientloglimit) },
	{ "clock", EFFECT_NOW, 1, 3, .read = clock_read },
	{ "clockprecision", EFFECT_NOW, 1, 1, .types = { &precision },
			.offset = offsetof(struct config, clockprecision_s) },
	{ "cmdallow", EFFECT_LATER, 0, 2, .read = command_access_read },
	{ "cmddeny", EFFECT_LATER, 0, 2, .read = command_access_read },
	{ "cmdport", EFFECT_LATER, 1, 1, .types = { &type_port } },
	{ "cmdratelimit", EFFECT_LATER, 0, ANY, .options = options_service_ratelimit },
	{ "combinelimit", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.combinelimit) },
	{ "commandkey", EFFECT_OBSOLETE, .max_words = ANY },
	{ "confdir", EFFECT_INCLUDE, 1, 10, .types = { &type_text }, .read = confdir_read },
	{ "cores", EFFECT_NOW, 2, 4, .read = cores_read },
	{ "corrtimeratio", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.corrtimeratio) },
	{ "deny", EFFECT_NOW, 0, 2, .read = deny_read },
	{ "driftfile", EFFECT_NOW, 1, 3, .read = driftfile_read },
	{ "dscp", EFFECT_NOW, 1, 1, .types = { &dscp }, .offset = offsetof(struct config, dscp) },
	{ "dumpdir", EFFECT_NOW, 1, 1, .types = { &type_text },
			.offset = offsetof(struct config, upstream.dumpdir) },
	{ "dumponexit", EFFECT_NEVER, .max_words = ANY },
	{ "ealarg", EFFECT_NOW, 1, ANY, .types = { &type_text }, .read = ealarg_read },
	{ "fallbackdrift", EFFECT_LATER, 2, 2, .types = { &type_integer, &type_integer } },
	{ "generatecommandkey", EFFECT_OBSOLETE, .max_words = ANY },
	{ "hwclockfile", EFFECT_NEVER, 1, 1, .types = { &type_text }, .reason = KERNEL_RTC },
	{ "hwtimestamp", EFFECT_LATER, 1, ANY, .types = { &type_text },
			.options = options_hwtimestamp },
	{ "hwtstimeout", EFFECT_LATER, 1, 1, .types = { &type_seconds } },
	{ "include", EFFECT_INCLUDE, 1, 1, .types = { &type_text }, .read = include_read },
	{ "initstepslew", EFFECT_NEVER, 1, ANY, .types = { &type_seconds, &type_host },
			.reason = "makestep does the same" },
	{ "keyfile", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "leapseclist", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "leapsecmode", EFFECT_LATER, 1, 1, .types = { &leapsecmode } },
	{ "leapsectz", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "linux_freq_scale", EFFECT_OBSOLETE, .max_words = ANY },
	{ "linux_hz", EFFECT_OBSOLETE, .max_words = ANY },
	{ "local", EFFECT_NOW, 0, ANY, .read = local_read },
	{ "lock_all", EFFECT_NOW, 0, 0, .read = lock_all_read },
	{ "log", EFFECT_NOW, 1, ANY, .read = log_read },
	{ "logbanner", EFFECT_NOW, 1, 1, .types = { &banner },
			.offset = offsetof(struct config, upstream.logbanner) },
	{ "logchange", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.logchange) },
	{ "logdir", EFFECT_NOW, 1, 1, .types = { &type_text },
			.offset = offsetof(struct config, upstream.logdir) },
	{ "mailonchange", EFFECT_NEVER, 2, 2, .types = { &type_text, &type_seconds },
			.reason = "no mail is sent: the log says when the clock was changed" },
	{ "makestep", EFFECT_NOW, 2, 2, .read = makestep_read },
	{ "manual", EFFECT_LATER, .max_words = 0 },
	{ "maxchange", EFFECT_NOW, 3, 3, .read = maxchange_read },
	{ "maxclockerror", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, maxclockerror_ppm) },
	{ "maxdistance", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.maxdistance) },
	{ "maxdrift", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.maxdrift_ppm) },
	{ "maxjitter", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.maxjitter) },
	{ "maxntsconnections", EFFECT_LATER, 1, 1, .types = { &type_count } },
	{ "maxsamples", EFFECT_NEVER, 1, 1, .types = { &type_count }, .reason = NO_WINDOW },
	{ "maxservedistance", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.maxservedistance) },
	{ "maxslewrate", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.maxslewrate_ppm) },
	{ "maxstratum", EFFECT_NOW, 1, 1, .types = { &type_count },
			.offset = offsetof(struct config, upstream.maxstratum) },
	{ "maxtxbuffers", EFFECT_NEVER, 1, 1, .types = { &type_count },
			.reason = "it works around a limit of kernel sockets" },
	{ "maxupdateskew", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.maxupdateskew_ppm) },
	{ "minsamples", EFFECT_NEVER, 1, 1, .types = { &type_count }, .reason = NO_WINDOW },
	{ "minsources", EFFECT_NOW, 1, 1, .types = { &type_count },
			.offset = offsetof(struct config, upstream.minsources) },
	{ "minstratum", EFFECT_NOW, 1, 1, .types = { &type_count },
			.offset = offsetof(struct config, upstream.minstratum) },
	{ "nocerttimecheck", EFFECT_LATER, 1, 1, .types = { &type_integer } },
	{ "noclientlog", EFFECT_NOW, 0, 0, .read = noclientlog_read },
	{ "nosystemcert", EFFECT_LATER, .max_words = 0 },
	{ "ntpsigndsocket", EFFECT_NEVER, 1, 1, .types = { &type_text },
			.reason = "Samba's signatures (MS-SNTP) are not supported" },
	{ "ntsaeads", EFFECT_LATER, 1, ANY, .types = { &type_port } },
	{ "ntscachedir", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "ntsdumpdir", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "ntsntpserver", EFFECT_LATER, 1, 1, .types = { &type_host } },
	{ "ntsport", EFFECT_LATER, 1, 1, .types = { &type_port } },
	{ "ntsprocesses", EFFECT_LATER, 1, 1, .types = { &type_count } },
	{ "ntsratelimit", EFFECT_LATER, 0, ANY, .options = options_service_ratelimit },
	{ "ntsrefresh", EFFECT_LATER, 1, 1, .types = { &type_count } },
	{ "ntsrotate", EFFECT_LATER, 1, 1, .types = { &type_count } },
	{ "ntsservercert", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "ntsserverkey", EFFECT_LATER, 1, 1, .types = { &type_text } },
	{ "ntstrustedcerts", EFFECT_LATER, 1, 2, .types = { &type_text } },
	{ "opencommands", EFFECT_LATER, 0, ANY, .types = { &type_text } },
	{ "peer", EFFECT_NEVER, 1, ANY, .read = source_read,
			.reason = "symmetric mode is not supported: use \"server\" on both sides" },
	{ "pidfile", EFFECT_NOW, 1, 1, .types = { &type_text },
			.offset = offsetof(struct config, pidfile), .read = pidfile_read },
	{ "pollmode", EFFECT_NOW, 1, 1, .types = { &pollmode },
			.offset = offsetof(struct config, pollmode) },
	{ "pool", EFFECT_NOW, 1, ANY, .read = source_read },
	{ "port", EFFECT_NOW, 1, 1, .types = { &type_port },
			.offset = offsetof(struct config, port) },
	{ "ptpdomain", EFFECT_LATER, 1, 1, .types = { &ptpdomain } },
	{ "ptpport", EFFECT_LATER, 1, 1, .types = { &type_port } },
	{ "ratelimit", EFFECT_NOW, 0, ANY, .read = ratelimit_read },
	{ "refclock", EFFECT_LATER, 2, ANY, .types = { &refclock, &type_text },
			.options = options_refclock },
	{ "refresh", EFFECT_NOW, 1, 1, .types = { &type_count },
			.offset = offsetof(struct config, upstream.refresh) },
	{ "reselectdist", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.reselectdist) },
	{ "rtcautotrim", EFFECT_NEVER, 1, 1, .types = { &type_seconds }, .reason = KERNEL_RTC },
	{ "rtcdevice", EFFECT_NEVER, 1, 1, .types = { &type_text }, .reason = KERNEL_RTC },
	{ "rtcfile", EFFECT_NEVER, 1, 1, .types = { &type_text }, .reason = KERNEL_RTC },
	{ "rtconutc", EFFECT_NEVER, 0, 0, .reason = KERNEL_RTC },
	{ "rtcsync", EFFECT_NOW, 0, 0, .read = rtcsync_read },
	{ "sched_priority", EFFECT_NOW, 1, 1, .types = { &priority },
			.offset = offsetof(struct config, sched_priority) },
	{ "serve", EFFECT_NOW, 1, ANY, .read = serve_read },
	{ "server", EFFECT_NOW, 1, ANY, .read = source_read },
	{ "smoothtime", EFFECT_LATER, 2, 3, .types = { &type_seconds, &type_seconds },
			.options = options_smoothtime },
	{ "sourcedir", EFFECT_LATER, 1, 10, .types = { &type_text } },
	{ "stratumweight", EFFECT_NOW, 1, 1, .types = { &type_seconds },
			.offset = offsetof(struct config, upstream.stratumweight) },
	{ "tempcomp", EFFECT_LATER, 3, 6, .types = { &type_text, &type_seconds, &type_text },
			.read = tempcomp_read },
	{ "user", EFFECT_LATER, 1, 1, .types = { &type_text },
			.offset = offsetof(struct config, user) },
};

const struct directive *directive_at(unsigned index)
{
	return index < sizeof(directives) / sizeof(*directives) ? &directives[index] : NULL;
}

static void directive_suggest(const struct statement *statement, const char *name)
{
	struct suggestion suggestion = suggestion_for(name);
	char lead[96], nearest[SUGGESTION_TEXT_SIZE];

	for (unsigned i = 0; directive_at(i); i++)
		suggestion_consider(&suggestion, directive_at(i)->name);
	snprintf(lead, sizeof(lead), "Invalid directive %.64s", name);
	statement_fail(statement, lead, suggestion_print(&suggestion, nearest));
}

const struct directive *directive_find(const struct statement *statement, const char *name)
{
	for (unsigned i = 0; directive_at(i); i++)
		if (!strcasecmp(directive_at(i)->name, name))
			return directive_at(i);
	directive_suggest(statement, name);
	return NULL;
}

static int word_count_check(const struct statement *statement)
{
	const struct directive *directive = statement->directive;
	const char *fault = statement->word_count < directive->min_words ? "Missing" : "Too many";
	char lead[96];

	if (statement->word_count >= directive->min_words
			&& statement->word_count <= directive->max_words)
		return 0;
	snprintf(lead, sizeof(lead), "%s arguments for %s directive", fault, directive->name);
	return statement_fail(statement, lead, "");
}

static int words_check(const struct statement *statement)
{
	const struct directive *directive = statement->directive;
	const struct value_type *const *type = directive->types;
	unsigned index = 0;
	int error = 0;

	while (*type && index < statement->word_count && !error) {
		void *place = index == 0 && directive->offset
				? (char *)statement->config + directive->offset
				: NULL;

		error = argument_read(statement, directive->name, statement->words[index++], *type,
				place);
		if (type[1] || directive->options)
			type++;
	}
	if (!error && directive->options)
		error = options_read(statement, index, directive->options, NULL);
	return error;
}

static int effect_tell(const struct statement *statement)
{
	const struct directive *directive = statement->directive;

	switch (directive->effect) {
	case EFFECT_NOW:
	case EFFECT_INCLUDE:
		return 0;
	case EFFECT_LATER:
		return statement_notice(statement, ": accepted, %s",
				directive->reason ? directive->reason : "has no effect yet");
	case EFFECT_NEVER:
		return directive->reason ? statement_notice(
				       statement, ": accepted, ignored: %s", directive->reason)
					 : 0;
	case EFFECT_OBSOLETE:
		return statement_notice(statement, " directive is no longer supported");
	}
	return -EINVAL;
}

int directive_read(struct statement *statement)
{
	int error = word_count_check(statement);

	if (!error)
		error = words_check(statement);
	if (!error && statement->directive->read)
		error = statement->directive->read(statement);
	if (error == DIRECTIVE_TOLD)
		return 0;
	return error ? error : effect_tell(statement);
}
