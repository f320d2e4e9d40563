// SPDX-License-Identifier: BSD-3-Clause
// One source, one oscillator, one link, no packets: how near the estimator comes to what can be
// known. Beside it a plain Kalman filter that is told all the estimator has to find out.
// Usage: estimate [--seeds N] [--samples N] [NAME-PREFIX]
// Errors are in ns: rms just after a sample, and over time until the next; then how many of the errors
// are within one claimed deviation and beyond three. K is the Kalman filter. "fourth" is the error
// after four samples 2 s apart, "lowest" that of the one with the least delay at its own moment.
// Exit status 1: a floor was missed, or the Kalman filter was better by more than 15 %.
#include "base/random.h"
#include "sync/estimator.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FINE 4 // moments between two samples at which the error is looked at

enum shape {
	NORMAL,
	ONE_QUEUE,
	TWO_QUEUES
};

struct world {
	const char *name;
	double floor_ns, goal_ns; // 0: none
	enum shape shape;
	double wait_ns[2]; // deviation of a normal, mean of each queue
	double poll_s;
	double wander;    // per sqrt(s)
	double frequency; // error at first, 0: 20e-6
	double loss, spikes;
	double swing, swing_s;    // frequency's sine
	double route_ns, route_s; // the base delay grows by it
	double step_ns, step_s;   // the source's time is stepped
	double jump, jump_s;      // the clock's frequency jumps
	double storm, storm_s;    // from then on waits are so much longer
	double skew;              // of the frequency known at first, 0: 500e-6
	double holdover_s;
	bool irregular;
};

// clang-format off
#define BOTH(x) { x, x }
#define US 1e3
#define MS 1e6
static const struct world worlds[] = {
	{ .name = "10us-2s", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .floor_ns = 640, .goal_ns = 420 },
	{ .name = "100us-2s", .shape = ONE_QUEUE, .wait_ns = BOTH(100 * US), .poll_s = 2,
		.wander = 1e-9, .floor_ns = 4000, .goal_ns = 2000 },
	{ .name = "1us-2s", .shape = ONE_QUEUE, .wait_ns = BOTH(1 * US), .poll_s = 2,
		.wander = 1e-9, .floor_ns = 130, .goal_ns = 105 },
	{ .name = "10us-16s", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 16,
		.wander = 1e-9, .floor_ns = 1800, .goal_ns = 1400 },
	{ .name = "100us-64s", .shape = ONE_QUEUE, .wait_ns = BOTH(100 * US), .poll_s = 64,
		.wander = 1e-9, .floor_ns = 15000, .goal_ns = 13000 },
	{ .name = "nic-1e-9", .shape = NORMAL, .wait_ns = BOTH(14.142), .poll_s = 1,
		.wander = 1e-9, .floor_ns = 15, .goal_ns = 7 },
	{ .name = "nic-1e-8", .shape = NORMAL, .wait_ns = BOTH(14.142), .poll_s = 1,
		.wander = 1e-8, .floor_ns = 30, .goal_ns = 18 },
	{ .name = "normal-10us-2s", .shape = NORMAL, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9 },
	{ .name = "normal-100us-2s", .shape = NORMAL, .wait_ns = BOTH(100 * US), .poll_s = 2,
		.wander = 1e-9 },
	{ .name = "two-10us-2s", .shape = TWO_QUEUES, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9 },
	{ .name = "two-100us-16s", .shape = TWO_QUEUES, .wait_ns = BOTH(100 * US), .poll_s = 16,
		.wander = 1e-9 },
	{ .name = "asymmetric", .shape = ONE_QUEUE, .wait_ns = { 100 * US, 100 }, .poll_s = 2,
		.wander = 1e-9 },
	{ .name = "loss", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .loss = 0.33 },
	{ .name = "spikes", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .spikes = 0.01 },
	{ .name = "normal-spikes", .shape = NORMAL, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .spikes = 0.01 },
	{ .name = "irregular", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 16,
		.wander = 1e-9, .irregular = true },
	{ .name = "10ns-jitter", .shape = ONE_QUEUE, .wait_ns = BOTH(10), .poll_s = 1,
		.wander = 1e-9 },
	{ .name = "10ms-jitter", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * MS), .poll_s = 16,
		.wander = 1e-9 },
	{ .name = "1ms-64s", .shape = ONE_QUEUE, .wait_ns = BOTH(1 * MS), .poll_s = 64,
		.wander = 1e-9 },
	{ .name = "wander-1e-10", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-10 },
	{ .name = "wander-2e-9", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1.8e-9 },
	{ .name = "wander-1e-8", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-8 },
	{ .name = "wander-1e-7", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-7 },
	{ .name = "frequency-5e-2", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .frequency = 5e-2 },
	{ .name = "poll-2^-7", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 0x1p-7,
		.wander = 1e-9 },
	{ .name = "poll-2^10", .shape = ONE_QUEUE, .wait_ns = BOTH(100 * US), .poll_s = 1024,
		.wander = 1e-9 },
	{ .name = "10us-2^10", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 1024,
		.wander = 1e-9 },
	{ .name = "1us-2^10", .shape = ONE_QUEUE, .wait_ns = BOTH(1 * US), .poll_s = 1024,
		.wander = 1e-9 },
	{ .name = "poll-2^17", .shape = ONE_QUEUE, .wait_ns = BOTH(100 * US), .poll_s = 0x1p17,
		.wander = 1e-9 },
	{ .name = "swing-1ppm", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .swing = 1e-6, .swing_s = 7200 },
	{ .name = "swing-0.1ppm", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .swing = 1e-7, .swing_s = 14400 },
	{ .name = "route-up", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .route_ns = 1 * MS, .route_s = 4000 },
	{ .name = "route-up-long", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .route_ns = 40 * US, .route_s = 13000 },
	{ .name = "route-up-small", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .route_ns = 40 * US, .route_s = 4000 },
	{ .name = "route-down", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .route_ns = -150 * US, .route_s = 4000 },
	{ .name = "route-down-small", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .route_ns = -20 * US, .route_s = 4000 },
	{ .name = "step-1ms", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .step_ns = 1 * MS, .step_s = 4000 },
	{ .name = "step-100000s", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .step_ns = 1e14, .step_s = 4000 },
	{ .name = "jump-1ppm", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .jump = 1e-6, .jump_s = 4000 },
	{ .name = "jump-100ppm", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .jump = 1e-4, .jump_s = 4000 },
	{ .name = "storm", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .storm = 100, .storm_s = 8000 },
	{ .name = "calm", .shape = ONE_QUEUE, .wait_ns = BOTH(1 * MS), .poll_s = 2,
		.wander = 1e-9, .storm = 0.01, .storm_s = 2000 },
	{ .name = "driftfile", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .frequency = 1e-7, .skew = 1e-7 },
	{ .name = "holdover", .shape = ONE_QUEUE, .wait_ns = BOTH(10 * US), .poll_s = 2,
		.wander = 1e-9, .holdover_s = 4000 },
	{ .name = "holdover-16s", .shape = ONE_QUEUE, .wait_ns = BOTH(100 * US), .poll_s = 16,
		.wander = 1e-9, .holdover_s = 4000 },
};
// clang-format on

