// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A path, or '@' and a name in Linux's abstract namespace.
static bool read_address(struct notify *notify, const char *text)
{
	size_t length = strlen(text);

	if ((text[0] != '/' && text[0] != '@') || length < 2
			|| length >= sizeof(notify->manager.sun_path))
		return false;
	notify->manager = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(notify->manager.sun_path, text, length);
	// An abstract name has no terminator: its length is what counts.
	if (text[0] == '@')
		notify->manager.sun_path[0] = '\0';
	notify->manager_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length
			+ (text[0] == '/'));
	return true;
}

// Returns the whole of `text` as a number; 0 if it is none.
static uint64_t read_number(const char *text)
{
	char *end;
	unsigned long long number;

	if (!text || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	number = strtoull(text, &end, 10);
	return *end || errno ? 0 : number;
}

static double watchdog_wanted(void)
{
	const char *pid = getenv("WATCHDOG_PID");

	if (pid && read_number(pid) != (uint64_t)getpid())
		return 0;
	return (double)read_number(getenv("WATCHDOG_USEC")) / 1e6;
}

void notify_open(struct notify *notify)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*notify = (struct notify){ .socket = -1 };
	if (path && read_address(notify, path))
		notify->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify->socket >= 0)
		notify->watchdog_s = watchdog_wanted();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *notify)
{
	if (notify->socket >= 0)
		close(notify->socket);
	notify->socket = -1;
}

void notify_say(const struct notify *notify, const char *state)
{
	if (notify->socket < 0)
		return;
	// The control loop must not wait for anybody: a sign of life lost is followed by another.
	(void)sendto(notify->socket, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
			(const struct sockaddr *)&notify->manager, notify->manager_size);
}

void notify_alive(struct notify *notify, double uptime_s)
{
	if (notify->watchdog_s <= 0 || uptime_s < notify->next_sign_s)
		return;
	notify_say(notify, "WATCHDOG=1");
	notify->next_sign_s = uptime_s + notify->watchdog_s / 2;
}
