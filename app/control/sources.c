// SPDX-License-Identifier: BSD-3-Clause
#include "control/sources.h"

#include "base/log.h"
#include "control/refid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS       (20 * INT64_C(1'000'000)) // at a name that is being looked up
#define RETRY_S       4                         // first, doubled each time
#define REPLACEMENT_S 64                        // likewise for a replacement's sake
#define DOUBLED       6                         // at most so often

// What became of one spec.
struct line {
	const struct source_spec *spec;
	struct resolver_result found;
	bool is_name;
	bool found_once;
	int64_t due_ns;       // when it is to be looked up, INT64_MAX: not
	int64_t looked_up_ns; // when it was
	unsigned failures;    // in a row, to find an address
	unsigned fruitless;   // likewise, to find one nobody asks
};

// What belongs to a member beside the asking.
struct note {
	unsigned line;
	bool is_bad; // to be replaced
};

struct sources {
	struct sources_options options;
	struct member_world world;
	struct member members[DISCIPLINE_SOURCES];
	struct note notes[DISCIPLINE_SOURCES];
	struct line *lines;
	struct resolver *resolver; // under way, or NULL
	unsigned resolving;        // the line
	struct timer timer;
	int stamping; // upstream_keep_stamping()
};

static int64_t seconds(double seconds)
{
	return (int64_t)(seconds * NS_PER_S);
}

static bool is_of_line(const struct sources *sources, unsigned index, unsigned line)
{
	return sources->members[index].source >= 0 && sources->notes[index].line == line;
}

static unsigned count_members(const struct sources *sources, unsigned line)
{
	unsigned count = 0;

	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++)
		count += is_of_line(sources, i, line);
	return count;
}

static bool is_asked(const struct sources *sources, const struct resolver_address *address,
		uint16_t port)
{
	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++) {
		const struct member *member = &sources->members[i];

		if (member->source >= 0 && member->server.port == port
				&& member->server.scope == address->scope
				&& address_equals(&member->server.address, &address->address))
			return true;
	}
	return false;
}

static void add(struct sources *sources, unsigned line, const struct resolver_address *address)
{
	const struct source_spec *spec = sources->lines[line].spec;
	struct source_options options = spec->options;
	struct upstream_server server = {
		.address = address->address,
		.scope = address->scope,
		.port = spec->port,
	};
	unsigned free_index = 0;
	int error = -ENOSPC;

	while (free_index < DISCIPLINE_SOURCES && sources->members[free_index].source >= 0)
		free_index++;
	options.refid = refid_of_address(&address->address);
	if (free_index < DISCIPLINE_SOURCES) {
		sources->notes[free_index] = (struct note){ .line = line };
		error = member_open(&sources->members[free_index], &server, &options);
	}
	if (error)
		log_error("%s %s: %s", spec->is_pool ? "pool" : "server", spec->name,
				strerror(-error));
	else if (strcmp(sources->members[free_index].text, spec->name) != 0)
		log_info("%s %s: asking %s", spec->is_pool ? "pool" : "server", spec->name,
				sources->members[free_index].text);
}

// The first of its addresses that nobody asks and that did not prove bad; taken from the list, so that
// it does not come back before the name is looked up again. NULL: none.
static const struct resolver_address *take_unused(
		const struct sources *sources, struct line *line, struct resolver_address *taken)
{
	struct resolver_result *found = &line->found;

	while (found->count > 0) {
		*taken = found->addresses[0];
		found->count--;
		memmove(found->addresses, found->addresses + 1,
				found->count * sizeof(found->addresses[0]));
		if (!is_asked(sources, taken, line->spec->port))
			return taken;
	}
	return NULL;
}

static void wake(struct sources *sources, int64_t due_ns)
{
	if (sources->timer.place == 0 || due_ns < sources->timer.due_ns)
		timer_heap_set(&sources->world.loop->timers, &sources->timer, due_ns);
}

static int64_t doubled_ns(int64_t first_s, unsigned times)
{
	return (first_s << (times < DOUBLED ? times : DOUBLED)) * NS_PER_S;
}

