// SPDX-License-Identifier: BSD-3-Clause
#include "control/member.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

// A stamp outside what the daemon saw by more than this is not of this packet.
#define STAMP_SLACK_NS 1'000'000

static void perform(struct member *member, const struct association_action *action);

uint64_t member_random(void)
{
	uint64_t random;

	// Fails only where the kernel is older than the call; then guessing is as hard as we can make it.
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)loop_now_ns() * UINT64_C(0x9e3779b97f4a7c15);
	return random;
}

static utc_t now_of(const struct member *member)
{
	return member->world->clock->driver->now(member->world->clock);
}

static uint64_t epoch_of(const struct member *member)
{
	return discipline_timeline(member->world->discipline)->epoch;
}

utc_t member_clock_stamp(const struct local_clock *clock, utc_t real)
{
	return clock->driver->from_real ? clock->driver->from_real(clock, real) : real;
}

static void hang_up(struct member *member)
{
	loop_forget(member->world->loop, &member->file);
	upstream_close(&member->upstream);
}

static void say_unreachable(struct member *member, int error)
{
	member->unreachable++;
	if (error != member->error)
		log_warn("server %s: %s", member->text, strerror(error));
	member->error = error;
}

static void say_reachable(struct member *member)
{
	if (member->error)
		log_info("server %s: answers again", member->text);
	member->error = 0;
}

// Of the kernel if it can be of this packet, else the daemon's: now.
static struct association_stamp choose_stamp(
		const struct member *member, const struct upstream_message *message)
{
	struct association_stamp stamp = {
		.local = now_of(member),
		.epoch = epoch_of(member),
		.level = STAMP_DAEMON,
	};

	// What a clock showed before it was set says nothing of the clock now.
	if (!message->stamped || member->sent.epoch != stamp.epoch)
		return stamp;
	utc_t kernel = member_clock_stamp(member->world->clock, message->stamp);

	if (utc_diff_ns(kernel, member->sent.local) < -STAMP_SLACK_NS
			|| utc_diff_ns(stamp.local, kernel) < -STAMP_SLACK_NS)
		return stamp;
	stamp.local = kernel;
	stamp.level = STAMP_KERNEL;
	return stamp;
}

static void take_sent(struct member *member, const struct upstream_message *message)
{
	struct association_stamp stamp = choose_stamp(member, message);

	if (stamp.level == STAMP_KERNEL)
		association_on_sent(discipline_association(member->world->discipline,
						    (unsigned)member->source),
				&stamp);
}

static void take_answer(struct member *member, const struct upstream_message *message)
{
	const struct member_world *world = member->world;
	unsigned source = (unsigned)member->source;
	struct association_stamp received = choose_stamp(member, message);
	struct association_action action;
	struct discipline_command command;
	enum association_verdict verdict = discipline_on_reply(world->discipline, source,
			now_of(member), message->packet, message->length, &received, &action,
			&command);

	if (verdict != ASSOCIATION_MALFORMED && verdict != ASSOCIATION_BOGUS
			&& verdict != ASSOCIATION_DUPLICATE) {
		member->answered = true;
		say_reachable(member);
	}
	adjuster_perform(world->adjuster, &command);
	world->on_answer(world->context, member, verdict);
	perform(member, &action);
}

static void on_ready(void *context, short events)
{
	struct member *member = context;
	struct upstream_message message;

	upstream_receive(&member->upstream, events, &message);
	switch (message.event) {
	case UPSTREAM_SENT:
		take_sent(member, &message);
		break;
	case UPSTREAM_ANSWER:
		take_answer(member, &message);
		break;
	case UPSTREAM_UNREACHABLE:
		say_unreachable(member, message.error);
		break;
	case UPSTREAM_NOTHING:
		break;
	}
}

// Returns 0 or -errno.
static int dial(struct member *member)
{
	int error = upstream_open(&member->upstream, &member->world->upstream, &member->server);

	if (error)
		return error;
	member->file = (struct loop_file){
		.descriptor = member->upstream.descriptor,
		.events = upstream_events(),
		.on_ready = on_ready,
		.context = member,
	};
	error = loop_watch(member->world->loop, &member->file);
	if (error)
		upstream_close(&member->upstream);
	return error;
}

// Returns 0 or -errno.
static int send_once(struct member *member, const struct association_action *action)
{
	int error = member->upstream.descriptor < 0 ? dial(member) : 0;

	if (error)
		return error;
	member->sent = (struct association_stamp){
		.local = now_of(member),
		.epoch = epoch_of(member),
		.level = STAMP_DAEMON,
	};
	error = upstream_send(&member->upstream, action->packet, action->send_length);
	if (error) {
		hang_up(member);
		return error;
	}
	association_on_sent(
			discipline_association(member->world->discipline, (unsigned)member->source),
			&member->sent);
	return 0;
}

static void send_request(struct member *member, const struct association_action *action)
{
	int error;

	// Our address or the route may be another by now: a socket that was not answered gets no
	// second try.
	if (action->new_port || !member->answered)
		hang_up(member);
	member->answered = false;
	bool is_new = member->upstream.descriptor < 0;

	error = send_once(member, action);
	if (error && !is_new)
		error = send_once(member, action);
	if (error)
		say_unreachable(member, -error);
}

static void set_timer(struct member *member)
{
	struct timer_heap *timers = &member->world->loop->timers;
	int64_t due_ns = adjuster_due_ns(member->world->adjuster, member->wake_free_ns);

	if (due_ns == INT64_MAX)
		timer_heap_cancel(timers, &member->timer);
	else
		timer_heap_set(timers, &member->timer, due_ns);
}

static void perform(struct member *member, const struct association_action *action)
{
	if (action->send_length)
		send_request(member, action);
	member->wake_free_ns = action->wake_free_ns;
	set_timer(member);
	if (action->replace)
		member->world->on_replace(member->world->context, (unsigned)member->source);
}

static void on_timer(void *context)
{
	struct member *member = context;
	const struct member_world *world = member->world;
	struct association_action action;
	struct discipline_command command;

	// Free time is not the loop's: a little may be left.
	if (adjuster_free_ns(world->adjuster) < member->wake_free_ns) {
		set_timer(member);
		return;
	}
	discipline_on_poll(world->discipline, (unsigned)member->source, now_of(member),
			member_random(), &action, &command);
	adjuster_perform(world->adjuster, &command);
	perform(member, &action);
}

int member_open(struct member *member, const struct upstream_server *server,
		const struct source_options *options)
{
	const struct member_world *world = member->world;
	int source = discipline_add(world->discipline, options);

	if (source < 0)
		return source;
	*member = (struct member){
		.world = world,
		.source = source,
		.options = *options,
		.server = *server,
		.upstream.descriptor = -1,
		.said_state = -1,
		.timer = { .on_due = on_timer, .context = member },
	};
	address_print(&server->address, member->text);
	if (world->on_open)
		world->on_open(world->context, member);
	member_restart(member);
	return 0;
}

void member_restart(struct member *member)
{
	struct association_action action;

	discipline_on_start(member->world->discipline, (unsigned)member->source, now_of(member),
			&action);
	perform(member, &action);
}

void member_close(struct member *member)
{
	if (member->source < 0)
		return;
	hang_up(member);
	timer_heap_cancel(&member->world->loop->timers, &member->timer);
	discipline_remove(member->world->discipline, (unsigned)member->source);
	member->source = -1;
}
