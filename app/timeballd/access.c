// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/access.h"

#include "server/acl.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACL_ALIGNMENT 64

static void take_address(const struct addrinfo *found, struct address *address)
{
	*address = (struct address){ 0 };
	if (found->ai_family == AF_INET) {
		address->family = ADDRESS_IPV4;
		memcpy(address->bytes, &((const struct sockaddr_in *)found->ai_addr)->sin_addr, 4);
	} else {
		address->family = ADDRESS_IPV6;
		memcpy(address->bytes, &((const struct sockaddr_in6 *)found->ai_addr)->sin6_addr,
				16);
	}
}

static int resolve(const char *host, enum address_family family, struct subnet *subnet)
{
	struct addrinfo *found;
	struct addrinfo hints = {
		.ai_family = family == ADDRESS_IPV4      ? AF_INET
				: family == ADDRESS_IPV6 ? AF_INET6
							 : AF_UNSPEC,
		.ai_socktype = SOCK_DGRAM,
	};
	int error = getaddrinfo(host, NULL, &hints, &found);

	if (error)
		return error;
	take_address(found, &subnet->address);
	subnet->prefix_bits = (uint8_t)address_bits(subnet->address.family);
	freeaddrinfo(found);
	return 0;
}

static int make_rule(const struct config_access *access, enum address_family family,
		struct acl_rule *rule, char *problem, size_t size)
{
	*rule = (struct acl_rule){
		.subnet = access->subnet,
		.allow = access->allow,
		.all = access->all,
	};
	int error = access->host ? resolve(access->host, family, &rule->subnet) : 0;

	if (error)
		snprintf(problem, size, "%s: cannot resolve %s: %s", access->where, access->host,
				gai_strerror(error));
	return error;
}

static struct policy *build(const struct acl_rule *rules, unsigned count)
{
	// The policy and, aligned behind it, its table.
	size_t size = ACL_ALIGNMENT + acl_size(rules, count);
	uint8_t *memory = aligned_alloc(
			ACL_ALIGNMENT, (size + ACL_ALIGNMENT - 1) & ~(ACL_ALIGNMENT - 1UL));
	struct policy *policy = (struct policy *)memory;

	static_assert(sizeof(*policy) <= ACL_ALIGNMENT);
	if (policy)
		rate_limit_init(&policy->limit, NULL);
	if (policy)
		policy->access = acl_build(memory + ACL_ALIGNMENT, rules, count);
	return policy;
}

struct policy *access_build(
		const struct config *config, enum address_family family, char *problem, size_t size)
{
	struct acl_rule *rules = calloc(config->access_count + 1, sizeof(*rules));
	struct policy *policy = NULL;
	int error = rules ? 0 : -ENOMEM;

	for (unsigned i = 0; i < config->access_count && !error; i++)
		error = make_rule(&config->access[i], family, &rules[i], problem, size);
	if (!error)
		policy = build(rules, config->access_count);
	if (!policy && (!error || error == -ENOMEM))
		snprintf(problem, size, "no memory for the access table");
	free(rules);
	return policy;
}
