// SPDX-License-Identifier: BSD-3-Clause
#include "host.h"

#include "noise.h"

#include <stdio.h>

#define SOFTWARE_NS 10e3 // mean time from control's decision to the packet's departure
#define LEAST_SKEW  1e-8 // of a drift file: its format has thousandths of a ppm
#define RTC_ERROR_S 0.5  // what the kernel's own idea of time asleep may be off by

static long double raw_now(const struct host *host)
{
	return oscillator_raw_ns(&host->oscillator, 0);
}

static utc_t clock_now(const struct host *host)
{
	return kernel_clock_read(&host->clock, raw_now(host));
}

static int64_t free_now(const struct host *host)
{
	return timeline_free_ns(discipline_timeline(host->discipline), clock_now(host));
}

static void trace(const struct host *host, const char *what, double number)
{
	if (host->trace)
		printf("%14.6f host %u %s %.9g\n", (double)host->oscillator.true_ns * 1e-9,
				host->number, what, number);
}

static uint32_t refid_of_host(unsigned number)
{
	return 0x0a000001 + number; // 10.0.0.1 and up
}

static uint32_t refid_of_server(unsigned number)
{
	return 0x0a010001 + number;
}

void host_init(struct host *host, const struct plan *plan, unsigned number, struct events *events,
		uint64_t seed)
{
	const struct host_options *options = &plan->hosts[number];

	*host = (struct host){
		.plan = plan,
		.options = options,
		.number = number,
		.events = events,
		.random = seed,
		.word_true_ns = -1,
		.page_true_ns = -1,
	};
	oscillator_init(&host->oscillator, &options->oscillator, 0, random_next(&host->random));
	kernel_clock_init(&host->clock, raw_now(host),
			utc_add(plan->start, llround(options->error_s * 1e9)));
	measure_init(&host->measure);
}

void host_done(struct host *host)
{
	discipline_close(host->discipline);
}

// When the oscillator will have come to `free_ns`, as poll() finds out: a millisecond's grain, and late.
static int64_t due_ns(struct host *host, int64_t free_ns)
{
	double away_ns = (double)(free_ns - free_now(host));
	double late_ns = noise_exponential(&host->random, host->options->late_s * 1e9);

	away_ns = fmax(away_ns / (1 + oscillator_frequency(&host->oscillator)), 0);
	if (host->options->late_s > 0)
		late_ns += 1e6 * noise_uniform(&host->random);
	return host->oscillator.true_ns + 1 + llround(fmin(away_ns, 1e17) + late_ns);
}

static void set_timer(struct host *host, int64_t free_ns)
{
	host->timer_free_ns = free_ns;
	host->timer_generation++;
	if (free_ns == INT64_MAX)
		return;
	events_add(host->events,
			&(struct event){
					.true_ns = due_ns(host, free_ns),
					.kind = EVENT_TIMER,
					.host = host->number,
					.generation = host->timer_generation,
			});
}

static void set_poll(struct host *host, unsigned source, int64_t free_ns)
{
	struct upstream *upstream = &host->upstream[source];

	upstream->poll_free_ns = free_ns;
	upstream->poll_generation++;
	if (free_ns == INT64_MAX)
		return;
	events_add(host->events,
			&(struct event){
					.true_ns = due_ns(host, free_ns),
					.kind = EVENT_POLL,
					.host = host->number,
					.source = source,
					.generation = upstream->poll_generation,
			});
}

// A stamp of a moment that is `from_now_ns` away, with its level's noise: early ones are of packets
// that leave, late ones of packets that come.
static struct association_stamp stamp_of(struct host *host, double from_now_ns, bool late)
{
	const struct host_options *options = &host->options[0];
	double noise_ns = 0;

	if (options->stamp_s > 0 && options->level == STAMP_HARDWARE)
		noise_ns = options->stamp_s * 1e9 * noise_normal(&host->random);
	else if (options->stamp_s > 0)
		noise_ns = (late ? 1 : -1)
				* noise_exponential(&host->random, options->stamp_s * 1e9);
	long double raw = oscillator_raw_ns(&host->oscillator, from_now_ns + noise_ns);
	uint64_t steps_since = host->clock.now.epoch - kernel_clock_epoch(&host->clock, raw);

	// Of steps by others control knows nothing yet.
	return (struct association_stamp){
		.local = kernel_clock_read(&host->clock, raw),
		.epoch = discipline_timeline(host->discipline)->epoch - steps_since,
		.level = options->level,
	};
}