// Looks the name up again, but not all the time.
static void ask_for_more(struct line *line)
{
	int64_t earliest_ns = line->looked_up_ns + doubled_ns(REPLACEMENT_S, line->fruitless);

	if (line->due_ns > earliest_ns)
		line->due_ns = earliest_ns;
}

static void replace_bad(struct sources *sources, unsigned number)
{
	struct line *line = &sources->lines[number];
	struct resolver_address address;

	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++) {
		if (!is_of_line(sources, i, number) || !sources->notes[i].is_bad)
			continue;
		if (!take_unused(sources, line, &address)) {
			ask_for_more(line);
			return;
		}
		log_warn("%s %s: %s is replaced", line->spec->is_pool ? "pool" : "server",
				line->spec->name, sources->members[i].text);
		member_close(&sources->members[i]);
		add(sources, number, &address);
		line->fruitless = 0;
	}
}

static void fill_up(struct sources *sources, unsigned line)
{
	const struct source_spec *spec = sources->lines[line].spec;
	unsigned wanted = spec->is_pool ? spec->max_members : 1;
	struct resolver_address address;

	while (count_members(sources, line) < wanted
			&& take_unused(sources, &sources->lines[line], &address))
		add(sources, line, &address);
}

// One that the name no longer means is given up even if it answers; one at a time.
static void mark_outdated(struct sources *sources, unsigned line)
{
	const struct resolver_result *found = &sources->lines[line].found;

	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++) {
		const struct upstream_server *server = &sources->members[i].server;
		bool is_meant = false;

		if (!is_of_line(sources, i, line))
			continue;
		for (unsigned j = 0; j < found->count; j++)
			is_meant |= address_equals(&found->addresses[j].address, &server->address)
					&& found->addresses[j].scope == server->scope;
		if (!is_meant) {
			sources->notes[i].is_bad = true;
			return;
		}
	}
}

// Members of a pool are spread over all that it has.
static void shuffle(struct resolver_result *found)
{
	uint64_t random = member_random();

	for (unsigned left = found->count; left > 1; left--) {
		unsigned other = (unsigned)(random % left);
		struct resolver_address moved = found->addresses[other];

		found->addresses[other] = found->addresses[left - 1];
		found->addresses[left - 1] = moved;
		random = random / left + (random << 57);
	}
}

static void say_not_found(struct line *line, const char *problem)
{
	if (line->failures == 0)
		log_warn("%s %s: %s", line->spec->is_pool ? "pool" : "server", line->spec->name,
				problem);
}

static void take_result(struct sources *sources, struct line *line)
{
	unsigned number = (unsigned)(line - sources->lines);

	line->looked_up_ns = loop_now_ns();
	line->due_ns = INT64_MAX;
	if (line->found.count == 0) {
		say_not_found(line, line->found.problem);
		line->due_ns = line->looked_up_ns + doubled_ns(RETRY_S, line->failures++);
		return;
	}
	line->failures = 0;
	if (sources->options.refresh_s > 0)
		line->due_ns = line->looked_up_ns + seconds(sources->options.refresh_s);
	if (line->spec->is_pool)
		shuffle(&line->found);
	if (line->found_once)
		mark_outdated(sources, number);
	line->found_once = true;
	line->fruitless++;
	replace_bad(sources, number);
	fill_up(sources, number);
	if (count_members(sources, number) == 0)
		log_warn("server %s: all its addresses are asked already", line->spec->name);
}

static struct line *next_line(const struct sources *sources)
{
	struct line *next = &sources->lines[0];

	for (unsigned i = 1; i < sources->options.spec_count; i++) {
		if (sources->lines[i].due_ns < next->due_ns)
			next = &sources->lines[i];
	}
	return next;
}

// One name at a time.
static void begin(struct sources *sources, struct line *line)
{
	int error = resolver_start(&sources->resolver, line->spec->name, line->spec->family);

	sources->resolving = (unsigned)(line - sources->lines);
	if (!error)
		return;
	say_not_found(line, strerror(-error));
	line->due_ns = loop_now_ns() + doubled_ns(RETRY_S, line->failures++);
}

