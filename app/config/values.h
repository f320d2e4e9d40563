// SPDX-License-Identifier: BSD-3-Clause
// One word of text to one value: numbers within a range, subnets in chrony's spellings, host names.
// Pure; results are written only on success.
#pragma once

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>

// A whole decimal number. Returns 0, or -EINVAL for anything else or one outside min..max.
int value_parse_integer(const char *text, int64_t min, int64_t max, int64_t *value);
// A finite number in C's decimal notation. Returns 0 or -EINVAL as above.
int value_parse_real(const char *text, double min, double max, double *value);

// What `allow` takes: an address, A/LEN, or one to three decimal numbers that begin an IPv4 address,
// with /LEN or standing for 8 bits each. Bits beyond the length are cleared. Returns 0 or -EINVAL.
int value_parse_subnet(const char *text, struct subnet *subnet);
// A/LEN of an interface: LEN must be there, the host bits stay. Returns 0 or -EINVAL.
int value_parse_interface_address(const char *text, struct subnet *subnet);
// Could be resolved as a name: letters, digits, `-`, `_` and `.`, at least one not a digit or a dot.
bool value_is_host_name(const char *text);

// Numbers and ranges joined by commas, as in `1-3,5`, each number once and at most `max`. Returns how
// many it wrote to `numbers`, or -EINVAL. Unlike the others it may have written some of them then.
int value_parse_number_list(const char *text, unsigned max, unsigned *numbers, unsigned capacity);
