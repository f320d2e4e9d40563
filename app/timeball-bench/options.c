// SPDX-License-Identifier: BSD-3-Clause
// One row of a table per option. Anything wrong is told with the option's name and what it takes.
#include "timeball-bench/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_CLIENTS  10000
#define DEFAULT_MIN_RATE 1000.0
#define DEFAULT_MAX_RATE 20e6
#define FIRST_LETTER     256 // above all characters: no option has a letter of its own

struct row {
	const char *name;
	const char *wants; // what it takes, NULL for a flag
	int (*take)(struct options *options, const struct row *row, const char *text);
	size_t field;
	double min, max;
};

static void *field_of(struct options *options, const struct row *row)
{
	return (char *)options + row->field;
}

static int take_flag(struct options *options, const struct row *row, const char *)
{
	*(bool *)field_of(options, row) = true;
	return 0;
}

static int take_text(struct options *options, const struct row *row, const char *text)
{
	*(const char **)field_of(options, row) = text;
	return *text ? 0 : -EINVAL;
}

// A number that may end in k or M.
static int parse_number(const char *text, char **end, double *number)
{
	double value = strtod(text, end);

	if (*end == text || !isfinite(value) || isspace((unsigned char)*text))
		return -EINVAL;
	if (**end == 'k')
		value *= 1e3;
	if (**end == 'M')
		value *= 1e6;
	*end += **end == 'k' || **end == 'M';
	*number = value;
	return 0;
}

static int parse_within(const struct row *row, const char *text, double *number)
{
	char *end;

	if (parse_number(text, &end, number) || *end != '\0')
		return -EINVAL;
	return *number >= row->min && *number <= row->max ? 0 : -EINVAL;
}

static int take_number(struct options *options, const struct row *row, const char *text)
{
	return parse_within(row, text, field_of(options, row));
}

static int take_percent(struct options *options, const struct row *row, const char *text)
{
	double percent;
	int error = parse_within(row, text, &percent);

	if (!error)
		*(double *)field_of(options, row) = percent / 100;
	return error;
}

static int take_integer(struct options *options, const struct row *row, const char *text)
{
	double number;

	if (parse_within(row, text, &number) || number != floor(number))
		return -EINVAL;
	*(uint64_t *)field_of(options, row) = (uint64_t)number;
	return 0;
}

static int take_correction(struct options *options, const struct row *row, const char *text)
{
	options->has_correction = true;
	return take_number(options, row, text);
}

// MIN-MAX, or a list with commas.
static int take_rates(struct options *options, const struct row *row, const char *text)
{
	char *end;
	double rate;

	options->rate_count = 0;
	options->min_rate = options->max_rate = 0;
	for (;; text = end + 1) {
		if (options->rate_count == OPTIONS_RATES || parse_number(text, &end, &rate)
				|| rate < row->min || rate > row->max)
			return -EINVAL;
		options->rates[options->rate_count++] = rate;
		if (*end != ',')
			break;
	}
	if (*end == '-' && options->rate_count == 1) {
		options->min_rate = rate;
		options->rate_count = 0;
		if (parse_within(row, end + 1, &options->max_rate))
			return -EINVAL;
		return options->min_rate <= options->max_rate ? 0 : -EINVAL;
	}
	return *end == '\0' ? 0 : -EINVAL;
}

static enum family_index family_of(const struct address *address)
{
	return address->family == ADDRESS_IPV4 ? FAMILY_IPV4 : FAMILY_IPV6;
}

static int take_address(struct options *options, const struct row *row, const char *text)
{
	struct address address;

	if (address_parse(text, &address))
		return -EINVAL;
	((struct address *)field_of(options, row))[family_of(&address)] = address;
	return 0;
}

