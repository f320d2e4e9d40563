// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/options.h"

#include "config/values.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

// The colon in front: a missing argument is told from an unknown letter, and getopt prints nothing.
#define LETTERS ":46df:F:hl:L:mnpP:qQrRst:u:Uvx"

#define SCHED_PRIORITY_MAX 99 // of SCHED_FIFO; chronyd's option goes to 100

// Whoever asks for this waits for the result.
static void once_take(struct options *options, enum options_mode mode)
{
	options->mode = mode;
	options->foreground = true;
	if (mode == OPTIONS_PRINT_ONCE)
		options->needs_root = false;
}

// The letters that cannot be wrong.
static void letter_take(struct options *options, int letter)
{
	switch (letter) {
	case '4':
		options->family = ADDRESS_IPV4;
		break;
	case '6':
		options->family = ADDRESS_IPV6;
		break;
	case 'd':
		if (options->log_target == LOG_TO_STDERR)
			options->log_severity = LOG_SEVERITY_DEBUG;
		options->log_target = LOG_TO_STDERR;
		options->foreground = true;
		break;
	case 'f':
		options->config_path = optarg;
		break;
	case 'l':
		options->log_path = optarg;
		break;
	case 'm':
		options->lock_all = true;
		break;
	case 'n':
		options->foreground = true;
		break;
	case 'p':
		options->action = OPTIONS_PRINT_CONFIG;
		break;
	case 'q':
	case 'Q':
		once_take(options, letter == 'q' ? OPTIONS_SET_ONCE : OPTIONS_PRINT_ONCE);
		break;
	case 'u':
		options->user = optarg;
		break;
	case 'U':
		options->needs_root = false;
		break;
	case 'x':
		options->null_clock = true;
		break;
	case 'r':
		options->recall = true;
		break;
	default: // -R, -s
		break;
	}
}

static int number_take(struct options *options, int letter, char *message, size_t size)
{
	static const struct {
		char letter;
		int min;
		int max;
	} ranges[] = {
		{ 'F', -2, 2 },
		{ 'L', LOG_SEVERITY_DEBUG, LOG_SEVERITY_FATAL },
		{ 'P', 0, 100 },
		{ 't', 0, INT_MAX },
	};
	unsigned row = 0;
	int64_t number;

	while (ranges[row].letter != letter)
		row++;
	if (value_parse_integer(optarg, ranges[row].min, ranges[row].max, &number)) {
		snprintf(message, size, "-%c: \"%.64s\" is not a whole number from %d to %d",
				letter, optarg, ranges[row].min, ranges[row].max);
		return -EINVAL;
	}
	if (letter == 'L')
		options->log_severity = (enum log_severity)number;
	else if (letter == 'P')
		options->sched_priority =
				number > SCHED_PRIORITY_MAX ? SCHED_PRIORITY_MAX : (int)number;
	else if (letter == 't')
		options->exit_after_s = (unsigned)number;
	return 0;
}

// Returns 0, 1 when no further option counts, or -EINVAL with the message.
static int option_take(struct options *options, int letter, char *message, size_t size)
{
	switch (letter) {
	case 'h':
		options->action = OPTIONS_PRINT_USAGE;
		return 1;
	case 'v':
		options->action = OPTIONS_PRINT_VERSION;
		return 1;
	case 'F':
	case 'L':
	case 'P':
	case 't':
		return number_take(options, letter, message, size);
	case ':':
		snprintf(message, size, "-%c: needs an argument", optopt);
		return -EINVAL;
	case '?':
		snprintf(message, size, "-%c: unknown option", optopt);
		return -EINVAL;
	default:
		letter_take(options, letter);
		return 0;
	}
}

int options_parse(int argc, char **argv, struct options *options, char *message, size_t size)
{
	struct options parsed = {
		.config_path = OPTIONS_DEFAULT_CONFIG,
		.log_target = LOG_TO_SYSLOG,
		.log_severity = LOG_SEVERITY_INFO,
		.sched_priority = -1,
		.needs_root = true,
	};
	int letter, result;

	optind = 0; // makes glibc forget an earlier argv
	while ((letter = getopt(argc, argv, LETTERS)) != -1) {
		result = option_take(&parsed, letter, message, size);
		if (result < 0)
			return result;
		if (result)
			break;
	}
	if (parsed.mode != OPTIONS_STEER)
		parsed.log_target = LOG_TO_STDERR;
	if (parsed.log_path)
		parsed.log_target = LOG_TO_FILE;
	if (optind < argc && parsed.action <= OPTIONS_PRINT_CONFIG) {
		parsed.config_lines = argv + optind;
		parsed.config_line_count = (unsigned)(argc - optind);
	}
	*options = parsed;
	return 0;
}

const char *options_usage(void)
{
	return "Usage: timeballd [OPTION]... [DIRECTIVE]...\n"
	       "Each DIRECTIVE is a line of configuration, read instead of the file.\n"
	       "\n"
	       "  -f FILE     read this configuration (" OPTIONS_DEFAULT_CONFIG ")\n"
	       "  -p          print the configuration and exit\n"
	       "  -d          stay in the foreground, log to stderr; twice: debug messages too\n"
	       "  -n          stay in the foreground, log to syslog\n"
	       "  -l FILE     log to this file\n"
	       "  -L LEVEL    least severity logged: -1 debug, 0 info, 1 warning, 2 error, 3 fatal\n"
	       "  -x          never touch the system clock, serve a software clock\n"
	       "  -r          go on from what was measured before (dumpdir)\n"
	       "  -q          set the clock once and exit\n"
	       "  -Q          print the clock's offset and exit, change nothing\n"
	       "  -t SECONDS  exit after this time\n"
	       "  -m          lock all memory (lock_all)\n"
	       "  -P PRIORITY real-time priority of the control thread (sched_priority)\n"
	       "  -u USER     run as this user (no effect yet)\n"
	       "  -U          start without being root\n"
	       "  -4, -6      resolve host names to IPv4 or IPv6 addresses only\n"
	       "  -v, -h      print the version, or this help, and exit\n"
	       "\n"
	       "Accepted without effect, as chronyd's: -F LEVEL, -R, -s.\n";
}
