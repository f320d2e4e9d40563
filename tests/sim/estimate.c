// SPDX-License-Identifier: BSD-3-Clause
// One source, one oscillator, one link, no packets: how near the estimator comes to what can be
// known. Beside it a plain Kalman filter that is told all the estimator has to find out.
// Usage: estimate [--seeds N] [--samples N] [NAME-PREFIX]
#include "base/random.h"
#include "sync/estimator.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FINE 4 // moments between two samples at which the error is looked at

enum shape { NORMAL, ONE_QUEUE, TWO_QUEUES };

struct world {
	const char *name;
	double floor_ns, goal_ns; // 0: none
	enum shape shape;
	double wait_ns[2]; // deviation of a normal, mean of each queue
	double poll_s;
	double wander;    // per sqrt(s)
	double frequency; // error at first
	double loss, spikes;
	double swing, swing_s;     // frequency's sine
	double route_ns, route_s;  // the base delay grows by it
	double step_ns, step_s;    // the source's time is stepped
	double jump, jump_s;       // the clock's frequency jumps
	double skew;               // of the frequency known at first, 0: 500e-6
	double holdover_s;
	bool irregular;
};

#define BOTH(x) { x, x } // ways
#define US 1e3
#define MS 1e6
static const struct world worlds[] = {
	{ "10us-2s", 640, 420, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6 },
	{ "100us-2s", 4000, 2000, ONE_QUEUE, BOTH(100 * US), 2, 1e-9, 20e-6 },
	{ "1us-2s", 130, 105, ONE_QUEUE, BOTH(1 * US), 2, 1e-9, 20e-6 },
	{ "10us-16s", 1800, 1400, ONE_QUEUE, BOTH(10 * US), 16, 1e-9, 20e-6 },
	{ "100us-64s", 15000, 13000, ONE_QUEUE, BOTH(100 * US), 64, 1e-9, 20e-6 },
	{ "nic-1e-9", 15, 7, NORMAL, BOTH(14.142), 1, 1e-9, 20e-6 },
	{ "nic-1e-8", 30, 18, NORMAL, BOTH(14.142), 1, 1e-8, 20e-6 },
	{ "normal-10us-2s", 0, 0, NORMAL, BOTH(10 * US), 2, 1e-9, 20e-6 },
	{ "normal-100us-2s", 0, 0, NORMAL, BOTH(100 * US), 2, 1e-9, 20e-6 },
	{ "two-10us-2s", 0, 0, TWO_QUEUES, BOTH(10 * US), 2, 1e-9, 20e-6 },
	{ "two-100us-16s", 0, 0, TWO_QUEUES, BOTH(100 * US), 16, 1e-9, 20e-6 },
	{ "asymmetric", 0, 0, ONE_QUEUE, { 100 * US, 100 }, 2, 1e-9, 20e-6 },
	{ "loss", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .loss = 0.33 },
	{ "spikes", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .spikes = 0.01 },
	{ "normal-spikes", 0, 0, NORMAL, BOTH(10 * US), 2, 1e-9, 20e-6, .spikes = 0.01 },
	{ "irregular", 0, 0, ONE_QUEUE, BOTH(10 * US), 16, 1e-9, 20e-6, .irregular = true },
	{ "10ns-jitter", 0, 0, ONE_QUEUE, BOTH(10), 1, 1e-9, 20e-6 },
	{ "10ms-jitter", 0, 0, ONE_QUEUE, BOTH(10 * MS), 16, 1e-9, 20e-6 },
	{ "1ms-64s", 0, 0, ONE_QUEUE, BOTH(1 * MS), 64, 1e-9, 20e-6 },
	{ "wander-1e-10", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-10, 20e-6 },
	{ "wander-2e-9", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1.8e-9, 20e-6 },
	{ "wander-1e-8", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-8, 20e-6 },
	{ "wander-1e-7", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-7, 20e-6 },
	{ "frequency-5e-2", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 5e-2 },
	{ "poll-2^-7", 0, 0, ONE_QUEUE, BOTH(10 * US), 0x1p-7, 1e-9, 20e-6 },
	{ "poll-2^10", 0, 0, ONE_QUEUE, BOTH(100 * US), 1024, 1e-9, 20e-6 },
	{ "10us-2^10", 0, 0, ONE_QUEUE, BOTH(10 * US), 1024, 1e-9, 20e-6 },
	{ "1us-2^10", 0, 0, ONE_QUEUE, BOTH(1 * US), 1024, 1e-9, 20e-6 },
	{ "poll-2^17", 0, 0, ONE_QUEUE, BOTH(100 * US), 0x1p17, 1e-9, 20e-6 },
	{ "swing-1ppm", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .swing = 1e-6,
			.swing_s = 7200 },
	{ "swing-0.1ppm", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .swing = 1e-7,
			.swing_s = 14400 },
	{ "route-up", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .route_ns = 1 * MS,
			.route_s = 4000 },
	{ "route-up-long", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .route_ns = 40 * US,
			.route_s = 13000 },
	{ "route-up-small", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .route_ns = 40 * US,
			.route_s = 4000 },
	{ "route-down", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .route_ns = -150 * US,
			.route_s = 4000 },
	{ "route-down-small", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .route_ns = -20 * US,
			.route_s = 4000 },
	{ "step-1ms", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .step_ns = 1 * MS,
			.step_s = 4000 },
	{ "step-100000s", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .step_ns = 1e14,
			.step_s = 4000 },
	{ "jump-1ppm", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .jump = 1e-6,
			.jump_s = 4000 },
	{ "jump-100ppm", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .jump = 1e-4,
			.jump_s = 4000 },
	{ "driftfile", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 1e-7, .skew = 1e-7 },
	{ "holdover", 0, 0, ONE_QUEUE, BOTH(10 * US), 2, 1e-9, 20e-6, .holdover_s = 4000 },
	{ "holdover-16s", 0, 0, ONE_QUEUE, BOTH(100 * US), 16, 1e-9, 20e-6, .holdover_s = 4000 },
};

