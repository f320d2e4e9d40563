// SPDX-License-Identifier: BSD-3-Clause
// What a service manager hears: over a path and over an abstract name, at which pace, and that
// nothing happens without one.
#include "timeballd/notify.h"
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

// The manager's end.
struct manager {
	int socket;
	char name[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; // as in NOTIFY_SOCKET
};

static void manager_open(struct manager *manager, char first)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length;

	snprintf(manager->name, sizeof(manager->name), "%ctmp/timeball-notify-%d", first,
			(int)getpid());
	length = strlen(manager->name);
	memcpy(address.sun_path, manager->name, length);
	if (first == '@')
		address.sun_path[0] = '\0';
	else
		unlink(manager->name);
	manager->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(manager->socket, (const struct sockaddr *)&address,
					 (socklen_t)(offsetof(struct sockaddr_un, sun_path)
							 + length)),
			0);
	setenv("NOTIFY_SOCKET", manager->name, 1);
}

static void manager_close(struct manager *manager)
{
	close(manager->socket);
	unlink(manager->name);
}

// What was heard next, or an empty text.
static const char *heard(struct manager *manager)
{
	static char text[256];
	ssize_t size = recv(manager->socket, text, sizeof(text) - 1, 0);

	text[size > 0 ? size : 0] = '\0';
	return text;
}

static void set_watchdog(const char *interval_us, const char *pid)
{
	setenv("WATCHDOG_USEC", interval_us, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
}

static void words_reach_a_manager_by_path_and_by_abstract_name(void **)
{
	for (const char *first = "/@"; *first; first++) {
		struct manager manager;
		struct notify notify;

		manager_open(&manager, *first);
		notify_open(&notify);
		notify_say(&notify, "READY=1\nSTATUS=serving");
		assert_string_equal(heard(&manager), "READY=1\nSTATUS=serving");
		assert_string_equal(heard(&manager), "");
		notify_close(&notify);
		notify_say(&notify, "STOPPING=1");
		assert_string_equal(heard(&manager), "");
		manager_close(&manager);
	}
}

static void the_environment_is_not_passed_on(void **)
{
	struct notify notify;

	setenv("NOTIFY_SOCKET", "@nobody", 1);
	set_watchdog("1000000", "1");
	notify_open(&notify);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	notify_close(&notify);
}

static void nobody_is_told_without_a_socket(void **)
{
	static const char *const bad[] = { NULL, "", "/", "@", "relative", "vsock:2:1234",
		"/0123456789012345678901234567890123456789012345678901234567890123456789"
		"012345678901234567890123456789012345678901234567" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct notify notify;

		if (bad[i])
			setenv("NOTIFY_SOCKET", bad[i], 1);
		set_watchdog("1000000", NULL);
		notify_open(&notify);
		assert_int_equal(notify.socket, -1);
		notify_say(&notify, "READY=1");
		notify_alive(&notify, 1);
		notify_close(&notify);
	}
}

static void a_manager_that_is_gone_or_deaf_costs_nothing(void **)
{
	struct manager manager;
	struct notify notify;

	manager_open(&manager, '@');
	notify_open(&notify);
	// More than any receive queue holds: it must not wait.
	for (int i = 0; i < 100'000; i++)
		notify_say(&notify, "WATCHDOG=1");
	manager_close(&manager);
	notify_say(&notify, "STOPPING=1");
	notify_close(&notify);
}

// Counts the signs of life in `duration_s` of a loop that turns every 50 ms.
static unsigned signs_of_life(const char *interval_us, const char *pid, double duration_s)
{
	struct manager manager;
	struct notify notify;
	unsigned signs = 0;

	manager_open(&manager, '@');
	set_watchdog(interval_us, pid);
	notify_open(&notify);
	for (double now_s = 1000; now_s < 1000 + duration_s; now_s += 0.05) {
		notify_alive(&notify, now_s);
		while (strcmp(heard(&manager), "WATCHDOG=1") == 0)
			signs++;
	}
	notify_close(&notify);
	manager_close(&manager);
	return signs;
}

static void signs_of_life_come_at_half_the_interval(void **)
{
	char pid[16];
	unsigned signs;

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	signs = signs_of_life("5000000", pid, 20);
	assert_in_range(signs, 8, 9);
	signs = signs_of_life("1000000", NULL, 10);
	assert_in_range(signs, 18, 21);
}

static void no_signs_of_life_unless_wanted_of_us(void **)
{
	assert_int_equal(signs_of_life("5000000", "1", 20), 0);
	assert_int_equal(signs_of_life("0", NULL, 20), 0);
	assert_int_equal(signs_of_life("", NULL, 20), 0);
	assert_int_equal(signs_of_life("-5", NULL, 20), 0);
	assert_int_equal(signs_of_life("5 s", NULL, 20), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_reach_a_manager_by_path_and_by_abstract_name),
		cmocka_unit_test(the_environment_is_not_passed_on),
		cmocka_unit_test(nobody_is_told_without_a_socket),
		cmocka_unit_test(a_manager_that_is_gone_or_deaf_costs_nothing),
		cmocka_unit_test(signs_of_life_come_at_half_the_interval),
		cmocka_unit_test(no_signs_of_life_unless_wanted_of_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
