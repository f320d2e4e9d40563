// SPDX-License-Identifier: BSD-3-Clause
// Sources, sockets, discipline and a software clock in one loop with a server of our own on the loopback
// interface: who is asked, by whose stamps, and what becomes of a server that is not there.
#include "control/adjuster.h"
#include "control/sources.h"
#include "drivers/drivers.h"
#include "unit.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_NS (20 * NS_PER_S)
#define AHEAD_NS    INT64_C(250'000'000) // what the server's clock is ahead of ours

struct world {
	struct loop loop;
	struct local_clock clock;
	struct discipline *discipline;
	struct adjuster adjuster;
	struct sources *sources;
	// The server.
	struct loop_file file;
	uint16_t port;
	unsigned asked;
	bool silent;
};

static void write64(uint8_t *octets, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		octets[i] = (uint8_t)(value >> (56 - 8 * i));
}

static ntp64_t server_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return utc_to_ntp64((utc_t){ (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec + AHEAD_NS });
}

static void serve(void *context, short)
{
	struct world *world = context;
	uint8_t request[1024], reply[48] = { 0x24, 1, 0, (uint8_t)-20, [12] = 'G', 'P', 'S' };
	struct sockaddr_storage client;
	socklen_t size = sizeof(client);
	uint64_t received = server_time();
	ssize_t length = recvfrom(world->file.descriptor, request, sizeof(request), 0,
			(void *)&client, &size);

	assert_true(length >= 48);
	world->asked++;
	if (world->silent)
		return;
	reply[2] = request[2];
	write64(reply + 16, received);
	memcpy(reply + 24, request + 40, 8);
	write64(reply + 32, received);
	write64(reply + 40, server_time());
	sendto(world->file.descriptor, reply, sizeof(reply), 0, (void *)&client, size);
}

static void open_server(struct world *world)
{
	struct sockaddr_in local = { .sin_family = AF_INET };
	socklen_t size = sizeof(local);

	local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	world->file = (struct loop_file){
		.descriptor = socket(AF_INET, SOCK_DGRAM, 0),
		.events = POLLIN,
		.on_ready = serve,
		.context = world,
	};
	assert_int_equal(bind(world->file.descriptor, (void *)&local, sizeof(local)), 0);
	assert_int_equal(getsockname(world->file.descriptor, (void *)&local, &size), 0);
	world->port = ntohs(local.sin_port);
	assert_int_equal(loop_watch(&world->loop, &world->file), 0);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct discipline_options options = {
		.selection = { .max_distance_s = 3,
				.max_jitter_s = 1,
				.combine_limit = 3,
				.min_sources = 1,
				.max_stratum = 15 },
		.servo = { .makestep_threshold_s = 0.1,
				.makestep_limit = 1,
				.max_slew_rate = 0.08,
				.correction_time_ratio = 3,
				.max_drift = 500e-6 },
		.reference.max_clock_error_ppb = 1000,
		.precision_s = 1e-7,
	};

	assert_non_null(world);
	world->clock.driver = &local_clock_null;
	world->clock.driver->open(&world->clock);
	world->discipline =
			discipline_open(&options, world->clock.driver->now(&world->clock), 0, 4711);
	world->adjuster = (struct adjuster){
		.clock = &world->clock,
		.discipline = world->discipline,
		.loop = &world->loop,
	};
	adjuster_start(&world->adjuster);
	open_server(world);
	*state = world;
	return 0;
}

// A thread that was left to itself is not to be taken for a leak.
static void wait_for_threads(void)
{
	unsigned threads;

	do {
		DIR *folder = opendir("/proc/self/task");

		threads = 0;
		while (readdir(folder))
			threads++;
		closedir(folder);
		usleep(1000);
	} while (threads > 3); // with . and ..
}

static int tear_down(void **state)
{
	struct world *world = *state;

	sources_close(world->sources);
	wait_for_threads();
	discipline_close(world->discipline);
	world->clock.driver->close(&world->clock);
	close(world->file.descriptor);
	free(world);
	return 0;
}

static struct source_spec spec_for(const char *name, uint16_t port)
{
	return (struct source_spec){
		.name = name,
		.port = port,
		.max_members = 4,
		.options.association = { .minpoll = -3,
				.maxpoll = -3,
				.version = 4,
				.presend = 25,
				.polltarget = 8,
				.maxunreach = 100'000,
				.maxdelay = 3 },
	};
}

static void open_sources(struct world *world, const struct source_spec *specs, unsigned count)
{
	struct sources_options options = { .specs = specs, .spec_count = count };

	assert_int_equal(sources_open(&world->sources, &options, &world->adjuster), 0);
}

static unsigned count_members(struct world *world)
{
	unsigned count = 0;

	while (sources_member(world->sources, count))
		count++;
	return count;
}

static void run_until(struct world *world, bool (*done)(struct world *world))
{
	int64_t end_ns = loop_now_ns() + PATIENCE_NS;

	while (!done(world)) {
		assert_true(loop_now_ns() < end_ns);
		loop_turn(&world->loop);
	}
}

