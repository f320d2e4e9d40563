// SPDX-License-Identifier: BSD-3-Clause
#include "timeball-bench/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NOT_FOUND 127

bool plot_is_possible(void)
{
	const char *path = getenv("PATH");
	char file[4096];

	for (size_t length; path && *path; path += length + (path[length] == ':')) {
		length = strcspn(path, ":");
		snprintf(file, sizeof(file), "%.*s/gnuplot", (int)length, path);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

static int compare_rates(const void *a, const void *b)
{
	const struct result *left = *(const struct result *const *)a;
	const struct result *right = *(const struct result *const *)b;

	return (left->rate_hz > right->rate_hz) - (left->rate_hz < right->rate_hz);
}

// A line for each trial, by rate: rate, loss %, failed %, latencies, then mean and deviation of both
// modes, NaN for what there is none of.
static void write_row(FILE *script, const struct result *result)
{
	uint64_t sent = result_sent(result);
	double share = sent ? 100.0 / (double)sent : 0;

	fprintf(script, "%.10g %.10g %.10g %.10g %.10g %.10g %.10g", result->rate_hz,
			(double)result->outcomes[OUTCOME_LOST] * share,
			(double)result_failures(result) * share, result->latency.p50_us,
			result->latency.p99_us, result->latency.p999_us, result->latency.max_us);
	for (enum reply_mode mode = 0; mode < MODES; mode++) {
		const struct moments *offset = &result->offset[mode];

		if (offset->count)
			fprintf(script, " %.10g %.10g", moments_mean(offset) / 1e3,
					moments_deviation(offset) / 1e3);
		else
			fprintf(script, " NaN NaN");
	}
	fprintf(script, "\n");
}

static int write_data(const struct campaign *campaign, FILE *script)
{
	const struct result **sorted = calloc(campaign->result_count, sizeof(*sorted));
	unsigned count = 0;

	if (!sorted)
		return -ENOMEM;
	for (unsigned i = 0; i < campaign->result_count; i++) {
		const struct result *result = &campaign->results[i];

		if (result->purpose != PURPOSE_WARM_UP && result->outcomes[OUTCOME_GOOD])
			sorted[count++] = result;
	}
	qsort(sorted, count, sizeof(*sorted), compare_rates);
	fprintf(script, "$data << end_of_data\n");
	for (unsigned i = 0; i < count; i++)
		write_row(script, sorted[i]);
	fprintf(script, "end_of_data\n");
	free(sorted);
	return count ? 0 : -ENODATA;
}

static bool has_mode(const struct campaign *campaign, enum reply_mode mode)
{
	for (unsigned i = 0; i < campaign->result_count; i++) {
		if (campaign->results[i].purpose != PURPOSE_WARM_UP
				&& campaign->results[i].offset[mode].count)
			return true;
	}
	return false;
}

// In gnuplot's single quotes only the quote itself is special.
static void write_quoted(FILE *script, const char *text)
{
	fputc('\'', script);
	for (; *text; text++)
		fprintf(script, *text == '\'' ? "''" : "%c", *text);
	fputc('\'', script);
}

static int write_script(const struct campaign *campaign, const char *path, FILE *script)
{
	bool svg = strcmp(path + strlen(path) - 4, ".svg") == 0;
	bool basic = has_mode(campaign, MODE_BASIC);
	bool interleaved = has_mode(campaign, MODE_INTERLEAVED);
	int error = write_data(campaign, script);

	if (error)
		return error;
	fprintf(script, "set terminal %s size 900,1200\nset output ",
			svg ? "svg background 'white'" : "png");
	write_quoted(script, path);
	fprintf(script,
			"\nset multiplot layout 3,1\nset grid\nset lmargin 12\nset key left top\n"
			"set logscale x\nset format x '%%.0s%%c'\nset xlabel 'requests/s'\n");
	if (campaign->zero_loss.rate_hz > 0)
		fprintf(script, "set arrow from %.10g, graph 0 to %.10g, graph 1 nohead dt 2\n",
				campaign->zero_loss.rate_hz, campaign->zero_loss.rate_hz);
	fprintf(script,
			"set title 'Requests without a good reply'\nset ylabel '%%'\n"
			"set yrange [0:0.01<*]\n"
			"plot $data using 1:2 with linespoints title 'lost', "
			"$data using 1:3 with linespoints title 'failed'\n");
	fprintf(script,
			"set title 'Latency from the intended time of sending'\n"
			"set ylabel 'us'\nset yrange [*:*]\nset logscale y\n"
			"plot $data using 1:4 with linespoints title 'p50', "
			"$data using 1:5 with linespoints title 'p99', "
			"$data using 1:6 with linespoints title 'p99.9', "
			"$data using 1:7 with linespoints title 'max'\n");
	fprintf(script,
			"unset logscale y\nset key left bottom\nset title "
			"'Transmit stamp - arrival here, mean and deviation'\nplot ");
	if (basic)
		fprintf(script, "$data using 1:8:9 with yerrorlines title 'basic'%s",
				interleaved ? ", " : "");
	if (interleaved)
		fprintf(script, "$data using 1:10:11 with yerrorlines title 'interleaved'");
	fprintf(script, "\nunset multiplot\n");
	return ferror(script) ? -EIO : 0;
}

static void become_gnuplot(int input)
{
	dup2(input, STDIN_FILENO);
	execlp("gnuplot", "gnuplot", "-", (char *)NULL);
	_exit(EXIT_NOT_FOUND);
}

int plot_write(const struct campaign *campaign, const char *path, char *problem, size_t size)
{
	FILE *script = tmpfile();
	int status = 0, error;

	if (!script)
		return -errno;
	error = write_script(campaign, path, script);
	if (error || fflush(script) || fseek(script, 0, SEEK_SET)) {
		error = error ? error : -errno;
		snprintf(problem, size, "%s",
				error == -ENODATA ? "no good reply to draw" : strerror(-error));
		fclose(script);
		return error;
	}
	pid_t child = fork();

	if (child == 0)
		become_gnuplot(fileno(script));
	fclose(script);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		error = -errno;
	else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		error = -EIO;
	if (error)
		snprintf(problem, size, "gnuplot failed%s",
				WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND
						? ": not found"
						: "");
	return error;
}