static void on_timer(void *context)
{
	struct sources *sources = context;
	struct line *line = &sources->lines[sources->resolving];

	if (sources->resolver && resolver_take(sources->resolver, &line->found)) {
		sources->resolver = NULL;
		take_result(sources, line);
	}
	for (unsigned i = 0; i < sources->options.spec_count; i++)
		replace_bad(sources, i);
	line = next_line(sources);
	if (!sources->resolver && line->due_ns <= loop_now_ns())
		begin(sources, line);
	if (sources->resolver)
		wake(sources, loop_now_ns() + LOOK_NS);
	else if ((line = next_line(sources))->due_ns != INT64_MAX)
		wake(sources, line->due_ns);
}

static unsigned index_of(const struct sources *sources, unsigned source)
{
	unsigned index = 0;

	while (sources->members[index].source != (int)source)
		index++;
	return index;
}

// Later, for the member is at work.
static void on_replace(void *context, unsigned source)
{
	struct sources *sources = context;
	struct note *note = &sources->notes[index_of(sources, source)];

	// Of an address that was configured as such there is no other.
	if (note->is_bad || !sources->lines[note->line].is_name)
		return;
	note->is_bad = true;
	wake(sources, 0);
}

static void on_answer(void *context, const struct member *member, enum association_verdict verdict)
{
	struct sources *sources = context;

	if (verdict == ASSOCIATION_SAMPLE)
		sources->notes[member - sources->members].is_bad = false;
	if (sources->options.on_answer)
		sources->options.on_answer(sources->options.context, member, verdict);
}

static void on_open(void *context, const struct member *member)
{
	struct sources *sources = context;

	if (sources->options.on_open)
		sources->options.on_open(sources->options.context, member);
}

static void start_line(struct sources *sources, unsigned number)
{
	struct line *line = &sources->lines[number];
	struct resolver_address address;

	*line = (struct line){
		.spec = &sources->options.specs[number],
		.due_ns = INT64_MAX,
	};
	line->is_name = resolver_read_address(line->spec->name, &address) != 0;
	if (line->is_name) {
		line->due_ns = 0;
		wake(sources, 0);
	} else if (is_asked(sources, &address, line->spec->port)) {
		log_warn("server %s: is asked already", line->spec->name);
	} else {
		add(sources, number, &address);
	}
}

int sources_open(struct sources **result, const struct sources_options *options,
		struct adjuster *adjuster)
{
	struct sources *sources = calloc(1, sizeof(*sources));

	if (!sources)
		return -ENOMEM;
	*sources = (struct sources){
		.options = *options,
		.world = {
			.clock = adjuster->clock,
			.discipline = adjuster->discipline,
			.loop = adjuster->loop,
			.adjuster = adjuster,
			.upstream = options->upstream,
			.on_replace = on_replace,
			.on_open = on_open,
			.on_answer = on_answer,
			.context = sources,
		},
		.lines = calloc(options->spec_count + 1, sizeof(*sources->lines)),
		.stamping = upstream_keep_stamping(),
		.timer = { .on_due = on_timer, .context = sources },
	};
	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++) {
		sources->members[i].world = &sources->world;
		sources->members[i].source = -1;
	}
	if (!sources->lines) {
		sources_close(sources);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < options->spec_count; i++)
		start_line(sources, i);
	*result = sources;
	return 0;
}

void sources_close(struct sources *sources)
{
	if (!sources)
		return;
	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++)
		member_close(&sources->members[i]);
	timer_heap_cancel(&sources->world.loop->timers, &sources->timer);
	resolver_abandon(sources->resolver);
	if (sources->stamping >= 0)
		close(sources->stamping);
	free(sources->lines);
	free(sources);
}

void sources_restart(struct sources *sources)
{
	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++) {
		if (sources->members[i].source >= 0)
			member_restart(&sources->members[i]);
	}
}

bool sources_unresolved(const struct sources *sources)
{
	for (unsigned i = 0; i < sources->options.spec_count; i++) {
		if (sources->lines[i].is_name && !sources->lines[i].found_once)
			return true;
	}
	return false;
}

struct member *sources_member(struct sources *sources, unsigned index)
{
	for (unsigned i = 0; i < DISCIPLINE_SOURCES; i++) {
		if (sources->members[i].source >= 0 && index-- == 0)
			return &sources->members[i];
	}
	return NULL;
}
