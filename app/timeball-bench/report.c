// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/report.h"

#include <inttypes.h>
#include <math.h>

static const char *const mode_names[MODES] = {
	[MODE_BASIC] = "basic",
	[MODE_INTERLEAVED] = "interleaved",
};

static uint64_t strays(const struct result *result)
{
	return result->outcomes[OUTCOME_DUPLICATE] + result->outcomes[OUTCOME_UNASKED];
}

static double sent_per_s(const struct result *result)
{
	return result->run.seconds > 0 ? (double)result_sent(result) / result->run.seconds : 0;
}

static double per_cent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

static void print_load(const struct campaign *campaign, FILE *file)
{
	fprintf(file, "%12s %12s %12s %12s %10s %8s %8s %6s  %s\n", "rate", "sent/s", "sent",
			"good", "lost", "lost %", "failed", "stray", "");
	for (unsigned i = 0; i < campaign->result_count; i++) {
		const struct result *result = &campaign->results[i];
		uint64_t sent = result_sent(result), lost = result->outcomes[OUTCOME_LOST];

		fprintf(file,
				"%12.0f %12.0f %12" PRIu64 " %12" PRIu64 " %10" PRIu64
				" %8.4f %8" PRIu64 " %6" PRIu64 "  %s%s\n",
				result->rate_hz, sent_per_s(result), sent,
				result->outcomes[OUTCOME_GOOD], lost, per_cent(lost, sent),
				result_failures(result) - strays(result), strays(result),
				purpose_name(result->purpose),
				result->run.unsent ? ", more than we can send" : "");
	}
}

static bool is_measured(const struct campaign *campaign, const struct result *result)
{
	if (result->purpose == PURPOSE_WARM_UP)
		return false;
	return result->purpose != PURPOSE_SEARCH || campaign->zero_loss.rate_hz == 0;
}

static void print_latency(const struct campaign *campaign, FILE *file)
{
	fprintf(file, "\n%12s %48s   %23s\n%12s %9s %9s %9s %9s %9s  %11s %11s\n", "",
			"latency from the intended time of sending (us)", "our own lag (us)",
			"rate", "min", "p50", "p99", "p99.9", "max", "p99", "max");
	for (unsigned i = 0; i < campaign->result_count; i++) {
		const struct result *result = &campaign->results[i];
		const struct quantiles *latency = &result->latency;

		if (is_measured(campaign, result))
			fprintf(file, "%12.0f %9.1f %9.1f %9.1f %9.1f %9.1f  %11.1f %11.1f\n",
					result->rate_hz, latency->min_us, latency->p50_us,
					latency->p99_us, latency->p999_us, latency->max_us,
					result->lag.p99_us, result->lag.max_us);
	}
}

static void print_accuracy(const struct campaign *campaign, FILE *file)
{
	fprintf(file, "\n%12s %-11s %60s\n%12s %-11s %12s %11s %11s %11s %11s\n", "", "",
			"server's transmit stamp - arrival of that reply here (ns)", "rate", "mode",
			"replies", "mean", "deviation", "min", "max");
	for (unsigned i = 0; i < campaign->result_count; i++) {
		const struct result *result = &campaign->results[i];

		for (enum reply_mode mode = 0; mode < MODES; mode++) {
			const struct moments *offset = &result->offset[mode];

			if (!is_measured(campaign, result) || offset->count == 0)
				continue;
			fprintf(file,
					"%12.0f %-11s %12" PRIu64 " %+11.0f %11.0f %+11" PRId64
					" %+11" PRId64 "\n",
					result->rate_hz, mode_names[mode], offset->count,
					moments_mean(offset), moments_deviation(offset),
					offset->min, offset->max);
		}
	}
}

// Where nothing of n is lost, the share that is lost in the long run is below 3/n at 95 % confidence.
static void print_zero_loss(const struct zero_loss *zero_loss, FILE *file)
{
	if (zero_loss->rate_hz == 0) {
		fprintf(file, "\nzero-loss rate: none, %.0f requests/s already lost some%s\n",
				zero_loss->failed_hz,
				zero_loss->own_limit ? " (or we ourselves)" : "");
		return;
	}
	fprintf(file,
			"\nzero-loss rate: %.0f requests/s: %u of %u trials, %" PRIu64
			" of %" PRIu64 " requests lost",
			zero_loss->rate_hz, zero_loss->trials, zero_loss->trials, zero_loss->lost,
			zero_loss->requests);
	if (zero_loss->lost == 0)
		fprintf(file, ", so less than %.2g %% at 95 %% confidence",
				300.0 / (double)zero_loss->requests);
	if (zero_loss->failed_hz == 0)
		fprintf(file, "\n  the highest rate asked for: the server may do more\n");
	else
		fprintf(file, "\n  %.0f requests/s %s\n", zero_loss->failed_hz,
				zero_loss->own_limit
						? "is more than we can send and receive here: the server may do more"
						: "lost some");
}

