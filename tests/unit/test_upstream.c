// SPDX-License-Identifier: BSD-3-Clause
// Real sockets on the loopback interface: what is sent arrives as asked for, answers come with the
// kernel's stamps, only the server's do, and a closed port is noticed.
#include "control/upstream.h"
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10'000

// The server's end.
struct echo {
	int descriptor;
	struct upstream_server address;
	struct sockaddr_storage client; // the last one heard of
	socklen_t client_size;
	int traffic_class;
};

static bool has_ipv6(void)
{
	int descriptor = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	bool bound = descriptor >= 0 && bind(descriptor, (void *)&any, sizeof(any)) == 0;

	close(descriptor);
	return bound;
}

static struct echo echo_open(uint8_t family)
{
	struct sockaddr_in6 local = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in *ipv4 = (void *)&local;
	socklen_t size = sizeof(local);
	int on = 1;
	struct echo echo = { .address.address.family = family };

	echo.descriptor = socket(family == ADDRESS_IPV4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	if (family == ADDRESS_IPV4) {
		*ipv4 = (struct sockaddr_in){ .sin_family = AF_INET };
		ipv4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		setsockopt(echo.descriptor, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
		memcpy(echo.address.address.bytes, &ipv4->sin_addr, 4);
	} else {
		setsockopt(echo.descriptor, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
		memcpy(echo.address.address.bytes, &local.sin6_addr, 16);
	}
	assert_int_equal(bind(echo.descriptor, (void *)&local,
					 family == ADDRESS_IPV4 ? sizeof(*ipv4) : sizeof(local)),
			0);
	assert_int_equal(getsockname(echo.descriptor, (void *)&local, &size), 0);
	echo.address.port = ntohs(local.sin6_port); // where IPv4's is, too
	return echo;
}

// Hears one datagram and sends back what it was.
static void echo_turn(struct echo *echo)
{
	uint8_t packet[2000];
	_Alignas(struct cmsghdr) uint8_t control[256];
	struct iovec piece = { .iov_base = packet, .iov_len = sizeof(packet) };
	struct msghdr header = {
		.msg_name = &echo->client,
		.msg_namelen = sizeof(echo->client),
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t length = recvmsg(echo->descriptor, &header, 0);

	assert_true(length > 0);
	echo->client_size = header.msg_namelen;
	for (struct cmsghdr *extra = CMSG_FIRSTHDR(&header); extra;
			extra = CMSG_NXTHDR(&header, extra))
		echo->traffic_class = *CMSG_DATA(extra);
	assert_int_equal(sendto(echo->descriptor, packet, (size_t)length, 0, (void *)&echo->client,
					 echo->client_size),
			length);
}

static uint16_t client_port(const struct echo *echo)
{
	return ntohs(((const struct sockaddr_in *)&echo->client)->sin_port);
}

static utc_t now(void)
{
	struct timespec real;

	clock_gettime(CLOCK_REALTIME, &real);
	return (utc_t){ (int64_t)real.tv_sec * NS_PER_S + real.tv_nsec };
}

// Waits for the next event; false when there is none in time.
static bool next_event(
		const struct upstream *upstream, int timeout_ms, struct upstream_message *message)
{
	struct pollfd waited = { .fd = upstream->descriptor, .events = upstream_events() };

	while (poll(&waited, 1, timeout_ms) > 0) {
		upstream_receive(upstream, waited.revents, message);
		if (message->event != UPSTREAM_NOTHING)
			return true;
	}
	return false;
}

static const uint8_t request[48] = { 0x23, [40] = 1, 2, 3, 4, 5, 6, 7, 8 };

static void exchange(uint8_t family)
{
	struct upstream_options options = { .dscp = 46 };
	struct echo echo = echo_open(family);
	struct upstream upstream = { .descriptor = -1 };
	struct upstream_message message;
	int keeper = upstream_keep_stamping();

	assert_true(keeper >= 0);
	// The kernel begins to stamp on a thread of its own.
	usleep(50'000);
	assert_int_equal(upstream_open(&upstream, &options, &echo.address), 0);
	utc_t before = now();

	assert_int_equal(upstream_send(&upstream, request, sizeof(request)), 0);
	utc_t sent = now();

	echo_turn(&echo);
	usleep(20'000);
	utc_t late = now();

	assert_int_equal(echo.traffic_class, 46 << 2);
	// Both are there, and come in this order.
	assert_true(next_event(&upstream, PATIENCE_MS, &message));
	assert_int_equal(message.event, UPSTREAM_SENT);
	assert_true(message.stamped);
	assert_in_range(message.stamp.ns, before.ns, sent.ns);
	assert_true(next_event(&upstream, PATIENCE_MS, &message));
	assert_int_equal(message.event, UPSTREAM_ANSWER);
	assert_int_equal(message.length, sizeof(request));
	assert_memory_equal(message.packet, request, sizeof(request));
	assert_true(message.stamped);
	// Long before it was read.
	assert_in_range(message.stamp.ns, sent.ns, late.ns - 15'000'000);
	assert_false(next_event(&upstream, 0, &message));
	upstream_close(&upstream);
	assert_int_equal(upstream.descriptor, -1);
	upstream_close(&upstream);
	close(echo.descriptor);
	close(keeper);
}

static void answers_and_stamps_over_ipv4(void **)
{
	exchange(ADDRESS_IPV4);
}

static void answers_and_stamps_over_ipv6(void **)
{
	if (!has_ipv6())
		skip();
	exchange(ADDRESS_IPV6);
}

static void the_stamp_is_of_the_last_request(void **)
{
	struct upstream_options options = { 0 };
	struct echo echo = echo_open(ADDRESS_IPV4);
	struct upstream upstream;
	struct upstream_message message;
	uint8_t second[48];

	memcpy(second, request, sizeof(second));
	second[47] ^= 1;
	assert_int_equal(upstream_open(&upstream, &options, &echo.address), 0);
	assert_int_equal(upstream_send(&upstream, request, sizeof(request)), 0);
	usleep(1000);
	utc_t between = now();

	assert_int_equal(upstream_send(&upstream, second, sizeof(second)), 0);
	assert_true(next_event(&upstream, PATIENCE_MS, &message));
	assert_int_equal(message.event, UPSTREAM_SENT);
	assert_in_range(message.stamp.ns, between.ns, now().ns);
	assert_false(next_event(&upstream, 0, &message));
	upstream_close(&upstream);
	close(echo.descriptor);
}

static void ports_are_new_unless_one_is_asked_for(void **)
{
	struct upstream_options options = { 0 };
	struct echo echo = echo_open(ADDRESS_IPV4);
	struct echo other = echo_open(ADDRESS_IPV4);
	struct upstream upstream, second;
	unsigned same = 0;
	uint16_t before = 0;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(upstream_open(&upstream, &options, &echo.address), 0);
		assert_int_equal(upstream_send(&upstream, request, sizeof(request)), 0);
		echo_turn(&echo);
		same += client_port(&echo) == before;
		before = client_port(&echo);
		upstream_close(&upstream);
	}
	assert_in_range(same, 0, 2);
	// One port for two servers, and each socket hears its own.
	options.local_port = before;
	assert_int_equal(upstream_open(&upstream, &options, &echo.address), 0);
	assert_int_equal(upstream_open(&second, &options, &other.address), 0);
	for (int i = 0; i < 5; i++) {
		struct upstream_message message;

		assert_int_equal(upstream_send(&upstream, request, sizeof(request)), 0);
		echo_turn(&echo);
		assert_int_equal(client_port(&echo), before);
		do
			assert_true(next_event(&upstream, PATIENCE_MS, &message));
		while (message.event != UPSTREAM_ANSWER);
		assert_false(next_event(&second, 0, &message));
	}
	upstream_close(&upstream);
	upstream_close(&second);
	close(echo.descriptor);
	close(other.descriptor);
}

static void others_are_not_heard(void **)
{
	struct upstream_options options = { 0 };
	struct echo echo = echo_open(ADDRESS_IPV4);
	struct echo stranger = echo_open(ADDRESS_IPV4);
	struct upstream upstream;
	struct upstream_message message;

	assert_int_equal(upstream_open(&upstream, &options, &echo.address), 0);
	assert_int_equal(upstream_send(&upstream, request, sizeof(request)), 0);
	echo_turn(&echo);
	sendto(stranger.descriptor, "nonsense", 8, 0, (void *)&echo.client, echo.client_size);
	usleep(20'000);
	while (next_event(&upstream, 0, &message)) {
		if (message.event == UPSTREAM_ANSWER)
			assert_memory_equal(message.packet, request, sizeof(request));
	}
	upstream_close(&upstream);
	close(echo.descriptor);
	close(stranger.descriptor);
}

static void a_closed_port_is_noticed(void **)
{
	struct upstream_options options = { 0 };
	struct echo echo = echo_open(ADDRESS_IPV4);
	struct upstream upstream;
	struct upstream_message message;

	close(echo.descriptor);
	assert_int_equal(upstream_open(&upstream, &options, &echo.address), 0);
	assert_int_equal(upstream_send(&upstream, request, sizeof(request)), 0);
	do
		assert_true(next_event(&upstream, PATIENCE_MS, &message));
	while (message.event == UPSTREAM_SENT);
	assert_int_equal(message.event, UPSTREAM_UNREACHABLE);
	assert_int_equal(message.error, ECONNREFUSED);
	// Once: nothing is left that would wake poll() for ever.
	assert_false(next_event(&upstream, 0, &message));
	struct pollfd waited = { .fd = upstream.descriptor, .events = upstream_events() };

	assert_int_equal(poll(&waited, 1, 0), 0);
	upstream_close(&upstream);
}

static void what_cannot_be_done_is_said(void **)
{
	struct upstream_options options = { .bind_device = "no-such-link" };
	struct echo echo = echo_open(ADDRESS_IPV4);
	struct upstream upstream = { .descriptor = -1 };

	assert_int_equal(upstream_open(&upstream, &options, &echo.address), -ENODEV);
	assert_int_equal(upstream.descriptor, -1);
	options = (struct upstream_options){ .bind[0] = { ADDRESS_IPV4, { 192, 0, 2, 1 } } };
	assert_int_equal(upstream_open(&upstream, &options, &echo.address), -EADDRNOTAVAIL);
	options = (struct upstream_options){ .bind[0] = { ADDRESS_IPV4, { 127, 0, 0, 9 } } };
	assert_int_equal(upstream_open(&upstream, &options, &echo.address), 0);
	assert_int_equal(upstream_send(&upstream, request, sizeof(request)), 0);
	echo_turn(&echo);
	assert_int_equal(ntohl(((struct sockaddr_in *)&echo.client)->sin_addr.s_addr), 0x7f000009);
	assert_int_equal(upstream_send(&upstream, request, UPSTREAM_PACKET + 1), -EMSGSIZE);
	upstream_close(&upstream);
	close(echo.descriptor);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_and_stamps_over_ipv4),
		cmocka_unit_test(answers_and_stamps_over_ipv6),
		cmocka_unit_test(the_stamp_is_of_the_last_request),
		cmocka_unit_test(ports_are_new_unless_one_is_asked_for),
		cmocka_unit_test(others_are_not_heard),
		cmocka_unit_test(a_closed_port_is_noticed),
		cmocka_unit_test(what_cannot_be_done_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
