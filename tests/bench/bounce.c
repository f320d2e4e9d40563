// SPDX-License-Identifier: BSD-3-Clause
// Loads bounce.bpf.c onto the client's end of a veth pair, sends the first requests, waits, and
// prints as JSON what became of them. Meant for compare.py.
#include "tests/bench/bounce.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <glob.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S  INT64_C(1'000'000'000)
#define LOST_NS   (5 * NS_PER_S)
#define PROCESSES 4

static_assert(sizeof(struct bounce_frame) == BOUNCE_FRAME_SIZE);

struct options {
	const char *object, *interface;
	struct in_addr server;
	uint8_t server_mac[6];
	uint32_t network, mask;
	unsigned window;
	double warm_up_s, seconds;
	int processes[PROCESSES]; // whose CPU time is read
	unsigned process_count;
	bool pass_only;
};

// At one moment.
struct reading {
	uint64_t at_ns;
	uint64_t cpu_ns; // of all processes
	struct bounce_counts counts;
};

struct generator {
	struct options options;
	struct bpf_object *object;
	int settings, slots, counts; // maps
};

_Noreturn static void fail(const char *what, int error)
{
	fprintf(stderr, "bounce: %s: %s\n", what, strerror(error));
	exit(EXIT_FAILURE);
}

_Noreturn static void fail_usage(void)
{
	fprintf(stderr,
			"usage: bounce -o OBJECT -i INTERFACE -p\n"
			"       bounce -o OBJECT -i INTERFACE -s SERVER -m MAC -c NETWORK/BITS [-w WINDOW] [-u WARM_UP_S] [-t SECONDS] [-a PID]...\n");
	exit(EXIT_FAILURE);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now); // what bpf_ktime_get_ns() tells
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void sleep_s(double seconds)
{
	int64_t ns = (int64_t)(seconds * 1e9);
	struct timespec time = { ns / NS_PER_S, ns % NS_PER_S };

	nanosleep(&time, NULL);
}

static void parse_network(const char *text, struct options *options)
{
	char address[INET_ADDRSTRLEN];
	struct in_addr network;
	unsigned bits;

	if (sscanf(text, "%15[0-9.]/%u", address, &bits) != 2 || bits < 1 || bits > 30
			|| inet_pton(AF_INET, address, &network) != 1)
		fail_usage();
	options->mask = UINT32_MAX >> bits;
	options->network = ntohl(network.s_addr) & ~options->mask;
}

static void parse_mac(const char *text, uint8_t mac[6])
{
	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", mac, mac + 1, mac + 2, mac + 3,
			    mac + 4, mac + 5)
			!= 6)
		fail_usage();
}

static void parse_option(int option, struct options *options)
{
	switch (option) {
	case 'o':
		options->object = optarg;
		break;
	case 'i':
		options->interface = optarg;
		break;
	case 'p':
		options->pass_only = true;
		break;
	case 's':
		if (inet_pton(AF_INET, optarg, &options->server) != 1)
			fail_usage();
		break;
	case 'm':
		parse_mac(optarg, options->server_mac);
		break;
	case 'c':
		parse_network(optarg, options);
		break;
	case 'w':
		options->window = (unsigned)atoi(optarg);
		break;
	case 'u':
		options->warm_up_s = atof(optarg);
		break;
	case 't':
		options->seconds = atof(optarg);
		break;
	case 'a':
		if (options->process_count == PROCESSES)
			fail_usage();
		options->processes[options->process_count++] = atoi(optarg);
		break;
	default:
		fail_usage();
	}
}

static void parse_options(int argc, char **argv, struct options *options)
{
	int option;

	*options = (struct options){ .window = 1, .warm_up_s = 0.5, .seconds = 2 };
	while ((option = getopt(argc, argv, "o:i:ps:m:c:w:u:t:a:")) != -1)
		parse_option(option, options);
	if (!options->object || !options->interface || optind < argc
			|| (!options->pass_only && options->mask == 0) || options->window == 0
			|| options->window > BOUNCE_SLOTS)
		fail_usage();
}

static int find_map(const struct bpf_object *object, const char *name)
{
	int map = bpf_object__find_map_fd_by_name(object, name);

	if (map < 0)
		fail(name, -map);
	return map;
}

