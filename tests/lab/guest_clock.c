// SPDX-License-Identifier: BSD-3-Clause
// For the guest of discipline_guest.py: tells whoever asks over UDP what its clock shows and what its
// kernel says of it, and puts the clock wrong. On a machine that was not booted as such a guest it does
// neither.
// Usage: guest_clock answer PORT | guest_clock spoil STEP_NS PPM
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>

#define GUEST_WORD         "timeball.guest"
#define NS_PER_S           INT64_C(1000000000)
#define READINGS           16
#define USUAL_TICK         10000
#define NTP_PHASE_LIMIT_US 16000000 // with which the kernel says that it knows nothing
#define QUESTION_MAX       64

static bool is_guest(void)
{
	char line[4096] = "";
	FILE *file = fopen("/proc/cmdline", "r");

	if (!file)
		return false;
	bool read = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	return read && strstr(line, GUEST_WORD);
}

static int64_t read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

// The time and how far it is ahead of CLOCK_MONOTONIC, which slews change alike: only steps change
// the difference. Of several readings the one that took the shortest.
static int64_t read_ahead(int64_t *realtime_ns)
{
	int64_t ahead_ns = 0, shortest_ns = INT64_MAX;

	for (int i = 0; i < READINGS; i++) {
		int64_t before_ns = read_ns(CLOCK_MONOTONIC);
		int64_t now_ns = read_ns(CLOCK_REALTIME);
		int64_t after_ns = read_ns(CLOCK_MONOTONIC);

		*realtime_ns = now_ns;
		if (after_ns - before_ns < shortest_ns) {
			shortest_ns = after_ns - before_ns;
			ahead_ns = now_ns - (before_ns + shortest_ns / 2);
		}
	}
	return ahead_ns;
}

// One line of JSON: the question's number and the answer.
static size_t describe(const char *question, char *text, size_t size)
{
	struct timex state = { .modes = 0 };
	struct timex adjustment = { .modes = ADJ_OFFSET_SS_READ };
	int64_t realtime_ns;
	int64_t ahead_ns = read_ahead(&realtime_ns);
	int leap = clock_adjtime(CLOCK_REALTIME, &state);

	clock_adjtime(CLOCK_REALTIME, &adjustment);
	return (size_t)snprintf(text, size,
			"{\"question\": %lu, \"ns\": %" PRId64 ", \"ahead_ns\": %" PRId64
			", \"raw_ns\": %" PRId64
			", \"leap\": %d, \"status\": %d, \"maxerror\": %ld, \"esterror\": %ld"
			", \"freq\": %ld, \"tick\": %ld, \"offset\": %ld, \"adjtime\": %ld}",
			strtoul(question, NULL, 10), realtime_ns, ahead_ns,
			read_ns(CLOCK_MONOTONIC_RAW), leap, state.status, state.maxerror,
			state.esterror, state.freq, state.tick, state.offset, adjustment.offset);
}

static int answer(uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return EXIT_FAILURE;
	for (;;) {
		char question[QUESTION_MAX], text[512];
		socklen_t length = sizeof(address);
		ssize_t received = recvfrom(fd, question, sizeof(question) - 1, 0,
				(struct sockaddr *)&address, &length);

		if (received < 0)
			return EXIT_FAILURE;
		question[received] = '\0';
		sendto(fd, text, describe(question, text, sizeof(text)), 0,
				(struct sockaddr *)&address, length);
	}
}

static int spoil(int64_t step_ns, double ppm)
{
	int64_t seconds = step_ns / NS_PER_S - (step_ns % NS_PER_S < 0);
	struct timex step = {
		.modes = ADJ_SETOFFSET | ADJ_NANO,
		.time = { seconds, step_ns - seconds * NS_PER_S },
	};
	struct timex rest = {
		.modes = ADJ_TICK | ADJ_FREQUENCY | ADJ_STATUS | ADJ_MAXERROR,
		.tick = USUAL_TICK,
		.freq = (long)(ppm * 65536),
		.status = STA_UNSYNC,
		.maxerror = NTP_PHASE_LIMIT_US,
	};

	if (clock_adjtime(CLOCK_REALTIME, &rest) >= 0 && clock_adjtime(CLOCK_REALTIME, &step) >= 0)
		return EXIT_SUCCESS;
	perror("clock_adjtime");
	return EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	if (!is_guest()) {
		fprintf(stderr, "guest_clock: this is no guest\n");
		return EXIT_FAILURE;
	}
	if (argc == 3 && !strcmp(argv[1], "answer"))
		return answer((uint16_t)strtoul(argv[2], NULL, 10));
	if (argc == 4 && !strcmp(argv[1], "spoil"))
		return spoil(strtol(argv[2], NULL, 10), strtod(argv[3], NULL));
	return EXIT_FAILURE;
}
