// SPDX-License-Identifier: BSD-3-Clause
// timeball-bench: loads an NTP server and says how well it answered.
#include "timeball-bench/bench.h"
#include "timeball-bench/campaign.h"
#include "timeball-bench/json.h"
#include "timeball-bench/options.h"
#include "timeball-bench/plot.h"
#include "timeball-bench/report.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBLEM_SIZE  768
#define EXIT_IMPROPER 1 // replies failed a check
#define EXIT_TROUBLE  2

static atomic_bool stop;

static void on_signal(int)
{
	atomic_store(&stop, true);
}

// The first is heard, the second ends the program as ever.
static void catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int complain(const char *problem)
{
	fprintf(stderr, "timeball-bench: %s\n", problem);
	return EXIT_TROUBLE;
}

static int report(const struct campaign *campaign)
{
	const struct options *options = campaign->options;
	bool json_only = options->json_path && strcmp(options->json_path, "-") == 0;
	char problem[PROBLEM_SIZE] = "", text[PROBLEM_SIZE + 100];
	int status = campaign->failures ? EXIT_IMPROPER : EXIT_SUCCESS;
	int error = 0;

	if (options->ntpperf && !json_only)
		report_print_ntpperf(campaign, stdout);
	else if (!json_only)
		report_print(campaign, stdout);
	fflush(stdout);
	if (options->json_path)
		error = json_write(campaign, options->json_path);
	if (error) {
		snprintf(text, sizeof(text), "%s: %s", options->json_path, strerror(-error));
		status = complain(text);
	}
	error = 0;
	if (options->plot_path)
		error = plot_write(campaign, options->plot_path, problem, sizeof(problem));
	if (error) {
		snprintf(text, sizeof(text), "%s: %s", options->plot_path,
				problem[0] ? problem : strerror(-error));
		status = complain(text);
	}
	return status;
}

// Returns the exit status.
static int run(struct bench *bench, const struct options *options)
{
	char problem[PROBLEM_SIZE] = "";
	struct tally *tally = malloc(sizeof(*tally));
	struct campaign campaign = {
		.options = options,
		.generator = &bench->generator,
		.tally = tally,
	};
	int error = bench_open(bench, options, &stop, problem, sizeof(problem));

	if (error || !tally) {
		bench_close(bench);
		free(tally);
		return complain(problem[0] ? problem : "no memory");
	}
	error = campaign_run(&campaign);
	progress_stop(&bench->progress);
	int status = error ? complain("no memory") : report(&campaign);

	bench_close(bench);
	free(campaign.results);
	free(tally);
	return status;
}

int main(int argc, char **argv)
{
	char message[PROBLEM_SIZE];
	struct options options;

	if (options_parse(argc, argv, &options, message, sizeof(message)))
		return complain(message);
	if (options.wants_usage) {
		fputs(options_usage(), stdout);
		return EXIT_SUCCESS;
	}
	if (options.wants_version) {
		puts("timeball-bench " VERSION);
		return EXIT_SUCCESS;
	}
	if (options.plot_path && !plot_is_possible())
		return complain("--plot needs gnuplot, which is not there: install gnuplot-nox, or leave --plot out");
	struct bench *bench = calloc(1, sizeof(*bench));

	if (!bench)
		return complain("no memory");
	catch_signals();
	int status = run(bench, &options);

	free(bench);
	return status;
}