static double uniform(uint64_t *random)
{
	return ((double)(random_next(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *random)
{
	double radius = sqrt(-2 * log(uniform(random)));

	return radius * cos(2 * M_PI * uniform(random));
}

static double wait_ns(const struct world *world, int way, uint64_t *random)
{
	double mean = world->wait_ns[way], wait;

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
	struct sums fourth, best_of_four;   // after four samples
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
	double base = 200 * US, there = wait_ns(world, 0, &run->random);
	double back = wait_ns(world, 1, &run->random);

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
	double before;

	measure(run, &sample);
	before = now_s();
	estimator_add(run->estimator, &sample);
	result->seconds += now_s() - before;
	result->samples++;
	// Its mean wait is told as well.
	kalman_update(&run->kalman,
			(double)sample.offset_ns
					- (run->world->shape == NORMAL ? 0 : (1 + (run->world->shape == TWO_QUEUES))
									* (run->world->wait_ns[0] - run->world->wait_ns[1])
									/ 2));
}

static void start(struct run *run, struct result *result)
{
	double least = INFINITY, best = 0;
	struct sample sample;

	// iburst
	for (int i = 0; i < 4; i++) {
		uint64_t random = run->random;

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

static void run_world(const struct world *world, uint64_t seed, unsigned samples, struct result *result)
{
	struct estimator_options options = {
		.wander = 1e-9,
		.max_skew = world->skew > 0 ? world->skew : fmax(500e-6, fabs(world->frequency) * 2),
		.precision_ns = 30,
	};
	struct run run = {
		.world = world,
		.random = seed,
		.estimator = malloc(estimator_size()),
		.wandered = world->frequency * 1e9,
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

static void report(const struct world *world, const struct result *result, unsigned seeds)
{
	const struct sums *over = &result->over;
	double ratio = rms(over) / rms(&result->told_over);

	printf("%-16s %8.3g %8.3g | %9.4g %9.4g %9.3g | %9.4g %9.4g %5.2f | %4.2f %6.4f | %8.2g %4.2f %7.1e | %9.3g %9.3g %8.2g %4.2f %6.4f | %4.1f%s\n",
			world->name, world->floor_ns, world->goal_ns, rms(&result->after), rms(over),
			over->max, rms(&result->told_after), rms(&result->told_over), ratio,
			over->within / over->count, over->beyond / over->count,
			rms(&result->frequency), result->frequency.within / result->frequency.count,
			result->wander / seeds, rms(&result->fourth), rms(&result->best_of_four),
			rms(&result->fourth_frequency),
			result->fourth.within / result->fourth.count,
			result->fourth.beyond / result->fourth.count, result->seconds / result->samples * 1e6,
			world->goal_ns == 0              ? ""
			: rms(over) <= world->goal_ns  ? " goal"
			: rms(over) <= world->floor_ns ? " floor"
						       : " MISSED");
	if (world->holdover_s > 0) {
		double unavoidable = world->wander * 1e9 * sqrt(pow(world->holdover_s, 3) / 3);

		printf("%-16s held %.4g told %.4g: %.3f of it, unavoidable %.4g; within %.2f\n", "",
				rms(&result->held), rms(&result->told_held),
				rms(&result->held) / rms(&result->told_held), unavoidable,
				result->held.within / result->held.count);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	unsigned seeds = 20, samples = 8000;
	const char *prefix = "";

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
			seeds = (unsigned)atoi(argv[++i]);
		else if (strcmp(argv[i], "--samples") == 0 && i + 1 < argc)
			samples = (unsigned)atoi(argv[++i]);
		else
			prefix = argv[i];
	}
	printf("%-16s %8s %8s | %9s %9s %9s | %9s %9s %5s | %4s %6s | %8s %4s %7s | %9s %9s %8s %4s %6s | us\n", "ns",
			"floor", "goal", "after", "over", "max", "K after", "K over", "ratio", "<1sd",
			">3sd", "freq", "<1sd", "wander", "fourth", "lowest", "freq4", "<1sd", ">3sd");
	for (size_t i = 0; i < sizeof(worlds) / sizeof(worlds[0]); i++) {
		struct result result = { 0 };

		if (strncmp(worlds[i].name, prefix, strlen(prefix)) != 0)
			continue;
		for (unsigned seed = 1; seed <= seeds; seed++)
			run_world(&worlds[i], seed, samples, &result);
		report(&worlds[i], &result, seeds);
	}
	return 0;
}