static int take_prefix(struct options *options, const struct row *row, const char *text)
{
	char address[ADDRESS_TEXT_SIZE];
	const char *slash = strchr(text, '/');
	struct subnet subnet;
	char *end;

	if (!slash || (size_t)(slash - text) >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (address_parse(address, &subnet.address) || !isdigit((unsigned char)slash[1]))
		return -EINVAL;
	unsigned long bits = strtoul(slash + 1, &end, 10);

	if (*end != '\0' || bits > address_bits(subnet.address.family))
		return -EINVAL;
	subnet.prefix_bits = (uint8_t)bits;
	((struct subnet *)field_of(options, row))[family_of(&subnet.address)] = subnet;
	return 0;
}

static int take_mac(struct options *options, const struct row *, const char *text)
{
	unsigned bytes[MAC_SIZE];
	int used = 0;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2], &bytes[3],
			    &bytes[4], &bytes[5],
			    &used) != MAC_SIZE
			|| text[used] != '\0' || bytes[0] & 1)
		return -EINVAL;
	for (unsigned i = 0; i < MAC_SIZE; i++)
		options->mac[i] = (uint8_t)bytes[i];
	options->has_mac = true;
	return 0;
}

static int take_gaps(struct options *options, const struct row *, const char *text)
{
	options->exponential = strcmp(text, "exponential") == 0;
	return options->exponential || strcmp(text, "constant") == 0 ? 0 : -EINVAL;
}

static int take_ealarg(struct options *options, const struct row *, const char *text)
{
	if (options->ealarg_count == OPTIONS_EALARGS)
		return -EINVAL;
	options->ealargs[options->ealarg_count++] = text;
	return 0;
}

static int take_plot(struct options *options, const struct row *row, const char *text)
{
	const char *end = strrchr(text, '.');

	if (!end || (strcmp(end, ".svg") != 0 && strcmp(end, ".png") != 0))
		return -EINVAL;
	return take_text(options, row, text);
}

#define AT(field) offsetof(struct options, field)