static void send_request(struct host *host, unsigned source, struct association_action *action)
{
	struct upstream *upstream = &host->upstream[source];
	const struct link_options *link = &host->options->upstream[source].link;
	double leave_ns = noise_exponential(&host->random, SOFTWARE_NS), delay_ns = 0;
	struct association *association = discipline_association(host->discipline, source);
	struct association_stamp stamp = stamp_of(host, leave_ns, false);
	int64_t true_ns = host->oscillator.true_ns;

	upstream->request++;
	association_on_sent(association, &stamp);
	if (!link_carry(link, true_ns, false, &host->random, &delay_ns))
		return;
	events_add(host->events,
			&(struct event){
					.true_ns = true_ns + llround(leave_ns + delay_ns),
					.kind = EVENT_REQUEST,
					.host = host->number,
					.source = source,
					.generation = upstream->request,
					.length = action->send_length,
					.packet = action->packet,
			});
}

static void perform_action(struct host *host, unsigned source, struct association_action *action)
{
	if (action->send_length)
		send_request(host, source, action);
	set_poll(host, source, action->wake_free_ns);
}

static void perform_command(struct host *host, const struct discipline_command *command)
{
	const struct servo_command *clock = &command->clock;

	if (clock->verdict == SERVO_GIVE_UP)
		host->gave_up = true;
	if (clock->verdict == SERVO_ADJUST) {
		utc_t before = clock_now(host);
		double took = kernel_clock_adjust(
				&host->clock, raw_now(host), clock->step_ns, clock->frequency);

		discipline_did(host->discipline, before, clock->step_ns, took);
		host->word_true_ns = -1;
		host->page_true_ns = -1;
		trace(host, "frequency", took);
		if (clock->step_ns)
			trace(host, "step", (double)clock->step_ns * 1e-9);
	}
	set_timer(host, command->wake_free_ns);
}

// After the daemon's start, or a jump.
static void begin(struct host *host)
{
	struct discipline_command command = { 0 };

	discipline_on_timer(host->discipline, clock_now(host), &command);
	perform_command(host, &command);
	for (unsigned i = 0; i < host->options->upstream_count; i++) {
		struct association_action action = { 0 };

		discipline_on_start(host->discipline, i, clock_now(host), &action);
		perform_action(host, i, &action);
	}
}

void host_start(struct host *host, int64_t true_ns, bool with_drift)
{
	struct discipline_options options = host->options->discipline;
	uint32_t own = refid_of_host(host->number);

	oscillator_advance(&host->oscillator, true_ns);
	if (with_drift) {
		options.initial_frequency = host->frequency_before;
		options.initial_skew = fmax(host->skew_before, LEAST_SKEW);
	}
	host->discipline = discipline_open(&options, clock_now(host), host->clock.now.frequency,
			random_next(&host->random));
	discipline_set_own_refids(host->discipline, &own, 1);
	for (unsigned i = 0; i < host->options->upstream_count; i++) {
		const struct upstream_options *upstream = &host->options->upstream[i];
		struct source_options source = upstream->source;

		source.refid = upstream->is_host ? refid_of_host(upstream->from)
						 : refid_of_server(upstream->from);
		discipline_add(host->discipline, &source);
	}
	begin(host);
}

void host_on_poll(struct host *host, const struct event *event)
{
	struct upstream *upstream = &host->upstream[event->source];
	struct association_action action = { 0 };
	struct discipline_command command = { 0 };

	if (!host->discipline || host->asleep || event->generation != upstream->poll_generation)
		return;
	oscillator_advance(&host->oscillator, event->true_ns);
	if (free_now(host) < upstream->poll_free_ns) {
		set_poll(host, event->source, upstream->poll_free_ns);
		return;
	}
	discipline_on_poll(host->discipline, event->source, clock_now(host),
			random_next(&host->random), &action, &command);
	perform_command(host, &command);
	perform_action(host, event->source, &action);
}

void host_on_timer(struct host *host, const struct event *event)
{
	struct discipline_command command = { 0 };

	if (!host->discipline || host->asleep || event->generation != host->timer_generation)
		return;
	oscillator_advance(&host->oscillator, event->true_ns);
	if (free_now(host) < host->timer_free_ns) {
		set_timer(host, host->timer_free_ns);
		return;
	}
	discipline_on_timer(host->discipline, clock_now(host), &command);
	perform_command(host, &command);
}

