// SPDX-License-Identifier: BSD-3-Clause
#include "control/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// Who comes second frees it.
enum phase {
	UNDER_WAY,
	DONE,
	ABANDONED,
};

struct resolver {
	char *name;
	int family;
	struct resolver_result result; // the thread's until it is done
	_Atomic int phase;             // enum phase; each side once
};

// Returns false for what is no IP address.
static bool convert(const struct sockaddr *found, struct resolver_address *address)
{
	*address = (struct resolver_address){ 0 };
	if (found->sa_family == AF_INET) {
		const struct sockaddr_in *ipv4 = (const void *)found;

		address->address.family = ADDRESS_IPV4;
		memcpy(address->address.bytes, &ipv4->sin_addr, 4);
		return true;
	}
	if (found->sa_family == AF_INET6) {
		const struct sockaddr_in6 *ipv6 = (const void *)found;

		address->address.family = ADDRESS_IPV6;
		address->scope = ipv6->sin6_scope_id;
		memcpy(address->address.bytes, &ipv6->sin6_addr, 16);
		return true;
	}
	return false;
}

static bool has(const struct resolver_result *result, const struct resolver_address *address)
{
	for (unsigned i = 0; i < result->count; i++) {
		if (address_equals(&result->addresses[i].address, &address->address)
				&& result->addresses[i].scope == address->scope)
			return true;
	}
	return false;
}

static void collect(const struct addrinfo *found, struct resolver_result *result)
{
	struct resolver_address address;

	for (; found && result->count < RESOLVER_ADDRESSES; found = found->ai_next) {
		if (convert(found->ai_addr, &address) && !has(result, &address))
			result->addresses[result->count++] = address;
	}
	result->problem = result->count ? NULL : "it has no address";
}

static void look_up(const char *name, int family, int flags, struct resolver_result *result)
{
	struct addrinfo hints = {
		.ai_family = family,
		.ai_socktype = SOCK_DGRAM,
		.ai_flags = flags,
	};
	struct addrinfo *found;
	int error = getaddrinfo(name, NULL, &hints, &found);

	result->count = 0;
	if (error) {
		result->problem = error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
		return;
	}
	collect(found, result);
	freeaddrinfo(found);
}

int resolver_read_address(const char *text, struct resolver_address *address)
{
	struct resolver_address read = { 0 };
	struct resolver_result result;

	if (address_parse(text, &read.address) == 0) {
		*address = read;
		return 0;
	}
	// Only an address of IPv6 has a colon, or names its interface.
	if (!strchr(text, ':'))
		return -EINVAL;
	look_up(text, AF_INET6, AI_NUMERICHOST, &result);
	if (result.count == 0)
		return -EINVAL;
	*address = result.addresses[0];
	return 0;
}

static void release(struct resolver *resolver)
{
	free(resolver->name);
	free(resolver);
}

static void *run(void *argument)
{
	struct resolver *resolver = argument;

	look_up(resolver->name, resolver->family, 0, &resolver->result);
	if (atomic_exchange(&resolver->phase, DONE) == ABANDONED)
		release(resolver);
	return NULL;
}

// Detached: should it hang, the process may end without waiting for it. Signals are the control
// thread's.
static int start_thread(struct resolver *resolver)
{
	pthread_t thread;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = -pthread_create(&thread, NULL, run, resolver);

	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_detach(thread);
	return error;
}

int resolver_start(struct resolver **result, const char *name, enum address_family family)
{
	struct resolver *resolver = calloc(1, sizeof(*resolver));
	int error;

	if (!resolver)
		return -ENOMEM;
	resolver->name = strdup(name);
	resolver->family = AF_UNSPEC;
	if (family != ADDRESS_NONE)
		resolver->family = family == ADDRESS_IPV4 ? AF_INET : AF_INET6;
	error = resolver->name ? start_thread(resolver) : -ENOMEM;
	if (error)
		release(resolver);
	else
		*result = resolver;
	return error;
}

bool resolver_take(struct resolver *resolver, struct resolver_result *result)
{
	if (atomic_load(&resolver->phase) != DONE)
		return false;
	*result = resolver->result;
	release(resolver);
	return true;
}

void resolver_abandon(struct resolver *resolver)
{
	if (resolver && atomic_exchange(&resolver->phase, ABANDONED) == DONE)
		release(resolver);
}