static double uniform(uint64_t *random)
{
	return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *random)
{
	double radius = sqrt(-2 * log(uniform(random)));

	return radius * cos(2 * M_PI * uniform(random));
}

static double wait_ns(const struct world *world, int way, double s, uint64_t *random)
{
	double mean = world->wait_ns[way], wait;

	if (world->storm > 0 && s > world->storm_s)
		mean *= world->storm;

	switch (world->shape) {
	case NORMAL:
		wait = mean * normal(random);
		break;
	case ONE_QUEUE:
		wait = -mean * log(uniform(random));
		break;
	default:
		wait = -mean * (log(uniform(random)) + log(uniform(random)));
		break;
	}
	if (world->spikes > 0 && uniform(random) < world->spikes)
		wait += mean * 10 * pow(10, uniform(random));
	return wait;
}

static double wait_variance(const struct world *world, int way)
{
	double mean = world->wait_ns[way];

	return mean * mean * (world->shape == TWO_QUEUES ? 2 : 1);
}

// The plain Kalman filter that is told everything.
struct kalman {
	double offset, frequency, v[3]; // ns, ns/s
	double wander, noise;
};

static void kalman_predict(struct kalman *kalman, double s)
{
	double q = kalman->wander * kalman->wander * s, *v = kalman->v;

	kalman->offset += s * kalman->frequency;
	v[0] += s * (2 * v[1] + s * (v[2] + q / 3));
	v[1] += s * (v[2] + q / 2);
	v[2] += q;
}

static void kalman_update(struct kalman *kalman, double offset)
{
	double *v = kalman->v, total = v[0] + kalman->noise, error = offset - kalman->offset;
	double gain0 = v[0] / total, gain1 = v[1] / total;

	kalman->offset += gain0 * error;
	kalman->frequency += gain1 * error;
	v[2] -= gain1 * v[1];
	v[1] *= 1 - gain0;
	v[0] *= 1 - gain0;
}

