// SPDX-License-Identifier: BSD-3-Clause
// The log: stderr, a file or syslog. Called by control/, timeballd, and in dataplane/ by port,
// port_watch and flow; everything else returns its errors.
#pragma once

enum log_severity {
	LOG_SEVERITY_DEBUG = -1,
	LOG_SEVERITY_INFO,
	LOG_SEVERITY_WARN,
	LOG_SEVERITY_ERROR,
	LOG_SEVERITY_FATAL,
};

enum log_target {
	LOG_TO_STDERR,
	LOG_TO_SYSLOG,
	LOG_TO_FILE,
};

// Returns 0 or -errno. `path` is used by LOG_TO_FILE only (appended to, created 0640).
int log_open(enum log_target target, const char *path, enum log_severity minimum);
void log_close(void);

[[gnu::format(printf, 2, 3)]] void log_write(enum log_severity severity, const char *format, ...);

#define log_debug(...) log_write(LOG_SEVERITY_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_SEVERITY_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_SEVERITY_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_SEVERITY_ERROR, __VA_ARGS__)
#define log_fatal(...) log_write(LOG_SEVERITY_FATAL, __VA_ARGS__)