static const struct row rows[] = {
	{ "rate", "requests/s, from 1 to 200M: one, some with commas, or MIN-MAX", take_rates, 0, 1,
			200e6 },
	{ "search", NULL, take_flag, AT(search), 0, 0 },
	{ "duration", "seconds from 0.01 to 1000", take_number, AT(duration_s), 0.01, 1000 },
	{ "warm-up", "seconds from 0 to 1000", take_number, AT(warm_up_s), 0, 1000 },
	{ "timeout", "seconds from 0.0001 to 10", take_number, AT(timeout_s), 0.0001, 10 },
	{ "trials", "a number from 1 to 1000", take_integer, AT(trials), 1, 1000 },
	{ "step", "a factor from 1.01 to 100", take_number, AT(step), 1.01, 100 },
	{ "resolution", "percent from 0.01 to 100", take_percent, AT(resolution), 0.01, 100 },
	{ "loss", "percent from 0 to 99", take_percent, AT(loss), 0, 99 },
	{ "gaps", "constant or exponential", take_gaps, 0, 0, 0 },
	{ "interleaved", "percent of the clients", take_percent, AT(interleaved), 0, 100 },
	{ "ipv6", "percent of the requests", take_percent, AT(ipv6), 0, 100 },
	{ "clients", "a prefix, ADDRESS/BITS", take_prefix, AT(clients), 0, 0 },
	{ "count", "a number of clients from 1 to 16777216", take_integer, AT(count), 1,
			CLIENTS_MAX },
	{ "address", "an IP address", take_address, AT(own), 0, 0 },
	{ "gateway", "an IP address", take_address, AT(gateways), 0, 0 },
	{ "mac", "an Ethernet address of one host", take_mac, 0, 0, 0 },
	{ "vlan", "a number from 1 to 4094", take_integer, AT(vlan), 1, 4094 },
	{ "port", "a number from 1 to 65535", take_integer, AT(port), 1, 65535 },
	{ "ntp-version", "a number from 1 to 4", take_integer, AT(version), 1, 4 },
	{ "same-clock", NULL, take_flag, AT(same_clock), 0, 0 },
	{ "tolerance", "microseconds from 0 to 1M", take_number, AT(tolerance_us), 0, 1e6 },
	{ "unsynchronised", NULL, take_flag, AT(takes_unsynchronised), 0, 0 },
	{ "json", "a file", take_text, AT(json_path), 0, 0 },
	{ "plot", "a file that ends in .svg or .png", take_plot, AT(plot_path), 0, 0 },
	{ "ntpperf", NULL, take_flag, AT(ntpperf), 0, 0 },
	{ "correction", "microseconds", take_correction, AT(correction_us), -1e9, 1e9 },
	{ "quiet", NULL, take_flag, AT(quiet), 0, 0 },
	{ "seed", "a number from 1", take_integer, AT(seed), 1, 1e15 },
	{ "cpu", "a number from 0 to 4095", take_integer, AT(cpu), 0, 4095 },
	{ "ealarg", "a word", take_ealarg, 0, 0, 0 },
	{ "help", NULL, take_flag, AT(wants_usage), 0, 0 },
	{ "version", NULL, take_flag, AT(wants_version), 0, 0 },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

static int take_servers(int argc, char **argv, struct options *options, char *message, size_t size)
{
	if (argc - optind < 2) {
		snprintf(message, size,
				"needs a device and a server; timeball-bench --help has more");
		return -EINVAL;
	}
	options->device = argv[optind++];
	for (; optind < argc; optind++) {
		struct address server;

		if (address_parse(argv[optind], &server)) {
			snprintf(message, size, "\"%.64s\" is not an IP address", argv[optind]);
			return -EINVAL;
		}
		if (options->servers[family_of(&server)].family != ADDRESS_NONE) {
			snprintf(message, size, "more than one server of a family: %.64s",
					argv[optind]);
			return -EINVAL;
		}
		options->servers[family_of(&server)] = server;
	}
	return 0;
}

static int choose_count(struct options *options, char *message, size_t size)
{
	uint64_t wanted = options->count ? options->count : DEFAULT_CLIENTS;

	for (unsigned i = 0; i < FAMILIES; i++) {
		if (options->servers[i].family == ADDRESS_NONE)
			continue;
		uint32_t room = clients_room(&options->clients[i]);

		if (room < wanted && options->count) {
			char text[SUBNET_TEXT_SIZE];

			snprintf(message, size, "--count: %s has room for %u clients",
					subnet_print(&options->clients[i], text), room);
			return -EINVAL;
		}
		wanted = room < wanted ? room : wanted;
	}
	options->count = wanted;
	return 0;
}

// What follows from what was given.
static int complete(struct options *options, char *message, size_t size)
{
	bool has_ipv4 = options->servers[FAMILY_IPV4].family != ADDRESS_NONE;
	bool has_ipv6 = options->servers[FAMILY_IPV6].family != ADDRESS_NONE;

	if (options->ipv6 < 0)
		options->ipv6 = has_ipv4 && has_ipv6 ? 0.5 : has_ipv6;
	if ((options->ipv6 > 0 && !has_ipv6) || (options->ipv6 < 1 && !has_ipv4)) {
		snprintf(message, size, "--ipv6: there is no server for %s",
				has_ipv6 ? "IPv4" : "IPv6");
		return -EINVAL;
	}
	if (options->rate_count == 0 && options->max_rate == 0) {
		options->search = true;
		options->min_rate = DEFAULT_MIN_RATE;
		options->max_rate = DEFAULT_MAX_RATE;
	}
	if (options->search && options->max_rate == 0) {
		snprintf(message, size, "--search needs a --rate of the form MIN-MAX, or none");
		return -EINVAL;
	}
	return choose_count(options, message, size);
}

static void fill_long_options(struct option long_options[ROWS + 1])
{
	memset(long_options, 0, (ROWS + 1) * sizeof(*long_options));
	for (unsigned i = 0; i < ROWS; i++)
		long_options[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].wants ? required_argument : no_argument,
			.val = FIRST_LETTER + (int)i,
		};
}

static const struct options defaults = {
	.clients = {
		// Set aside for this (RFC 2544, RFC 5180).
		[FAMILY_IPV4] = { { ADDRESS_IPV4, { 198, 18 } }, 15 },
		[FAMILY_IPV6] = { { ADDRESS_IPV6, { 0x20, 1, 0, 2 } }, 48 },
	},
	.port = 123,
	.version = 4,
	.step = 1.5,
	.duration_s = 2,
	.warm_up_s = 0.5,
	.timeout_s = 0.2,
	.trials = 3,
	.resolution = 0.02,
	.ipv6 = -1,
	.tolerance_us = 5,
};

