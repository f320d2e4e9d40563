// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/discipline_setup.h"

#include "base/log.h"
#include "control/refid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PPM           1e-6
#define READINGS      100 // of the clock, to see what it can tell apart
#define PRECISION_MAX 1e-3

// The least that lies between two readings that differ: the clock's step, or how long a reading takes.
static double measure_precision_s(const struct local_clock *clock)
{
	int64_t least_ns = NS_PER_S;

	for (int i = 0; i < READINGS; i++) {
		utc_t first = clock->driver->now(clock);
		int64_t passed_ns;

		do
			passed_ns = utc_diff_ns(clock->driver->now(clock), first);
		while (passed_ns == 0);
		if (passed_ns > 0 && passed_ns < least_ns)
			least_ns = passed_ns;
	}
	return least_ns == NS_PER_S ? PRECISION_MAX : (double)least_ns / NS_PER_S;
}

static struct selection_options selection_options(const struct config_upstream *upstream)
{
	return (struct selection_options){
		.max_distance_s = upstream->maxdistance,
		.max_jitter_s = upstream->maxjitter,
		.reselect_distance_s = upstream->reselectdist,
		.stratum_weight_s = upstream->stratumweight,
		.combine_limit = upstream->combinelimit,
		.min_sources = upstream->minsources,
		.max_stratum = upstream->maxstratum,
	};
}

static struct servo_options servo_options(const struct config_upstream *upstream)
{
	const struct config_maxchange *change = &upstream->maxchange;

	return (struct servo_options){
		.makestep_threshold_s = upstream->makestep.threshold,
		.makestep_limit = upstream->makestep.limit,
		.max_change_s = change->enabled ? change->offset : 0,
		.max_change_start = change->start,
		.max_change_ignore = change->ignore,
		.max_slew_rate = upstream->maxslewrate_ppm * PPM,
		.correction_time_ratio = upstream->corrtimeratio,
		.max_update_skew = upstream->maxupdateskew_ppm * PPM,
		.max_drift = upstream->maxdrift_ppm * PPM,
	};
}

static struct reference_options reference_options(const struct config *config)
{
	const struct config_local *local = &config->local;

	return (struct reference_options){
		.local = {
			.enabled = local->enabled,
			.stratum = (uint8_t)local->stratum,
			.distance = local->distance,
			.activate = local->activate,
			.waitsynced = local->waitsynced,
			.waitunsynced = local->waitunsynced,
			.orphan = local->orphan,
		},
		.follow_stratum = (uint8_t)config->follow_stratum,
		.max_clock_error_ppb = (int64_t)(config->maxclockerror_ppm * 1000),
	};
}

static struct association_options association_options(
		const struct config_upstream *upstream, const struct config_source *source)
{
	unsigned minstratum = source->minstratum;

	if (minstratum < upstream->minstratum)
		minstratum = upstream->minstratum;
	return (struct association_options){
		.minpoll = source->minpoll,
		.maxpoll = source->maxpoll,
		.iburst = source->iburst,
		.burst = source->burst,
		.xleave = source->xleave,
		.version = (uint8_t)source->version,
		.minstratum = (uint8_t)minstratum,
		.polltarget = source->polltarget,
		.presend = source->presend,
		.maxunreach = source->maxunreach,
		.maxdelay = source->maxdelay,
		.maxdelayratio = source->maxdelayratio,
		.maxdelaydevratio = source->maxdelaydevratio,
		.maxdelayquant = source->maxdelayquant,
		.mindelay = source->mindelay,
		.asymmetry = source->asymmetry == CONFIG_ASYMMETRY_UNSAID ? 0 : source->asymmetry,
		.offset = source->offset,
	};
}

static enum address_family family_of(const struct config_source *source, enum address_family asked)
{
	if (asked != ADDRESS_NONE || source->ipv4 == source->ipv6)
		return asked;
	return source->ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
}

