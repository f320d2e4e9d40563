// SPDX-License-Identifier: BSD-3-Clause
#include "world.h"

#include "answer.h"
#include "noise.h"

#include <stdlib.h>

#define SOFTWARE_NS 20e3 // mean time that control takes from a packet's arrival to looking at it

struct world {
	const struct plan *plan;
	struct events *events;
	struct host hosts[PLAN_HOSTS];
	struct issued issued[PLAN_HOSTS][PLAN_UPSTREAM];
	uint64_t random;
};

static void add_event(struct world *world, unsigned host, enum event_kind kind, double true_s,
		double number)
{
	if (true_s < 0)
		return;
	events_add(world->events,
			&(struct event){
					.true_ns = llround(true_s * 1e9),
					.kind = kind,
					.host = host,
					.number = number,
			});
}

static void add_fate(struct world *world, unsigned host)
{
	const struct host_options *options = &world->plan->hosts[host];

	add_event(world, host, EVENT_START, options->start_s, 0);
	add_event(world, host, EVENT_AUDIT, options->start_s, 0);
	if (options->step_at_s > 0)
		add_event(world, host, EVENT_STEP, options->step_at_s, options->step_s);
	if (options->sleep_at_s > 0) {
		add_event(world, host, EVENT_SLEEP, options->sleep_at_s, 0);
		add_event(world, host, EVENT_WAKE, options->sleep_at_s + options->sleep_s, 0);
	}
	if (options->boot_at_s > 0)
		add_event(world, host, EVENT_RESTART, options->boot_at_s, 0);
}

static void answer_request(struct world *world, struct event *event)
{
	const struct upstream_options *upstream =
			&world->plan->hosts[event->host].upstream[event->source];
	int64_t left_ns;
	double delay_ns = 0;

	if (upstream->is_host)
		left_ns = host_answer(&world->hosts[upstream->from], event->true_ns, event->packet);
	else
		left_ns = server_answer(world->plan, upstream->from, event->true_ns, &world->random,
				&world->issued[event->host][event->source], event->packet);
	if (left_ns < 0 || !link_carry(&upstream->link, left_ns, true, &world->random, &delay_ns))
		return;
	struct event reply = *event;

	reply.kind = EVENT_REPLY;
	reply.number = noise_exponential(&world->random, SOFTWARE_NS);
	reply.true_ns = left_ns + llround(delay_ns + reply.number);
	reply.length = NTP_HEADER_SIZE;
	events_add(world->events, &reply);
}

static void audit(struct world *world, const struct event *event)
{
	double next_s = noise_exponential(&world->random, world->plan->audit_s);

	host_look(&world->hosts[event->host], event->true_ns);
	add_event(world, event->host, EVENT_AUDIT, (double)event->true_ns * 1e-9 + next_s, 0);
}

static void happen(struct world *world, struct event *event)
{
	struct host *host = &world->hosts[event->host];

	switch (event->kind) {
	case EVENT_START:
		host_start(host, event->true_ns, false);
		break;
	case EVENT_POLL:
		host_on_poll(host, event);
		break;
	case EVENT_TIMER:
		host_on_timer(host, event);
		break;
	case EVENT_REQUEST:
		answer_request(world, event);
		break;
	case EVENT_REPLY:
		host_on_reply(host, event);
		break;
	case EVENT_AUDIT:
		audit(world, event);
		break;
	case EVENT_STEP:
		host_on_step(host, event->true_ns, event->number);
		break;
	case EVENT_SLEEP:
		host_on_sleep(host, event->true_ns);
		break;
	case EVENT_WAKE:
		host_on_wake(host, event->true_ns);
		break;
	case EVENT_NOTICE:
		host_on_notice(host, event->true_ns);
		break;
	case EVENT_RESTART:
		host_on_restart(host, event->true_ns);
		break;
	}
}

static void describe(const struct host *host, struct outcome *outcome)
{
	utc_t now = kernel_clock_read(&host->clock, oscillator_raw_ns(&host->oscillator, 0));

	outcome->measure = host->measure;
	outcome->gave_up = host->gave_up;
	for (unsigned i = 0; i < host->options->upstream_count; i++) {
		struct source_report report;

		discipline_describe(host->discipline, i, now, &report);
		outcome->states[i] = report.state;
		outcome->polls[i] = report.poll;
		for (unsigned verdict = 0; verdict < ASSOCIATION_VERDICTS; verdict++)
			outcome->verdicts[i][verdict] = host->upstream[i].verdicts[verdict];
	}
}

void world_run(const struct plan *plan, uint64_t seed, bool trace, struct outcome *outcome)
{
	struct world *world = calloc(1, sizeof(*world));
	int64_t end_ns = llround(plan->duration_s * 1e9);
	struct event event;

	if (!world)
		abort();
	*outcome = (struct outcome){ 0 };
	*world = (struct world){ .plan = plan, .events = events_open(), .random = seed };
	for (unsigned i = 0; i < plan->host_count; i++) {
		host_init(&world->hosts[i], plan, i, world->events, random_next(&world->random));
		world->hosts[i].trace = trace && i == plan->watched;
		add_fate(world, i);
	}
	while (events_next(world->events, &event)) {
		bool over = event.true_ns >= end_ns;

		if (!over) {
			outcome->events++;
			happen(world, &event);
		}
		free(event.packet);
		if (over)
			break;
	}
	describe(&world->hosts[plan->watched], outcome);
	for (unsigned i = 0; i < plan->host_count; i++)
		host_done(&world->hosts[i]);
	events_close(world->events);
	free(world);
}
