// SPDX-License-Identifier: BSD-3-Clause
#include "control/refid.h"

#include <nettle/md5.h>

static uint32_t first_four(const uint8_t *octets)
{
	return (uint32_t)octets[0] << 24 | (uint32_t)octets[1] << 16 | (uint32_t)octets[2] << 8
			| octets[3];
}

uint32_t refid_of_address(const struct address *address)
{
	uint8_t digest[MD5_DIGEST_SIZE];
	struct md5_ctx hash;

	switch (address->family) {
	case ADDRESS_IPV4:
		return first_four(address->bytes);
	case ADDRESS_IPV6:
		md5_init(&hash);
		md5_update(&hash, sizeof(address->bytes), address->bytes);
		md5_digest(&hash, sizeof(digest), digest);
		return first_four(digest);
	default:
		return 0;
	}
}