static struct source_spec spec_of(const struct config_upstream *upstream,
		const struct config_source *source, enum address_family family)
{
	return (struct source_spec){
		.name = source->host,
		.port = (uint16_t)source->port,
		.is_pool = source->is_pool,
		.max_members = source->maxsources,
		.family = family_of(source, family),
		.options = {
			.association = association_options(upstream, source),
			.prefer = source->prefer,
			.trust = source->trust,
			.require = source->require,
			.noselect = source->noselect,
		},
	};
}

static struct upstream_options upstream_options(const struct config *config)
{
	const struct config_upstream *upstream = &config->upstream;

	return (struct upstream_options){
		.local_port = (uint16_t)upstream->acquisitionport,
		.bind = { upstream->bindacqaddress[0], upstream->bindacqaddress[1] },
		.bind_device = upstream->bindacqdevice,
		.dscp = config->dscp,
	};
}

// Whoever follows one of the addresses we serve at follows us.
static void list_own_refids(struct discipline_setup *setup, const struct config *config)
{
	unsigned count = 0;

	for (unsigned i = 0; i < config->serve_count; i++) {
		const struct config_serve *serve = &config->serves[i];

		for (unsigned j = 0; j < serve->address_count && count < DISCIPLINE_OWN_REFIDS; j++)
			setup->own_refids[count++] = refid_of_address(&serve->addresses[j].address);
	}
	setup->control.own_refids = setup->own_refids;
	setup->control.own_refid_count = count;
}

static struct records_options records_options(const struct config_upstream *upstream)
{
	return (struct records_options){
		.drift = {
			.path = upstream->driftfile.path,
			.interval_s = upstream->driftfile.interval,
		},
		.log_folder = upstream->logdir,
		.log_banner = (unsigned)upstream->logbanner,
		.logs_wanted = {
			[LOG_FILE_MEASUREMENTS] = upstream->log_measurements,
			[LOG_FILE_SELECTION] = upstream->log_selection,
			[LOG_FILE_STATISTICS] = upstream->log_statistics,
			[LOG_FILE_TRACKING] = upstream->log_tracking,
		},
	};
}

static void read_drift(struct discipline_options *options, const char *path)
{
	struct drift drift;
	int error = path ? drift_file_read(path, &drift) : -ENOENT;

	if (error == 0) {
		options->initial_frequency = drift.frequency;
		options->initial_skew = drift.skew;
		log_info("%s: frequency %.3f ppm, skew %.3f ppm", path, drift.frequency * 1e6,
				drift.skew * 1e6);
	} else if (error != -ENOENT) {
		log_warn("%s: %s", path, strerror(-error));
	}
}

int discipline_setup_make(struct discipline_setup *setup, const struct config *config,
		enum address_family family, const struct local_clock *clock)
{
	const struct config_upstream *upstream = &config->upstream;

	*setup = (struct discipline_setup){
		.specs = calloc(upstream->source_count + 1, sizeof(*setup->specs)),
	};
	if (!setup->specs)
		return -ENOMEM;
	for (unsigned i = 0; i < upstream->source_count; i++)
		setup->specs[i] = spec_of(upstream, &upstream->sources[i], family);
	setup->control = (struct control_discipline){
		.options = {
			.selection = selection_options(upstream),
			.servo = servo_options(upstream),
			.reference = reference_options(config),
			.precision_s = config->clockprecision_s > 0 ? config->clockprecision_s
								    : measure_precision_s(clock),
			.max_serve_distance_s = upstream->maxservedistance,
			.after_step_s = upstream->afterstep,
		},
		.sources = {
			.specs = setup->specs,
			.spec_count = upstream->source_count,
			.upstream = upstream_options(config),
			.refresh_s = upstream->refresh,
		},
		.records = records_options(upstream),
		.dumps = { .folder = upstream->dumpdir, .recall = upstream->recall },
		.rtcsync = upstream->rtcsync,
		.log_change_s = upstream->logchange,
	};
	read_drift(&setup->control.options, upstream->driftfile.path);
	list_own_refids(setup, config);
	return 0;
}

void discipline_setup_free(struct discipline_setup *setup)
{
	free(setup->specs);
	setup->specs = NULL;
}
