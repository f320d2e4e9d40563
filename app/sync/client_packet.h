// SPDX-License-Identifier: BSD-3-Clause
// What a client sends, and what of an answer can be told from its octets alone (RFC 5905 sections
// 7.3, 7.4 and 9.2). Pure.
#pragma once

#include "base/utc.h"
#include "ntp/packet.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Tests an answer has to pass, as `ntpdata` and the measurements log of chronyc show them: the first
// shown is the highest bit.
enum client_test {
	CLIENT_TEST_LOOP = 1 << 0,            // D
	CLIENT_TEST_DELAY_DEVIATION = 1 << 1, // C
	CLIENT_TEST_DELAY_RATIO = 1 << 2,     // B
	CLIENT_TEST_DELAY = 1 << 3,           // A
	CLIENT_TEST_DISTANCE = 1 << 4,        // 7: root delay and dispersion, reference time
	CLIENT_TEST_SYNCHRONISED = 1 << 5,    // 6: leap indicator and stratum
	CLIENT_TEST_AUTHENTICATION = 1 << 6,  // 5
	CLIENT_TEST_TIMES = 1 << 7,           // 3: neither zero nor in the wrong order
	CLIENT_TEST_ORIGIN = 1 << 8,          // 2
	CLIENT_TEST_DUPLICATE = 1 << 9,       // 1
	CLIENT_TESTS = (1 << 10) - 1,
	CLIENT_TESTS_OF_SAMPLE = (1 << 4) - 1, // A to D
};

static inline bool ntp64_is_later(ntp64_t later, ntp64_t earlier)
{
	return (int64_t)(later - earlier) > 0;
}

struct client_request {
	uint8_t version;
	int8_t poll;
	ntp64_t origin, receive; // 0 in basic mode
	ntp64_t transmit;
};

struct client_answer {
	enum ntp_leap leap;
	uint8_t version;
	uint8_t stratum;
	int8_t poll, precision; // log2 s
	int64_t root_delay_ns, root_dispersion_ns;
	uint32_t refid;
	ntp64_t reference, origin, receive, transmit;
};

enum client_kiss {
	CLIENT_KISS_NONE,
	CLIENT_KISS_RATE,
	CLIENT_KISS_DENY, // DENY and RSTR, which ask for the same
};

void client_request_write(const struct client_request *request, uint8_t packet[NTP_HEADER_SIZE]);
// False for what is no server's answer: length, version, mode, extension fields that do not add up
// (RFC 7822), or a MAC where none was asked for. Unknown extension fields are skipped.
bool client_answer_parse(const uint8_t *packet, size_t length, struct client_answer *answer);
enum client_kiss client_answer_kiss(const struct client_answer *answer);
// Whether one of the server's stamps may have been taken before the other: servers fill what their clocks
// cannot tell with random bits (RFC 5905 section 6), so that stamps of one reading come in any order.
bool client_answer_in_order(const struct client_answer *answer, ntp64_t earlier, ntp64_t later);
// The tests that fail, of 3, 6 and 7. An interleaved answer's transmit timestamp is that of the answer
// before, so it may be earlier than the others.
unsigned client_answer_failures(const struct client_answer *answer, bool interleaved);
