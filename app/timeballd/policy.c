// SPDX-License-Identifier: BSD-3-Clause
#include "timeballd/policy.h"

#include "server/acl.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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

// The policy and, aligned behind it, its table.
struct block {
	struct policy policy;
	size_t size; // of the whole
	_Alignas(ACL_ALIGNMENT) uint8_t table[];
};

// Pages of their own, which go back whole: with glibc 2.36 a heap grows by a table at each reload, for
// what aligned_alloc() gave is, when freed, a little too small for the next.
static void *map(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

// To build a table takes room for the worst that the rules could come to, 25 MB for 100,000; what is
// kept is what they came to.
static struct policy *build(const struct acl_rule *rules, unsigned count)
{
	size_t worst = acl_size(rules, count), size;
	struct acl *built = map(worst);
	struct block *block = NULL;

	if (!built)
		return NULL;
	acl_build(built, rules, count);
	size = sizeof(*block) + acl_bytes_used(built);
	block = map(size);
	if (block) {
		block->size = size;
		block->policy.access = memcpy(block->table, built, acl_bytes_used(built));
	}
	munmap(built, worst);
	return block ? &block->policy : NULL;
}

static void init_limit(struct rate_limit *limit, const struct config_ratelimit *from)
{
	struct rate_limit_options options = {
		.interval = (int8_t)from->interval,
		.burst = (uint8_t)from->burst,
		.leak = (uint8_t)from->leak,
		.kod = (uint8_t)from->kod,
		.ipv4_bits = (uint8_t)from->ipv4_bits,
		.ipv6_bits = (uint8_t)from->ipv6_bits,
	};

	rate_limit_init(limit, from->enabled ? &options : NULL);
}

struct policy *policy_build(
		const struct config *config, enum address_family family, char *problem, size_t size)
{
	struct acl_rule *rules = calloc(config->access_count + 1, sizeof(*rules));
	struct policy *policy = NULL;
	int error = rules ? 0 : -ENOMEM;

	for (unsigned i = 0; i < config->access_count && !error; i++)
		error = make_rule(&config->access[i], family, &rules[i], problem, size);
	if (!error)
		policy = build(rules, config->access_count);
	if (policy)
		init_limit(&policy->limit, &config->ratelimit);
	if (!policy && (!error || error == -ENOMEM))
		snprintf(problem, size, "no memory for the access table");
	free(rules);
	return policy;
}

void policy_free(const struct policy *policy)
{
	static_assert(offsetof(struct block, policy) == 0);
	if (policy)
		munmap((void *)policy, ((const struct block *)policy)->size);
}

const char *policy_print_limit(const struct config_ratelimit *limit, char text[POLICY_TEXT_SIZE])
{
	if (limit->enabled)
		snprintf(text, POLICY_TEXT_SIZE,
				"rate limit interval %d burst %u leak %u kod %u ipv4mask /%u ipv6mask /%u",
				limit->interval, limit->burst, limit->leak, limit->kod,
				limit->ipv4_bits, limit->ipv6_bits);
	else
		snprintf(text, POLICY_TEXT_SIZE, "no rate limit");
	return text;
}