static void attach(struct generator *generator, const char *name)
{
	const struct options *options = &generator->options;
	unsigned interface = if_nametoindex(options->interface);
	struct bpf_program *program;
	int error;

	if (interface == 0)
		fail(options->interface, errno);
	generator->object = bpf_object__open_file(options->object, NULL);
	if (!generator->object)
		fail(options->object, errno);
	error = bpf_object__load(generator->object);
	if (error)
		fail("the kernel does not take the program", -error);
	program = bpf_object__find_program_by_name(generator->object, name);
	if (!program)
		fail(name, ENOENT);
	error = bpf_xdp_attach((int)interface, bpf_program__fd(program), XDP_FLAGS_DRV_MODE, NULL);
	if (error)
		fail(options->interface, -error);
	generator->settings = find_map(generator->object, "settings");
	generator->slots = find_map(generator->object, "slots");
	generator->counts = find_map(generator->object, "counts");
}

static void configure(struct generator *generator)
{
	struct bounce_settings settings = {
		.network = generator->options.network,
		.mask = generator->options.mask,
	};
	uint32_t first = 0;

	if (getrandom(&settings.seed, sizeof(settings.seed), 0) != sizeof(settings.seed))
		fail("random numbers", errno);
	if (bpf_map_update_elem(generator->settings, &first, &settings, BPF_ANY))
		fail("settings", errno);
}

static uint64_t sum_words(const void *bytes, size_t size)
{
	uint64_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, (const uint8_t *)bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static void make_request(const struct options *options, const uint8_t own_mac[6], unsigned number,
		struct bounce_frame *frame)
{
	uint32_t client = htonl(options->network | ((number + 1) & options->mask));
	uint64_t cookie;

	if (getrandom(&cookie, sizeof(cookie), 0) != sizeof(cookie))
		fail("random numbers", errno);
	*frame = (struct bounce_frame){ 0 };
	memcpy(frame->destination_mac, options->server_mac, 6);
	memcpy(frame->source_mac, own_mac, 6);
	memcpy(frame->source, &client, 4);
	memcpy(frame->destination, &options->server, 4);
	bounce_fill(frame);
	frame->source_port = htons((uint16_t)(BOUNCE_FIRST_PORT + number));
	memcpy(frame->transmitted, &cookie, 8);
	frame->ip_checksum = bounce_fold(sum_words(&frame->version_service, 20));
	frame->udp_checksum = bounce_fold(sum_words(frame->source, BOUNCE_CHECKSUM_BYTES)
			+ htons(BOUNCE_PROTOCOL_UDP) + htons(BOUNCE_UDP_SIZE));
}

static void remember(const struct generator *generator, uint32_t number,
		const struct bounce_frame *frame)
{
	struct bounce_slot slot = { .sent_ns = now_ns() };

	memcpy(&slot.cookie, frame->transmitted, 8);
	memcpy(slot.client, frame->source, 4);
	if (bpf_map_update_elem(generator->slots, &number, &slot, BPF_ANY))
		fail("slots", errno);
}

static void send_first(const struct generator *generator)
{
	const struct options *options = &generator->options;
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_ifindex = (int)if_nametoindex(options->interface),
	};
	struct ifreq request = { 0 };
	int wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	memcpy(request.ifr_name, options->interface, strnlen(options->interface, IFNAMSIZ - 1));
	if (wire < 0 || ioctl(wire, SIOCGIFHWADDR, &request))
		fail(options->interface, errno);
	for (unsigned i = 0; i < options->window; i++) {
		struct bounce_frame frame;

		make_request(options, (const uint8_t *)request.ifr_hwaddr.sa_data, i, &frame);
		remember(generator, i, &frame);
		if (sendto(wire, &frame, sizeof(frame), 0, (struct sockaddr *)&address,
				    sizeof(address))
				!= sizeof(frame))
			fail("cannot send", errno);
	}
	close(wire);
}

static uint64_t thread_cpu_ns(const char *path)
{
	FILE *file = fopen(path, "r");
	uint64_t cpu_ns = 0;

	if (!file || fscanf(file, "%lu", &cpu_ns) != 1)
		fail(path, errno ? errno : EINVAL);
	fclose(file);
	return cpu_ns;
}

