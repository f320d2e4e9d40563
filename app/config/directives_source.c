// SPDX-License-Identifier: BSD-3-Clause
// server, pool, peer: what an address of ntpd's for a reference clock means here.
#include "config/directives.h"
#include "config/readers.h"

static bool address_is_refclock(const struct address *address)
{
	return address->family == ADDRESS_IPV4 && address->bytes[0] == 127
			&& address->bytes[1] == 127;
}

int source_read(struct statement *statement)
{
	const char *host = statement->words[0];
	const char *instead = "reference clocks are given by \"refclock\"";
	struct address address;
	int error;

	if (address_parse(host, &address) || !address_is_refclock(&address))
		return 0;
	// ntpd's driver 1 is the undisciplined local clock.
	if (address.bytes[2] == 1)
		instead = "the local clock is served by \"local\"";
	error = statement_notice(statement, " %s: accepted, ignored: %s", host, instead);
	return error ? error : DIRECTIVE_TOLD;
}