struct sums {
	double count, square, max, within, beyond;
};

static void look(struct sums *sums, double error, double deviation)
{
	sums->count++;
	sums->square += error * error;
	sums->max = fmax(sums->max, fabs(error));
	sums->within += fabs(error) <= deviation;
	sums->beyond += fabs(error) > 3 * deviation;
}

static double rms(const struct sums *sums)
{
	return sqrt(sums->square / sums->count);
}

struct result {
	struct sums after, over, frequency; // the estimator's
	struct sums told_after, told_over;  // the Kalman filter's
	struct sums held, told_held;
	struct sums fourth, best_of_four; // after four samples
	struct sums fourth_frequency;
	double seconds, samples, wander;
};

struct run {
	const struct world *world;
	uint64_t random;
	double s, offset, frequency, wandered; // truth; ns, ns/s
	double kept_s;                         // when the estimator was last told
	struct estimator *estimator;
	struct kalman kalman;
};

// True time goes on.
static void pass(struct run *run, double s)
{
	double q = run->world->wander * 1e9, a = normal(&run->random), b = normal(&run->random);
	double swing = 0;

	run->offset += s * run->wandered + q * s * sqrt(s) * (a / 2 + b / sqrt(12));
	run->wandered += q * sqrt(s) * a;
	if (run->world->swing > 0) {
		double w = 2 * M_PI / run->world->swing_s, amplitude = run->world->swing * 1e9;

		run->offset += amplitude / w * (cos(w * run->s) - cos(w * (run->s + s)));
		swing = amplitude * sin(w * (run->s + s));
	}
	if (run->s < run->world->step_s && run->s + s >= run->world->step_s)
		run->offset += run->world->step_ns;
	if (run->s < run->world->jump_s && run->s + s >= run->world->jump_s)
		run->wandered += run->world->jump * 1e9;
	run->s += s;
	run->frequency = run->wandered + swing;
	kalman_predict(&run->kalman, s);
}

static void compare(struct run *run, struct sums *found, struct sums *told, struct sums *frequency)
{
	struct estimate estimate;
	int64_t free_ns = llround(run->s * 1e9);

	if (!estimator_at(run->estimator, free_ns, &estimate))
		abort();
	look(found, (double)estimate.offset_ns - run->offset, estimate.offset_sd_ns);
	if (told)
		look(told, run->kalman.offset - run->offset, sqrt(run->kalman.v[0]));
	if (frequency)
		look(frequency, estimate.frequency - run->frequency * 1e-9, estimate.frequency_sd);
}

