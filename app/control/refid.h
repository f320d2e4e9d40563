// SPDX-License-Identifier: BSD-3-Clause
// What an address is called in the reference identifier of packets (RFC 5905 section 7.3).
#pragma once

#include "base/address.h"

// The address of IPv4, the first four octets of the MD5 of IPv6's; 0 of none.
uint32_t refid_of_address(const struct address *address);