static void trace_sample(const struct host *host, unsigned source, enum association_verdict verdict)
{
	struct source_report report;

	if (!host->trace)
		return;
	discipline_describe(host->discipline, source, clock_now(host), &report);
	printf("%14.6f host %u source %u verdict %d state %d poll %d reach %o offset %.0f delay %lld "
	       "estimate %.0f +- %.0f ns, frequency %.4g +- %.2g, jitter %.0f ns\n",
			(double)host->oscillator.true_ns * 1e-9, host->number, source, (int)verdict,
			(int)report.state, report.poll, report.reach,
			(double)(report.last.offset_ns
					- timeline_correction_ns(
							discipline_timeline(host->discipline),
							report.last.free_ns)),
			(long long)report.last.delay_ns,
			(double)(report.estimate.offset_ns
					- timeline_correction_ns(
							discipline_timeline(host->discipline),
							free_now(host))),
			report.estimate.offset_sd_ns, report.estimate.frequency,
			report.estimate.frequency_sd, report.estimate.jitter_ns);
}

// The packet has arrived event->number ns ago.
void host_on_reply(struct host *host, const struct event *event)
{
	struct upstream *upstream = &host->upstream[event->source];
	struct association_action action = { 0 };
	struct discipline_command command = { 0 };

	// An answer to a port that is closed by now.
	if (!host->discipline || host->asleep || event->generation != upstream->request)
		return;
	oscillator_advance(&host->oscillator, event->true_ns);
	struct association_stamp stamp = stamp_of(host, -event->number, true);
	enum association_verdict verdict = discipline_on_reply(host->discipline, event->source,
			clock_now(host), event->packet, event->length, &stamp, &action, &command);

	upstream->verdicts[verdict]++;
	trace_sample(host, event->source, verdict);
	perform_command(host, &command);
	perform_action(host, event->source, &action);
}

// Somebody else sets the clock; control compares clocks several times a second and sees it.
static void jump(struct host *host, double jump_ns)
{
	kernel_clock_adjust(
			&host->clock, raw_now(host), llround(jump_ns), host->clock.now.frequency);
	host->pending_jump_ns += jump_ns;
	host->page_true_ns = -1;
	events_add(host->events,
			&(struct event){
					.true_ns = host->oscillator.true_ns
							+ llround(50e6 * noise_uniform(&host->random)),
					.kind = EVENT_NOTICE,
					.host = host->number,
			});
}

void host_on_step(struct host *host, int64_t true_ns, double step_s)
{
	oscillator_advance(&host->oscillator, true_ns);
	jump(host, step_s * 1e9);
}

void host_on_sleep(struct host *host, int64_t true_ns)
{
	oscillator_advance(&host->oscillator, true_ns);
	host->asleep = true;
}

void host_on_wake(struct host *host, int64_t true_ns)
{
	double slept_ns = (double)(true_ns - host->oscillator.true_ns);

	oscillator_skip(&host->oscillator, true_ns);
	host->asleep = false;
	jump(host, slept_ns + RTC_ERROR_S * 1e9 * (2 * noise_uniform(&host->random) - 1));
}

void host_on_notice(struct host *host, int64_t true_ns)
{
	int64_t jump_ns = llround(host->pending_jump_ns);

	if (!host->discipline || jump_ns == 0)
		return;
	oscillator_advance(&host->oscillator, true_ns);
	utc_t now = clock_now(host);

	host->pending_jump_ns = 0;
	discipline_on_jump(host->discipline, utc_add(now, -jump_ns), jump_ns);
	host->word_true_ns = -1;
	host->page_true_ns = -1;
	begin(host);
}

void host_on_restart(struct host *host, int64_t true_ns)
{
	struct source_report report;
	utc_t wrong = utc_add(host->plan->start, true_ns + llround(host->options->error_s * 1e9));

	oscillator_advance(&host->oscillator, true_ns);
	discipline_describe(host->discipline, 0, clock_now(host), &report);
	host->frequency_before = report.estimate.frequency;
	host->skew_before = report.estimate.frequency_sd;
	discipline_close(host->discipline);
	if (!host->options->daemon_only)
		kernel_clock_init(&host->clock, raw_now(host), wrong);
	host->word_true_ns = -1;
	host->page_true_ns = -1;
	host_start(host, true_ns, !host->options->daemon_only);
}