static void measure(struct run *run, struct sample *sample)
{
	const struct world *world = run->world;
	double base = 200 * US, there = wait_ns(world, 0, run->s, &run->random);
	double back = wait_ns(world, 1, run->s, &run->random);

	if (world->route_ns != 0 && run->s > world->route_s)
		base += world->route_ns;
	*sample = (struct sample){
		.free_ns = llround(run->s * 1e9),
		.offset_ns = llround(run->offset + (there - back) / 2),
		.delay_ns = llround(fmax(base + there + back, 1)),
		.stratum = 1,
	};
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void add(struct run *run, struct result *result)
{
	struct sample sample;
	double before, bias = 0;

	measure(run, &sample);
	before = now_s();
	estimator_add(run->estimator, &sample);
	result->seconds += now_s() - before;
	result->samples++;
	// Its mean wait is told as well.
	if (run->world->shape != NORMAL)
		bias = (run->world->wait_ns[0] - run->world->wait_ns[1]) / 2
				* (run->world->shape == TWO_QUEUES ? 2 : 1);
	kalman_update(&run->kalman, (double)sample.offset_ns - bias);
}

static void start(struct run *run, struct result *result)
{
	double least = INFINITY, best = 0;
	struct sample sample;

	// iburst
	for (int i = 0; i < 4; i++) {
		uint64_t random = run->random; // the same sample again below

		measure(run, &sample);
		if ((double)sample.delay_ns < least) {
			least = (double)sample.delay_ns;
			best = (double)sample.offset_ns - run->offset;
		}
		run->random = random;
		add(run, result);
		if (i < 3)
			pass(run, 2);
	}
	compare(run, &result->fourth, NULL, &result->fourth_frequency);
	look(&result->best_of_four, best, 0);
}

static void run_world(
		const struct world *world, uint64_t seed, unsigned samples, struct result *result)
{
	double frequency = world->frequency != 0 ? world->frequency : 20e-6;
	struct estimator_options options = {
		.wander = 1e-9,
		.max_skew = world->skew > 0 ? world->skew : fmax(500e-6, fabs(frequency) * 2),
		.precision_ns = 30,
	};
	struct run run = {
		.world = world,
		.random = seed,
		.estimator = malloc(estimator_size()),
		.wandered = frequency * 1e9,
		.kalman = { .wander = world->wander * 1e9,
				.noise = (wait_variance(world, 0) + wait_variance(world, 1)) / 4,
				.v = { 1e18, 0, options.max_skew * options.max_skew * 1e18 } },
	};
	struct estimate estimate;

	random_next(&run.random);
	run.frequency = run.wandered;
	run.offset = 1e9 * normal(&run.random);
	estimator_init(run.estimator, &options);
	start(&run, result);
	for (unsigned i = 0; i < samples; i++) {
		bool steady = i >= samples / 4;
		double poll = world->poll_s;

		if (world->irregular)
			poll *= uniform(&run.random) * 2;
		for (int j = 0; j < FINE; j++) {
			pass(&run, poll / FINE);
			if (steady)
				compare(&run, &result->over, &result->told_over, NULL);
		}
		if (uniform(&run.random) < world->loss)
			continue;
		add(&run, result);
		if (steady)
			compare(&run, &result->after, &result->told_after, &result->frequency);
	}
	estimator_at(run.estimator, llround(run.s * 1e9), &estimate);
	result->wander += estimate.wander;
	if (world->holdover_s > 0) {
		pass(&run, world->holdover_s);
		compare(&run, &result->held, &result->told_held, NULL);
	}
	free(run.estimator);
}

static const char *judge(const struct world *world, const struct result *result)
{
	double found = rms(&result->over), told = rms(&result->told_over);

	if (found > 1.15 * told || result->over.beyond > 0.02 * result->over.count)
		return "MISSED";
	if (world->goal_ns == 0)
		return "";
	return found <= world->goal_ns ? "goal" : found <= world->floor_ns ? "floor" : "MISSED";
}

static void report(const struct world *world, const struct result *result, unsigned seeds)
{
	const struct sums *over = &result->over, *frequency = &result->frequency;
	const struct sums *fourth = &result->fourth;

	printf("%-16s %8.3g %8.3g | %9.4g %9.4g %9.3g | %9.4g %9.4g %5.2f | %4.2f %6.4f",
			world->name, world->floor_ns, world->goal_ns, rms(&result->after),
			rms(over), over->max, rms(&result->told_after), rms(&result->told_over),
			rms(over) / rms(&result->told_over), over->within / over->count,
			over->beyond / over->count);
	printf(" | %8.2g %4.2f %7.1e | %9.3g %9.3g %8.2g %4.2f %6.4f | %4.1f %s\n", rms(frequency),
			frequency->within / frequency->count, result->wander / seeds, rms(fourth),
			rms(&result->best_of_four), rms(&result->fourth_frequency),
			fourth->within / fourth->count, fourth->beyond / fourth->count,
			result->seconds / result->samples * 1e6, judge(world, result));
	if (world->holdover_s > 0) {
		double unavoidable = world->wander * 1e9 * sqrt(pow(world->holdover_s, 3) / 3);

		printf("%-16s after %g s alone %.4g, Kalman %.4g (ratio %.3f), random walk %.4g, <1sd %.2f\n",
				"", world->holdover_s, rms(&result->held), rms(&result->told_held),
				rms(&result->held) / rms(&result->told_held), unavoidable,
				result->held.within / result->held.count);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned seeds = 20, samples = 8000;
	const char *prefix = "";
	bool missed = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			seeds = (unsigned)atoi(argv[++i]);
		else if (strcmp(argv[i], "--samples") == 0 && i + 1 < argc)
			samples = (unsigned)atoi(argv[++i]);
		else
			prefix = argv[i];
	}
	printf("%-16s %8s %8s | %9s %9s %9s | %9s %9s %5s | %4s %6s | %8s %4s %7s | %9s %9s %8s %4s %6s | us\n",
			"ns", "floor", "goal", "after", "over", "max", "K after", "K over", "ratio",
			"<1sd", ">3sd", "freq", "<1sd", "wander", "fourth", "lowest", "freq4",
			"<1sd", ">3sd");
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
		struct result result = { 0 };

		if (strncmp(worlds[i].name, prefix, strlen(prefix)) != 0)
			continue;
		for (unsigned seed = 1; seed <= seeds; seed++)
			run_world(&worlds[i], seed, samples, &result);
		report(&worlds[i], &result, seeds);
		missed = missed || strcmp(judge(&worlds[i], &result), "MISSED") == 0;
	}
	return missed;
}
