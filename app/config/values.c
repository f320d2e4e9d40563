// SPDX-License-Identifier: BSD-3-Clause
#include "config/values.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOST_NAME_LENGTH 253 // RFC 1035 section 2.3.4, without the final dot

int value_parse_integer(const char *text, int64_t min, int64_t max, int64_t *value)
{
	char *end;
	long long parsed;

	if (isspace((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	parsed = strtoll(text, &end, 10);
	if (errno || end == text || *end || parsed < min || parsed > max)
		return -EINVAL;
	*value = parsed;
	return 0;
}

int value_parse_real(const char *text, double min, double max, double *value)
{
	char *end;
	double parsed;

	// strtod() would also take white space, hexadecimal, "inf" and "nan".
	if (text[strspn(text, "+-.0123456789eE")])
		return -EINVAL;
	parsed = strtod(text, &end);
	if (end == text || *end || !isfinite(parsed) || parsed < min || parsed > max)
		return -EINVAL;
	*value = parsed;
	return 0;
}

// Reads a number and moves `text` behind it.
static int number_read(const char **text, unsigned max, unsigned *number)
{
	unsigned long parsed;
	char *end;

	if (!isdigit((unsigned char)**text))
		return -EINVAL;
	parsed = strtoul(*text, &end, 10);
	if (parsed > max)
		return -EINVAL;
	*text = end;
	*number = (unsigned)parsed;
	return 0;
}

// The short form: one to three decimal numbers with dots between them.
static int short_address_parse(const char *text, struct subnet *subnet)
{
	struct subnet parsed = { .address.family = ADDRESS_IPV4 };
	unsigned count = 0, number;

	for (;;) {
		if (count == 3 || number_read(&text, UINT8_MAX, &number))
			return -EINVAL;
		parsed.address.bytes[count++] = (uint8_t)number;
		if (!*text)
			break;
		if (*text++ != '.')
			return -EINVAL;
	}
	parsed.prefix_bits = (uint8_t)(count * 8);
	*subnet = parsed;
	return 0;
}

// Copies what stands before the slash; `length` is what follows it, NULL without a slash.
static int address_split(const char *text, char address[ADDRESS_TEXT_SIZE], const char **length)
{
	const char *slash = strchrnul(text, '/');
	size_t size = (size_t)(slash - text);

	if (size >= ADDRESS_TEXT_SIZE)
		return -EINVAL;
	memcpy(address, text, size);
	address[size] = '\0';
	*length = *slash ? slash + 1 : NULL;
	return 0;
}

static int prefix_bits_parse(const char *text, struct subnet *subnet)
{
	int64_t bits;

	if (value_parse_integer(text, 0, address_bits(subnet->address.family), &bits))
		return -EINVAL;
	subnet->prefix_bits = (uint8_t)bits;
	return 0;
}

int value_parse_subnet(const char *text, struct subnet *subnet)
{
	char address[ADDRESS_TEXT_SIZE];
	const char *length;
	struct subnet parsed;

	if (address_split(text, address, &length))
		return -EINVAL;
	if (!address_parse(address, &parsed.address))
		parsed.prefix_bits = (uint8_t)address_bits(parsed.address.family);
	else if (short_address_parse(address, &parsed))
		return -EINVAL;
	if (length && prefix_bits_parse(length, &parsed))
		return -EINVAL;
	subnet_mask(&parsed);
	*subnet = parsed;
	return 0;
}

int value_parse_interface_address(const char *text, struct subnet *subnet)
{
	char address[ADDRESS_TEXT_SIZE];
	const char *length;
	struct subnet parsed;

	if (address_split(text, address, &length) || !length)
		return -EINVAL;
	if (address_parse(address, &parsed.address) || prefix_bits_parse(length, &parsed))
		return -EINVAL;
	*subnet = parsed;
	return 0;
}

bool value_is_host_name(const char *text)
{
	bool numeric = true;
	size_t length = strlen(text);

	if (length == 0 || length > HOST_NAME_LENGTH || *text == '-' || *text == '.')
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (!isalnum(c) && !strchr("-_.", c))
			return false;
		if (!isdigit(c) && c != '.')
			numeric = false;
	}
	return !numeric;
}

static bool number_is_listed(unsigned number, const unsigned *numbers, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

// Reads `N` or `N-M` and moves `text` behind it.
static int range_read(const char **text, unsigned max, unsigned *first, unsigned *last)
{
	if (number_read(text, max, first))
		return -EINVAL;
	*last = *first;
	if (**text != '-')
		return 0;
	(*text)++;
	return number_read(text, max, last) || *last < *first ? -EINVAL : 0;
}

int value_parse_number_list(const char *text, unsigned max, unsigned *numbers, unsigned capacity)
{
	unsigned count = 0, first, last;

	for (;;) {
		if (range_read(&text, max, &first, &last))
			return -EINVAL;
		for (unsigned number = first; number <= last; number++) {
			if (count == capacity || number_is_listed(number, numbers, count))
				return -EINVAL;
			numbers[count++] = number;
		}
		if (!*text)
			return (int)count;
		if (*text++ != ',')
			return -EINVAL;
	}
}