static struct source_report report_of(struct world *world, unsigned index)
{
	const struct member *member = sources_member(world->sources, index);
	struct source_report report;

	discipline_describe(world->discipline, (unsigned)member->source,
			world->clock.driver->now(&world->clock), &report);
	return report;
}

static bool has_five_samples(struct world *world)
{
	return report_of(world, 0).samples >= 5;
}

static void a_server_is_asked_by_the_kernels_stamps(void **state)
{
	struct world *world = *state;
	struct source_spec spec = spec_for("127.0.0.1", world->port);
	struct association_report report;
	struct timespec real;

	open_sources(world, &spec, 1);
	assert_false(sources_unresolved(world->sources));
	run_until(world, has_five_samples);
	association_describe(discipline_association(world->discipline, 0), &report);
	assert_true(report.received_by[STAMP_KERNEL] >= 4);
	assert_true(report.sent_by[STAMP_KERNEL] >= 4);
	// Stepped, and from then on stamps of the kernel are of another clock than the one steered.
	clock_gettime(CLOCK_REALTIME, &real);
	int64_t ahead_ns = utc_diff_ns(world->clock.driver->now(&world->clock),
			(utc_t){ (int64_t)real.tv_sec * NS_PER_S + real.tv_nsec });

	assert_in_range(ahead_ns, AHEAD_NS - 1'000'000, AHEAD_NS + 1'000'000);
}

static bool is_refused(struct world *world)
{
	return sources_member(world->sources, 0)->unreachable >= 2;
}

static bool is_asked_twice(struct world *world)
{
	return world->asked >= 2;
}

static void a_server_that_is_not_there_is_noticed(void **state)
{
	struct world *world = *state;
	struct source_spec spec = spec_for("127.0.0.1", world->port);

	loop_forget(&world->loop, &world->file);
	close(world->file.descriptor);
	open_sources(world, &spec, 1);
	run_until(world, is_refused);
	assert_int_equal(sources_member(world->sources, 0)->error, ECONNREFUSED);
	// And back.
	open_server(world);
	sources_close(world->sources);
	world->sources = NULL;
	spec.port = world->port;
	open_sources(world, &spec, 1);
	run_until(world, has_five_samples);
	assert_int_equal(sources_member(world->sources, 0)->error, 0);
}

static void an_address_is_asked_once(void **state)
{
	struct world *world = *state;
	struct source_spec specs[] = { spec_for("127.0.0.1", world->port),
		spec_for("127.0.0.1", world->port), spec_for("127.0.0.1", 1) };

	open_sources(world, specs, 3);
	assert_int_equal(count_members(world), 2);
}

static bool is_resolved(struct world *world)
{
	return !sources_unresolved(world->sources);
}

static void names_are_looked_up_while_others_are_asked(void **state)
{
	struct world *world = *state;
	struct source_spec specs[] = { spec_for("localhost", world->port),
		spec_for("nobody.invalid", world->port), spec_for("127.0.0.2", 1) };

	specs[0].is_pool = true;
	specs[0].family = ADDRESS_IPV4;
	open_sources(world, specs, 1);
	assert_true(sources_unresolved(world->sources));
	assert_int_equal(count_members(world), 0);
	run_until(world, is_resolved);
	assert_int_equal(count_members(world), 1);
	assert_string_equal(sources_member(world->sources, 0)->text, "127.0.0.1");
	run_until(world, has_five_samples);
	sources_close(world->sources);
	// One that nobody has stays unresolved, and harms nobody.
	open_sources(world, specs + 1, 2);
	world->asked = 0;
	assert_int_equal(count_members(world), 1);
	run_until(world, is_refused);
	assert_true(sources_unresolved(world->sources));
}

static void after_a_jump_all_are_asked_anew(void **state)
{
	struct world *world = *state;
	struct source_spec spec = spec_for("127.0.0.1", world->port);

	open_sources(world, &spec, 1);
	run_until(world, has_five_samples);
	// As if somebody else had set the clock back by a day.
	int64_t jump_ns = -86400 * NS_PER_S;
	struct discipline_command command;
	utc_t before = world->clock.driver->now(&world->clock);

	world->clock.driver->step(&world->clock, jump_ns);
	discipline_on_jump(world->discipline, before, jump_ns);
	discipline_on_timer(world->discipline, world->clock.driver->now(&world->clock), &command);
	adjuster_perform(&world->adjuster, &command);
	sources_restart(world->sources);
	assert_int_equal(report_of(world, 0).samples, 0);
	world->asked = 0;
	run_until(world, is_asked_twice);
	run_until(world, has_five_samples);
}

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_server_is_asked_by_the_kernels_stamps),
		WORLD_TEST(a_server_that_is_not_there_is_noticed),
		WORLD_TEST(an_address_is_asked_once),
		WORLD_TEST(names_are_looked_up_while_others_are_asked),
		WORLD_TEST(after_a_jump_all_are_asked_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
