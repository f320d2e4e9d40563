// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *pack_quantiles(const struct quantiles *quantiles)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "min", quantiles->min_us, "p50",
			quantiles->p50_us, "p99", quantiles->p99_us, "p99.9", quantiles->p999_us,
			"max", quantiles->max_us);
}

static json_t *pack_moments(const struct moments *moments)
{
	return json_pack("{s:I, s:f, s:f, s:I, s:I}", "count", (json_int_t)moments->count, "mean",
			moments_mean(moments), "deviation", moments_deviation(moments), "min",
			(json_int_t)moments->min, "max", (json_int_t)moments->max);
}

// Of both modes: pack() makes each.
static json_t *pack_modes(const struct moments moments[MODES])
{
	return json_pack("{s:o, s:o}", "basic", pack_moments(&moments[MODE_BASIC]), "interleaved",
			pack_moments(&moments[MODE_INTERLEAVED]));
}

static json_t *pack_counts(const uint64_t counts[MODES])
{
	return json_pack("{s:I, s:I}", "basic", (json_int_t)counts[MODE_BASIC], "interleaved",
			(json_int_t)counts[MODE_INTERLEAVED]);
}

static json_t *pack_outcomes(const struct result *result)
{
	json_t *object = json_object();

	for (enum outcome i = 0; i < OUTCOME_COUNT; i++)
		json_object_set_new(object, outcome_name(i),
				json_integer((json_int_t)result->outcomes[i]));
	return object;
}

static json_t *pack_result(const struct result *result)
{
	json_t *object = json_pack("{s:s, s:f, s:f, s:f, s:I, s:I}", "purpose",
			purpose_name(result->purpose), "rate", result->rate_hz, "share",
			result->share, "seconds", result->run.seconds, "sent",
			(json_int_t)result_sent(result), "unsent", (json_int_t)result->run.unsent);

	json_object_set_new(object, "requests", pack_counts(result->sent));
	json_object_set_new(object, "good", pack_counts(result->good));
	json_object_set_new(object, "outcomes", pack_outcomes(result));
	json_object_set_new(object, "latency_us", pack_quantiles(&result->latency));
	json_object_set_new(object, "lag_us", pack_quantiles(&result->lag));
	json_object_set_new(object, "transmit_offset_ns", pack_modes(result->offset));
	json_object_set_new(object, "residence_ns", pack_modes(result->residence));
	json_object_set_new(object, "notes",
			json_pack("{s:I, s:I, s:I, s:I}", "answered_in_basic_mode",
					(json_int_t)result->fell_back, "unfinished_checksums",
					(json_int_t)result->unfinished, "receive_shared",
					(json_int_t)result->receive_shared, "missed_by_port",
					(json_int_t)(result->run.losses.missed
							+ result->run.losses.errors)));
	return object;
}

static json_t *pack_zero_loss(const struct zero_loss *zero_loss)
{
	return json_pack("{s:f, s:f, s:i, s:I, s:I, s:b}", "rate", zero_loss->rate_hz,
			"failed_rate", zero_loss->failed_hz, "trials", (int)zero_loss->trials,
			"requests", (json_int_t)zero_loss->requests, "lost",
			(json_int_t)zero_loss->lost, "own_limit", zero_loss->own_limit);
}

static json_t *pack_setting(const struct campaign *campaign)
{
	const struct options *options = campaign->options;
	json_t *servers = json_array();
	char text[ADDRESS_TEXT_SIZE];

	for (unsigned i = 0; i < FAMILIES; i++) {
		if (options->servers[i].family != ADDRESS_NONE)
			json_array_append_new(servers,
					json_string(address_print(&options->servers[i], text)));
	}
	return json_pack("{s:s, s:o, s:I, s:s, s:f, s:f, s:f, s:f, s:b, s:f, s:I}", "device",
			options->device, "servers", servers, "clients",
			(json_int_t)campaign->generator->clients->count, "gaps",
			options->exponential ? "exponential" : "constant", "interleaved",
			options->interleaved, "ipv6", options->ipv6, "duration",
			options->duration_s, "timeout", options->timeout_s, "same_clock",
			options->same_clock, "tolerance_us", options->tolerance_us, "seed",
			(json_int_t)campaign->generator->options.seed);
}

int json_write(const struct campaign *campaign, const char *path)
{
	bool to_output = strcmp(path, "-") == 0;
	FILE *file = to_output ? stdout : fopen(path, "w");
	json_t *trials = json_array();

	if (!file) {
		json_decref(trials);
		return -errno;
	}
	for (unsigned i = 0; i < campaign->result_count; i++)
		json_array_append_new(trials, pack_result(&campaign->results[i]));
	json_t *root = json_pack("{s:o, s:o, s:o*, s:I}", "setting", pack_setting(campaign),
			"trials", trials, "zero_loss",
			campaign->options->search ? pack_zero_loss(&campaign->zero_loss) : NULL,
			"failures", (json_int_t)campaign->failures);
	int error = root ? 0 : -ENOMEM;

	if (!error && json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(10)))
		error = -EIO;
	json_decref(root);
	if (!error && fputc('\n', file) == EOF)
		error = -EIO;
	if (to_output ? fflush(file) : fclose(file))
		error = error ? error : -errno;
	return error;
}
