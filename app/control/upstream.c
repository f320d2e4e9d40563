// SPDX-License-Identifier: BSD-3-Clause
#include "control/upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADERS 128 // octets of Ethernet, tags, IP and UDP before a request that comes back

static const int rx_stamps = SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;

int upstream_keep_stamping(void)
{
	int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
	int error = 0;

	if (descriptor < 0)
		return -errno;
	fcntl(descriptor, F_SETFD, FD_CLOEXEC);
	if (setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPING, &rx_stamps, sizeof(rx_stamps)))
		error = -errno;
	if (!error)
		return descriptor;
	close(descriptor);
	return error;
}

union socket_address {
	struct sockaddr any;
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
};

// Returns its size.
static socklen_t fill_address(union socket_address *filled, const struct upstream_server *server)
{
	*filled = (union socket_address){ 0 };
	if (server->address.family == ADDRESS_IPV4) {
		filled->ipv4.sin_family = AF_INET;
		filled->ipv4.sin_port = htons(server->port);
		memcpy(&filled->ipv4.sin_addr, server->address.bytes, 4);
		return sizeof(filled->ipv4);
	}
	filled->ipv6.sin6_family = AF_INET6;
	filled->ipv6.sin6_port = htons(server->port);
	filled->ipv6.sin6_scope_id = server->scope;
	memcpy(&filled->ipv6.sin6_addr, server->address.bytes, 16);
	return sizeof(filled->ipv6);
}

// Nothing that a socket could not do without, so what fails is left.
static void wish(int descriptor, const struct upstream_options *options, uint8_t family)
{
	int on = 1;
	int traffic_class = (int)(options->dscp << 2);
	int stamps = rx_stamps | SOF_TIMESTAMPING_TX_SOFTWARE;
	bool is_ipv4 = family == ADDRESS_IPV4;

	if (setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof(stamps)) == 0)
		setsockopt(descriptor, SOL_SOCKET, SO_SELECT_ERR_QUEUE, &on, sizeof(on));
	if (is_ipv4)
		setsockopt(descriptor, IPPROTO_IP, IP_RECVERR, &on, sizeof(on));
	else
		setsockopt(descriptor, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on));
	if (options->dscp == 0)
		return;
	if (is_ipv4)
		setsockopt(descriptor, IPPROTO_IP, IP_TOS, &traffic_class, sizeof(traffic_class));
	else
		setsockopt(descriptor, IPPROTO_IPV6, IPV6_TCLASS, &traffic_class,
				sizeof(traffic_class));
}

static int bind_to_device(int descriptor, const char *device)
{
	if (!device)
		return 0;
	return setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device,
			       (socklen_t)strlen(device) + 1)
			? -errno
			: 0;
}

