// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int wait_for_word(int word)
{
	char byte;
	ssize_t got;

	do
		got = read(word, &byte, 1);
	while (got < 0 && errno == EINTR);
	return got == 1 ? 1 : -ECHILD;
}

int process_detach(struct detachment *detachment)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child < 0) {
		int error = -errno;

		close(ends[0]);
		close(ends[1]);
		return error;
	}
	if (child > 0) {
		close(ends[1]);
		return wait_for_word(ends[0]);
	}
	close(ends[0]);
	setsid();
	detachment->word = ends[1];
	return chdir("/") ? -errno : 0;
}

void process_ready(struct detachment *detachment)
{
	int nowhere;

	if (detachment->word < 0)
		return;
	nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nowhere >= 0) {
		for (int standard = STDIN_FILENO; standard <= STDERR_FILENO; standard++)
			dup2(nowhere, standard);
		close(nowhere);
	}
	// If the foreground was killed meanwhile there is nobody to tell.
	if (write(detachment->word, "", 1) != 1)
		errno = 0;
	close(detachment->word);
	detachment->word = -1;
}

static int fail(int error, const char *path, char *problem, size_t size)
{
	snprintf(problem, size, "pidfile %s: %s", path, strerror(error));
	return -error;
}

static void make_folder(const char *path)
{
	char copy[4096];

	snprintf(copy, sizeof(copy), "%s", path);
	// If it cannot be made, opening the file says why.
	(void)mkdir(dirname(copy), 0755);
}

int pidfile_open(const char *path, char *problem, size_t size)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int file;

	make_folder(path);
	file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (file < 0)
		return fail(errno, path, problem, size);
	if (fcntl(file, F_OFD_SETLK, &whole)) {
		snprintf(problem, size, "pidfile %s: another timeballd has it", path);
		close(file);
		return -EEXIST;
	}
	if (ftruncate(file, 0) || dprintf(file, "%d\n", (int)getpid()) < 0) {
		int error = errno;

		close(file);
		return fail(error, path, problem, size);
	}
	return file;
}

void pidfile_close(int descriptor, const char *path)
{
	if (descriptor < 0)
		return;
	unlink(path);
	close(descriptor);
}

int process_set_priority(unsigned priority)
{
	struct sched_param parameters = { .sched_priority = (int)priority };

	return -pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
}

int process_lock_memory(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE) ? -errno : 0;
}
