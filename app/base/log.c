// SPDX-License-Identifier: BSD-3-Clause
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 1024

// The one piece of process-wide state: where the log goes.
static struct {
	enum log_target target;
	enum log_severity minimum;
	int file;
} sink = { .target = LOG_TO_STDERR, .minimum = LOG_SEVERITY_INFO, .file = STDERR_FILENO };

int log_open(enum log_target target, const char *path, enum log_severity minimum)
{
	int file = STDERR_FILENO;

	if (target == LOG_TO_FILE) {
		file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
		if (file < 0)
			return -errno;
	} else if (target == LOG_TO_SYSLOG) {
		openlog("timeballd", LOG_PID, LOG_DAEMON);
	}
	log_close();
	sink.target = target;
	sink.minimum = minimum;
	sink.file = file;
	return 0;
}

void log_close(void)
{
	if (sink.target == LOG_TO_FILE)
		close(sink.file);
	sink.target = LOG_TO_STDERR;
	sink.file = STDERR_FILENO;
}

static int syslog_priority(enum log_severity severity)
{
	switch (severity) {
	case LOG_SEVERITY_DEBUG:
		return LOG_DEBUG;
	case LOG_SEVERITY_INFO:
		return LOG_INFO;
	case LOG_SEVERITY_WARN:
		return LOG_WARNING;
	case LOG_SEVERITY_ERROR:
		return LOG_ERR;
	case LOG_SEVERITY_FATAL:
		return LOG_CRIT;
	}
	return LOG_ERR;
}

void log_write(enum log_severity severity, const char *format, ...)
{
	char line[LINE_SIZE];
	size_t length = 0;
	va_list arguments;

	if (severity < sink.minimum)
		return;
	va_start(arguments, format);
	if (sink.target == LOG_TO_SYSLOG) {
		vsyslog(syslog_priority(severity), format, arguments);
		va_end(arguments);
		return;
	}
	struct tm utc;
	time_t now = time(NULL);

	length = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ", gmtime_r(&now, &utc));
	int text = vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);

	va_end(arguments);
	if (text < 0)
		return;
	length = strnlen(line, sizeof(line) - 1);
	line[length++] = '\n';
	// One write a line, so that lines of several threads do not mix. Nobody to tell if it fails.
	if (write(sink.file, line, length) < 0)
		return;
}