// To the port and address that were asked for; else connect() chooses, the port at random.
static int bind_locally(int descriptor, const struct upstream_options *options, uint8_t family)
{
	const struct address *bind_address = &options->bind[family == ADDRESS_IPV4 ? 0 : 1];
	struct upstream_server local = { .port = options->local_port };
	union socket_address filled;
	int on = 1;

	if (options->local_port == 0 && bind_address->family == ADDRESS_NONE)
		return 0;
	// Several sockets with one port: what comes is given to the one connected to its sender.
	if (options->local_port
			&& setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
		return -errno;
	if (bind_address->family != ADDRESS_NONE)
		local.address = *bind_address;
	local.address.family = family;
	return bind(descriptor, &filled.any, fill_address(&filled, &local)) ? -errno : 0;
}

static int connect_to(int descriptor, const struct upstream_server *server)
{
	union socket_address filled;
	socklen_t size = fill_address(&filled, server);

	return connect(descriptor, &filled.any, size) ? -errno : 0;
}

int upstream_open(struct upstream *upstream, const struct upstream_options *options,
		const struct upstream_server *server)
{
	uint8_t family = server->address.family;
	int descriptor = socket(family == ADDRESS_IPV4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	int error;

	if (descriptor < 0)
		return -errno;
	// fcntl() has two names, of which simulators know one: nothing may depend on it.
	fcntl(descriptor, F_SETFD, FD_CLOEXEC);
	error = bind_to_device(descriptor, options->bind_device);
	if (!error)
		error = bind_locally(descriptor, options, family);
	wish(descriptor, options, family);
	if (!error)
		error = connect_to(descriptor, server);
	if (error) {
		close(descriptor);
		return error;
	}
	upstream->descriptor = descriptor;
	upstream->sent_length = 0;
	return 0;
}

void upstream_close(struct upstream *upstream)
{
	if (upstream->descriptor >= 0)
		close(upstream->descriptor);
	upstream->descriptor = -1;
}

int upstream_send(struct upstream *upstream, const uint8_t *packet, size_t length)
{
	struct iovec piece;
	struct msghdr header = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (length > sizeof(upstream->sent))
		return -EMSGSIZE;
	memcpy(upstream->sent, packet, length);
	upstream->sent_length = length;
	piece = (struct iovec){ .iov_base = upstream->sent, .iov_len = length };
	return sendmsg(upstream->descriptor, &header, MSG_DONTWAIT) < 0 ? -errno : 0;
}

short upstream_events(void)
{
	// POLLERR comes unasked; simulators know the error queue as POLLPRI only.
	return POLLIN | POLLPRI;
}

// What the kernel puts beside a message.
struct extras {
	bool stamped;
	struct scm_timestamping stamps;
	struct sock_extended_err error;
};

static bool is_error_report(const struct cmsghdr *extra)
{
	return (extra->cmsg_level == SOL_IP && extra->cmsg_type == IP_RECVERR)
			|| (extra->cmsg_level == SOL_IPV6 && extra->cmsg_type == IPV6_RECVERR);
}

static void read_extras(struct msghdr *header, struct extras *extras)
{
	struct cmsghdr *extra;

	*extras = (struct extras){ 0 };
	for (extra = CMSG_FIRSTHDR(header); extra; extra = CMSG_NXTHDR(header, extra)) {
		if (is_error_report(extra))
			memcpy(&extras->error, CMSG_DATA(extra), sizeof(extras->error));
		else if (extra->cmsg_level == SOL_SOCKET && extra->cmsg_type == SCM_TIMESTAMPING)
			memcpy(&extras->stamps, CMSG_DATA(extra), sizeof(extras->stamps));
	}
	extras->stamped = extras->stamps.ts[0].tv_sec != 0;
}

// Returns the length, or -errno.
static ssize_t receive(int descriptor, struct iovec *piece, int flags, struct extras *extras)
{
	_Alignas(struct cmsghdr) uint8_t control[512];
	struct msghdr header = {
		.msg_iov = piece,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t length = recvmsg(descriptor, &header, flags | MSG_DONTWAIT);

	if (length < 0)
		return -errno;
	read_extras(&header, extras);
	return length;
}

static void take_stamp(const struct extras *extras, struct upstream_message *message)
{
	const struct timespec *stamp = &extras->stamps.ts[0];

	message->stamped = extras->stamped;
	if (extras->stamped)
		message->stamp = (utc_t){ (int64_t)stamp->tv_sec * NS_PER_S + stamp->tv_nsec };
}

// The stamp of a request comes with the frame that it left in, and perhaps of another request.
static bool is_ours(const struct upstream *upstream, const uint8_t *frame, size_t length)
{
	return upstream->sent_length > 0
			&& memmem(frame, length, upstream->sent, upstream->sent_length);
}

// Returns false when the error queue is empty.
static bool receive_error(const struct upstream *upstream, struct upstream_message *message)
{
	uint8_t frame[UPSTREAM_PACKET + HEADERS];
	struct iovec piece = { .iov_base = frame, .iov_len = sizeof(frame) };
	struct extras extras;
	ssize_t length = receive(upstream->descriptor, &piece, MSG_ERRQUEUE, &extras);

	if (length < 0)
		return false;
	switch (extras.error.ee_origin) {
	case SO_EE_ORIGIN_TIMESTAMPING:
		if (!extras.stamped || !is_ours(upstream, frame, (size_t)length))
			break;
		message->event = UPSTREAM_SENT;
		take_stamp(&extras, message);
		break;
	case SO_EE_ORIGIN_LOCAL:
	case SO_EE_ORIGIN_ICMP:
	case SO_EE_ORIGIN_ICMP6:
		message->event = UPSTREAM_UNREACHABLE;
		message->error = (int)extras.error.ee_errno;
		break;
	default:
		break;
	}
	return true;
}

static void receive_answer(const struct upstream *upstream, struct upstream_message *message)
{
	struct iovec piece = { .iov_base = message->packet, .iov_len = sizeof(message->packet) };
	struct extras extras;
	ssize_t length = receive(upstream->descriptor, &piece, 0, &extras);

	if (length == -EAGAIN || length == -EINTR)
		return;
	if (length < 0) {
		message->event = UPSTREAM_UNREACHABLE;
		message->error = (int)-length;
		return;
	}
	message->event = UPSTREAM_ANSWER;
	message->length = (size_t)length;
	take_stamp(&extras, message);
}

void upstream_receive(
		const struct upstream *upstream, short events, struct upstream_message *message)
{
	message->event = UPSTREAM_NOTHING;
	if ((events & (POLLERR | POLLPRI)) && receive_error(upstream, message))
		return;
	// Also tells, and so forgets, an error that is in no queue.
	if (events & (POLLIN | POLLERR))
		receive_answer(upstream, message);
}