int options_parse(int argc, char **argv, struct options *options, char *message, size_t size)
{
	struct option long_options[ROWS + 1];
	struct options parsed = defaults;
	int letter;

	fill_long_options(long_options);
	optind = 0; // makes glibc forget an earlier argv
	while ((letter = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (letter < FIRST_LETTER) {
			snprintf(message, size, "%.64s: %s", argv[optind - 1],
					letter == ':' ? "needs an argument" : "unknown option");
			return -EINVAL;
		}
		const struct row *row = &rows[letter - FIRST_LETTER];

		if (row->take(&parsed, row, optarg)) {
			snprintf(message, size, "--%s: \"%.64s\" is not %s", row->name, optarg,
					row->wants);
			return -EINVAL;
		}
	}
	int error = 0;

	if (!parsed.wants_usage && !parsed.wants_version)
		error = take_servers(argc, argv, &parsed, message, size);
	if (!error && parsed.device)
		error = complete(&parsed, message, size);
	if (!error)
		*options = parsed;
	return error;
}

const char *options_usage(void)
{
	return "Usage: timeball-bench [OPTION]... DEVICE SERVER...\n"
	       "Loads an NTP server through a DPDK port (a PCI address, or a virtual device with its\n"
	       "arguments) and checks every reply. SERVER: an IPv4 address, an IPv6 address, or both.\n"
	       "Without --rate it searches for the highest rate without loss.\n"
	       "\n"
	       "Load\n"
	       "  --rate RATE,...      a trial at each of these requests/s (k and M as in 200k, 1.5M)\n"
	       "  --rate MIN-MAX       trials from MIN to MAX, each --step times the one before\n"
	       "  --step FACTOR        1.5\n"
	       "  --search             the zero-loss search between MIN and MAX instead\n"
	       "  --trials N           that a rate has to pass in the search (3)\n"
	       "  --resolution PERCENT to which the search goes (2)\n"
	       "  --loss PERCENT       that passes all the same (0)\n"
	       "  --duration SECONDS   of a trial (2)\n"
	       "  --warm-up SECONDS    before the first, not measured (0.5)\n"
	       "  --gaps KIND          constant (as without), or exponential\n"
	       "  --interleaved PERCENT of the clients ask in interleaved mode (0)\n"
	       "  --ipv6 PERCENT       of the requests, when both families are given (50)\n"
	       "  --ntp-version N      4\n"
	       "Clients and link\n"
	       "  --clients PREFIX     their addresses, once a family (198.18.0.0/15, 2001:2::/48)\n"
	       "  --count N            of each family, up to 16777216 (10000, or what the prefix holds)\n"
	       "  --address ADDRESS    our own on the link, once a family (that of the first client)\n"
	       "  --gateway ADDRESS    ask this one where to send, once a family (the server)\n"
	       "  --mac MAC            send there, ask nobody\n"
	       "  --vlan ID            tag\n"
	       "  --port N             of the server (123)\n"
	       "  --cpu N              to run on (0)\n"
	       "  --ealarg=WORD        passed on to DPDK, as often as given (--ealarg=--no-huge)\n"
	       "Checks\n"
	       "  --timeout SECONDS    a later reply is late (0.2)\n"
	       "  --same-clock         the server's clock is this host's: stamps lie in their flights\n"
	       "  --tolerance US       by which stamps may be off in that and other checks (5)\n"
	       "  --unsynchronised     leap indicator 3 is no failure\n"
	       "Report\n"
	       "  --json FILE          everything; - is standard output, instead of the table\n"
	       "  --plot FILE          .svg or .png, needs gnuplot\n"
	       "  --ntpperf            the table in ntpperf's columns\n"
	       "  --correction US      of --ntpperf: offset of the transmit timestamp, less this\n"
	       "  --seed N             the same random numbers each time\n"
	       "  --quiet              no progress on the terminal\n"
	       "  --help, --version\n"
	       "\n"
	       "Exit status: 0 every reply was right (some may be missing), 1 some failed a check,\n"
	       "2 wrong usage, or it could not start.\n";
}