static void print_failures(const struct campaign *campaign, FILE *file)
{
	bool any = false;

	for (enum outcome outcome = 0; outcome < OUTCOME_COUNT; outcome++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < campaign->result_count; i++)
			sum += campaign->results[i].outcomes[outcome];
		if (sum == 0 || outcome == OUTCOME_GOOD)
			continue;
		if (!any)
			fprintf(file, "\n");
		any = true;
		fprintf(file, "%-18s %12" PRIu64 "  %s\n", outcome_name(outcome), sum,
				outcome_help(outcome));
	}
}

static void print_notes(const struct campaign *campaign, FILE *file)
{
	uint64_t fell_back = 0, unfinished = 0, shared = 0, missed = 0, asked = 0;

	for (unsigned i = 0; i < campaign->result_count; i++) {
		const struct result *result = &campaign->results[i];

		asked += result->sent[MODE_INTERLEAVED];
		fell_back += result->fell_back;
		unfinished += result->unfinished;
		shared += result->receive_shared;
		missed += result->run.losses.missed + result->run.losses.errors;
	}
	if (asked)
		fprintf(file,
				"interleaved requests: %" PRIu64
				", answered in basic mode: %" PRIu64 "\n",
				asked, fell_back);
	if (unfinished)
		fprintf(file,
				"UDP checksums that the server's kernel left to its NIC: %" PRIu64
				"\n",
				unfinished);
	if (shared)
		fprintf(file, "receive timestamps that several clients were given: %" PRIu64 "\n",
				shared);
	if (missed)
		fprintf(file,
				"missed by our own port: %" PRIu64
				" frames; larger rings (framecnt=) or fewer other loads on this CPU help\n",
				missed);
}

void report_print(const struct campaign *campaign, FILE *file)
{
	print_load(campaign, file);
	print_latency(campaign, file);
	print_accuracy(campaign, file);
	if (campaign->options->search)
		print_zero_loss(&campaign->zero_loss, file);
	print_failures(campaign, file);
	print_notes(campaign, file);
}

// Its offset is the other way round: arrival minus stamp, less the correction for the way.
static void print_ntpperf_times(
		const struct campaign *campaign, const struct result *result, FILE *file)
{
	bool offset = campaign->options->has_correction;
	const struct moments *by_mode = offset ? result->offset : result->residence;
	const struct moments *moments = &by_mode[MODE_BASIC];
	double sign = offset ? -1 : 1;
	double shift = offset ? campaign->options->correction_us * 1e3 : 0;

	// As ntpperf, of interleaved replies where there are both.
	if (by_mode[MODE_INTERLEAVED].count > by_mode[MODE_BASIC].count)
		moments = &by_mode[MODE_INTERLEAVED];
	if (moments->count == 0)
		return;
	double low = sign * (double)(offset ? moments->max : moments->min) - shift;
	double high = sign * (double)(offset ? moments->min : moments->max) - shift;

	fprintf(file, "  %+7.0f %+7.0f %+7.0f %6.0f", low, sign * moments_mean(moments) - shift,
			high, moments_deviation(moments));
}

void report_print_ntpperf(const struct campaign *campaign, FILE *file)
{
	fprintf(file, "               |          responses            | %s\n",
			campaign->options->has_correction ? "    TX timestamp offset (ns)"
							  : "       response time (ns)");
	fprintf(file, "rate   clients |  lost invalid   basic  xleave |    min    mean     max stddev\n");
	for (unsigned i = 0; i < campaign->result_count; i++) {
		const struct result *result = &campaign->results[i];
		uint64_t sent = result_sent(result);

		if (result->purpose == PURPOSE_WARM_UP)
			continue;
		fprintf(file, "%-8.0f %5u %6.2f%% %6.2f%% %6.2f%% %6.2f%%", result->rate_hz,
				campaign->generator->clients->count,
				per_cent(result->outcomes[OUTCOME_LOST], sent),
				per_cent(result_failures(result), sent),
				per_cent(result->good[MODE_BASIC], sent),
				per_cent(result->good[MODE_INTERLEAVED], sent));
		print_ntpperf_times(campaign, result, file);
		fprintf(file, "\n");
		if (result->run.unsent) {
			fprintf(file, "Could not send requests at rate %.0f\n", result->rate_hz);
			break;
		}
	}
}