static uint64_t process_cpu_ns(int process)
{
	char pattern[64];
	uint64_t cpu_ns = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/schedstat", process);
	if (glob(pattern, 0, NULL, &found))
		fail(pattern, ESRCH);
	for (size_t i = 0; i < found.gl_pathc; i++)
		cpu_ns += thread_cpu_ns(found.gl_pathv[i]);
	globfree(&found);
	return cpu_ns;
}

static void take_reading(const struct generator *generator, struct reading *reading)
{
	uint32_t first = 0;

	reading->cpu_ns = 0;
	for (unsigned i = 0; i < generator->options.process_count; i++)
		reading->cpu_ns += process_cpu_ns(generator->options.processes[i]);
	reading->at_ns = now_ns();
	if (bpf_map_lookup_elem(generator->counts, &first, &reading->counts))
		fail("counts", errno);
}

static uint64_t sent_ns_of(const struct generator *generator, uint32_t number)
{
	struct bounce_slot slot;

	if (bpf_map_lookup_elem(generator->slots, &number, &slot))
		fail("slots", errno);
	return slot.sent_ns;
}

// How many requests are answered no more: lost, or refused.
static unsigned count_lost(const struct generator *generator)
{
	uint64_t now = now_ns(), deadline = now + LOST_NS;
	unsigned lost = 0;

	for (uint32_t i = 0; i < generator->options.window; i++) {
		// Somebody else may have the core.
		while (sent_ns_of(generator, i) < now && now_ns() < deadline)
			sleep_s(0.01);
		lost += sent_ns_of(generator, i) < now;
	}
	return lost;
}

static double quantile_ns(const uint32_t *histogram, uint64_t total, double part)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < BOUNCE_BUCKETS; i++) {
		seen += histogram[i];
		if ((double)seen >= part * (double)total)
			return (i + 0.5) * BOUNCE_BUCKET_NS;
	}
	return 0;
}

static void print_quantiles(const struct bounce_counts *counts, uint64_t answers)
{
	static const double parts[] = { 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999 };

	printf("\"quantiles_ns\":[");
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		printf("%s[%g,%.0f]", i ? "," : "", parts[i],
				quantile_ns(counts->histogram, answers, parts[i]));
	printf("]");
}

static void print_result(
		const struct generator *generator, const struct reading *start, struct reading *end)
{
	uint64_t answers = end->counts.answers - start->counts.answers;
	uint64_t round_trip_ns = end->counts.round_trip_ns - start->counts.round_trip_ns;

	for (unsigned i = 0; i < BOUNCE_BUCKETS; i++)
		end->counts.histogram[i] -= start->counts.histogram[i];
	printf("{\"window\":%u,\"answers\":%lu,\"bad\":%lu,\"unsynchronised\":%lu,\"lost\":%u,",
			generator->options.window, answers, end->counts.bad,
			end->counts.unsynchronised - start->counts.unsynchronised,
			count_lost(generator));
	printf("\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"mean_ns\":%.0f,",
			(double)(end->at_ns - start->at_ns) / NS_PER_S,
			(double)(end->cpu_ns - start->cpu_ns) / NS_PER_S,
			answers ? (double)round_trip_ns / (double)answers : 0);
	print_quantiles(&end->counts, answers);
	printf("}\n");
}

static void measure(const struct generator *generator)
{
	static struct reading start, end; // large

	send_first(generator);
	sleep_s(generator->options.warm_up_s);
	take_reading(generator, &start);
	sleep_s(generator->options.seconds);
	take_reading(generator, &end);
	print_result(generator, &start, &end);
}

int main(int argc, char **argv)
{
	struct generator generator = { 0 };

	parse_options(argc, argv, &generator.options);
	attach(&generator, generator.options.pass_only ? "bounce_pass" : "bounce");
	// The pass program stays when we leave; so would the other, and go on for ever.
	if (generator.options.pass_only)
		return EXIT_SUCCESS;
	configure(&generator);
	measure(&generator);
	bpf_xdp_detach((int)if_nametoindex(generator.options.interface), XDP_FLAGS_DRV_MODE, NULL);
	return EXIT_SUCCESS;
}
