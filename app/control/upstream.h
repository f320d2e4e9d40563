// SPDX-License-Identifier: BSD-3-Clause
// A UDP socket to one server: requests out, answers in, and when the kernel saw each pass. What it
// cannot get of the kernel (stamps, options) it does without. The control thread's.
#pragma once

#include "base/address.h"
#include "base/utc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UPSTREAM_PACKET 1024 // octets; what is longer is cut

// For all servers: acquisitionport, bindacqaddress, bindacqdevice, dscp.
struct upstream_options {
	uint16_t local_port;     // 0: a random one for each socket
	struct address bind[2];  // IPv4 and IPv6; family NONE: whichever the route says
	const char *bind_device; // NULL: any
	unsigned dscp;
};

struct upstream_server {
	struct address address;
	uint32_t scope; // interface of a link-local IPv6 address, else 0
	uint16_t port;
};

struct upstream {
	int descriptor; // -1: closed
	uint8_t sent[UPSTREAM_PACKET];
	size_t sent_length;
};

enum upstream_event {
	UPSTREAM_NOTHING,
	UPSTREAM_ANSWER,      // `packet`, and `stamp` if `stamped`
	UPSTREAM_SENT,        // `stamp` of the request last sent
	UPSTREAM_UNREACHABLE, // `error` says why, by the word of a router or the host itself
};

struct upstream_message {
	enum upstream_event event;
	uint8_t packet[UPSTREAM_PACKET];
	size_t length;
	bool stamped;
	utc_t stamp; // of CLOCK_REALTIME, by the kernel
	int error;   // errno's number
};

// The kernel stamps what comes in for nobody as long as no socket wants stamps, and is slow to begin.
// Returns a descriptor to keep open as long as there are upstream sockets, or -errno: then early
// answers may have no stamp of the kernel's.
int upstream_keep_stamping(void);

// Connected to the server, from a new port. Returns 0 or -errno.
int upstream_open(struct upstream *upstream, const struct upstream_options *options,
		const struct upstream_server *server);
void upstream_close(struct upstream *upstream); // a closed one is fine
// Returns 0 or -errno.
int upstream_send(struct upstream *upstream, const uint8_t *packet, size_t length);
// What poll() is to wait for, and what to read when it says `events`: one message, that of the error
// queue first, so that a request's stamp comes before its answer.
short upstream_events(void);
void upstream_receive(
		const struct upstream *upstream, short events, struct upstream_message *message);
