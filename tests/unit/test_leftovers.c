// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/leftovers.h"
#include "unit.h"

#include <fcntl.h>
#include <linux/if_xdp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RING 64

static int open_socket(void)
{
	int descriptor = socket(AF_XDP, SOCK_RAW, 0);

	if (descriptor < 0)
		skip(); // not root, or a kernel without
	return descriptor;
}

static bool is_listed(const struct leftovers *leftovers, int descriptor)
{
	for (unsigned i = 0; i < leftovers->count; i++) {
		if (leftovers->list[i].descriptor == descriptor)
			return true;
	}
	return false;
}

static bool is_open(int descriptor)
{
	return fcntl(descriptor, F_GETFD) >= 0;
}

static void what_was_open_before_stays_open(void **)
{
	struct leftovers before, now;
	int old = open_socket();

	leftovers_list(&before);
	assert_true(is_listed(&before, old));
	int new = open_socket(), other = socket(AF_UNIX, SOCK_DGRAM, 0);

	leftovers_list(&now);
	leftovers_remove(&now, &before);
	assert_int_equal(now.count, 1);
	assert_true(is_listed(&now, new));
	assert_int_equal(leftovers_close(&now), 1);
	assert_false(is_open(new));
	assert_true(is_open(old));
	assert_true(is_open(other));
	assert_int_equal(now.count, 0);
	close(old);
	close(other);
}

static void what_took_its_place_is_not_closed(void **)
{
	int first = open_socket();
	struct leftovers now;

	leftovers_list(&now);
	close(first);
	int second = open_socket();

	assert_int_equal(second, first);
	assert_int_equal(leftovers_close(&now), 0);
	assert_true(is_open(second));
	close(second);
}

static void a_ring_in_memory_goes_too(void **)
{
	int descriptor = open_socket(), size = RING;
	struct leftovers now;
	unsigned char resident;

	assert_int_equal(setsockopt(descriptor, SOL_XDP, XDP_RX_RING, &size, sizeof(size)), 0);
	void *ring = mmap(NULL, (size_t)getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED,
			descriptor, XDP_PGOFF_RX_RING);

	assert_ptr_not_equal(ring, MAP_FAILED);
	leftovers_list(&now);
	assert_int_equal(leftovers_close(&now), 1);
	assert_int_equal(mincore(ring, 1, &resident), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_open_before_stays_open),
		cmocka_unit_test(what_took_its_place_is_not_closed),
		cmocka_unit_test(a_ring_in_memory_goes_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
