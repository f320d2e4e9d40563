// SPDX-License-Identifier: BSD-3-Clause
// server/acl: chrony's allow/deny as written in its manual and found in its behaviour, by example
// and against an oracle that keeps a word for each level and knows nothing of tries.
#include "base/address.h"
#include "server/acl.h"
#include "unit.h"

#include <string.h>

#define RULES_MAX 64

// "allow all 1.2.0.0/16; deny ::/0; allow", as in a configuration file.
static size_t read_rules(const char *text, struct acl_rule rules[RULES_MAX])
{
	char copy[512], *rest = copy, *line;
	size_t count = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((line = strsep(&rest, ";")) != NULL) {
		struct acl_rule rule = { 0 };
		char *word = strtok(line, " ");

		if (!word)
			continue;
		rule.allow = strcmp(word, "allow") == 0;
		word = strtok(NULL, " ");
		if (word && strcmp(word, "all") == 0) {
			rule.all = true;
			word = strtok(NULL, " ");
		}
		if (word) {
			char *bits = strchr(word, '/');

			if (bits)
				*bits++ = '\0';
			assert_int_equal(address_parse(word, &rule.subnet.address), 0);
			rule.subnet.prefix_bits =
					(uint8_t)(bits ? strtoul(bits, NULL, 10)
						       : address_bits(rule.subnet.address.family));
		}
		rules[count++] = rule;
	}
	return count;
}

// In memory of just the size asked for, so that a sanitizer sees one octet too many.
static struct acl *build(const struct acl_rule *rules, size_t count)
{
	void *memory = aligned_alloc(64, acl_size(rules, count));

	assert_non_null(memory);
	memset(memory, 0xee, acl_size(rules, count));
	return acl_build(memory, rules, count);
}

static bool allows(const struct acl *acl, const char *text)
{
	struct address address;

	assert_int_equal(address_parse(text, &address), 0);
	return acl_allows(acl, &address);
}

static bool is_covered(const struct acl_rule *rule, const struct address *address)
{
	const struct address *base = &rule->subnet.address;

	if (base->family == ADDRESS_NONE)
		return true;
	if (base->family != address->family)
		return false;
	for (unsigned bit = 0; bit < rule->subnet.prefix_bits; bit++) {
		unsigned mask = 0x80 >> bit % 8;

		if ((base->bytes[bit / 8] ^ address->bytes[bit / 8]) & mask)
			return false;
	}
	return true;
}

static bool oracle_allows(const struct acl_rule *rules, size_t count, const struct address *address)
{
	enum {
		SILENT,
		ALLOW,
		DENY
	} words[33] = { SILENT };
	bool allowed = false;

	for (size_t i = 0; i < count; i++) {
		unsigned level = (rules[i].subnet.prefix_bits + 3) / 4;

		if (!is_covered(&rules[i], address))
			continue;
		words[level] = rules[i].allow ? ALLOW : DENY;
		for (unsigned deeper = level + 1; rules[i].all && deeper < 33; deeper++)
			words[deeper] = SILENT;
	}
	for (unsigned level = 0; level < 33; level++) {
		if (words[level] != SILENT)
			allowed = words[level] == ALLOW;
	}
	return allowed;
}

static void rules_mean_what_chrony_says(void **)
{
	static const struct {
		const char *rules, *address;
		bool allowed;
	} rows[] = {
		{ "", "127.0.0.1", false },
		{ "", "::1", false },
		{ "allow 1.2.3.4; deny 1.2.3.0/24; allow 1.2.0.0/16", "1.2.3.4", true },
		{ "allow 1.2.3.4; deny 1.2.3.0/24; allow 1.2.0.0/16", "1.2.3.5", false },
		{ "allow 1.2.3.4; deny 1.2.3.0/24; allow 1.2.0.0/16", "1.2.4.1", true },
		{ "allow 1.2.3.4; deny 1.2.3.0/24; allow 1.2.0.0/16", "1.3.4.1", false },
		{ "allow 1.2.0.0/16; deny 1.2.3.0/24; allow 1.2.3.4", "1.2.3.4", true },
		{ "allow 1.2.0.0/16; deny 1.2.3.0/24; allow 1.2.3.4", "1.2.3.5", false },
		{ "allow 1.2.3.4; deny 1.2.3.0/24; allow all 1.2.0.0/16", "1.2.3.4", true },
		{ "allow 1.2.3.4; deny 1.2.3.0/24; allow all 1.2.0.0/16", "1.2.3.5", true },
		{ "allow 1.2.3.4; deny 1.2.3.0/24; allow all 1.2.0.0/16", "1.2.4.1", true },
		{ "allow 1.2.3.0/28; deny 1.2.3.0/27", "1.2.3.4", false },
		{ "deny 1.2.3.0/27; allow 1.2.3.0/28", "1.2.3.4", true },
		{ "deny 1.2.3.0/27; allow 1.2.3.0/28", "1.2.3.17", false },
		{ "allow 1.2.3.0/29; deny 1.2.3.0/28", "1.2.3.4", true },
		{ "allow 10.0.0.0/8; allow 1.2.3.4; deny all", "10.0.0.1", false },
		{ "allow 10.0.0.0/8; allow 1.2.3.4; deny all", "1.2.3.4", false },
		{ "allow 10.0.0.0/8; deny", "10.0.0.1", true },
		{ "allow all; deny 10.0.0.0/8", "10.1.2.3", false },
		{ "allow all; deny 10.0.0.0/8", "11.1.2.3", true },
		{ "allow all; deny 10.0.0.0/8", "2001:db8::1", true },
		{ "allow", "192.0.2.1", true },
		{ "allow", "2001:db8::1", true },
		{ "allow 0.0.0.0/0", "192.0.2.1", true },
		{ "allow 0.0.0.0/0", "2001:db8::1", false },
		{ "allow ::/0", "192.0.2.1", false },
		{ "allow ::/0", "2001:db8::1", true },
		{ "allow 192.168.1.77/24", "192.168.1.1", true },
		{ "allow 192.168.1.77/24", "192.168.2.77", false },
		{ "allow 192.168.1.77/26", "192.168.1.64", true },
		{ "allow 192.168.1.77/26", "192.168.1.63", false },
		{ "allow 2001:db8::/61", "2001:db8:0:7::1", true },
		{ "allow 2001:db8::/61", "2001:db8:0:8::1", false },
		{ "allow 10.0.0.0/8", "::ffff:10.0.0.1", false },
		{ "allow ::ffff:0:0/96", "10.0.0.1", false },
		// Behind it nearly all bits turn.
		{ "allow 7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
				"7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true },
		{ "allow 7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "8000::", false },
		{ "allow 127.255.255.255", "127.255.255.255", true },
		{ "allow 127.255.255.255", "128.0.0.0", false },
		{ "allow; deny", "192.0.2.1", false },
		{ "deny all; allow 192.0.2.1", "192.0.2.1", true },
		{ "allow 192.0.2.1; deny all 192.0.2.0/30", "192.0.2.1", false },
		{ "allow 192.0.2.8; deny all 192.0.2.0/29; allow 192.0.0.0/16", "192.0.2.8", true },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct acl_rule rules[RULES_MAX];
		struct acl *acl = build(rules, read_rules(rows[i].rules, rules));

		if (allows(acl, rows[i].address) != rows[i].allowed)
			fail_msg("\"%s\" is wrong about %s", rows[i].rules, rows[i].address);
		free(acl);
	}
}

// The states of an `all` rule and of the rules before and after it, on one level and on two.
static void a_rule_after_all_still_counts(void **)
{
	struct acl_rule rules[RULES_MAX];
	struct acl *acl = build(rules,
			read_rules("allow 1.2.3.4; deny all 1.2.0.0/16; allow 1.2.3.5", rules));

	assert_false(allows(acl, "1.2.3.4"));
	assert_true(allows(acl, "1.2.3.5"));
	free(acl);
}

static struct address random_address(uint64_t *random, uint8_t family)
{
	struct address address = { .family = family };

	// Few values a digit, so that rules meet often.
	for (size_t i = 0; i < address_size(family); i++) {
		uint64_t bits = random_next(random);

		address.bytes[i] = (uint8_t)(bits & (bits >> 8 & 1 ? 0x11 : 0x99));
	}
	return address;
}

static struct acl_rule random_rule(uint64_t *random)
{
	struct acl_rule rule = { .allow = random_below(random, 2),
		.all = !random_below(random, 5) };

	if (random_below(random, 30) == 0)
		return rule;
	rule.subnet.address = random_address(
			random, random_below(random, 2) ? ADDRESS_IPV4 : ADDRESS_IPV6);

	unsigned bits = address_bits(rule.subnet.address.family);

	// Half of them in the first 16 bits, where they overlap.
	rule.subnet.prefix_bits =
			(uint8_t)random_below(random, (random_below(random, 2) ? bits : 16) + 1);
	return rule;
}

// An address near the edge of a rule: its own with one bit flipped, or none.
static struct address near_rule(uint64_t *random, const struct acl_rule *rule)
{
	struct address address = rule->subnet.address;
	unsigned bits = address_bits(address.family);
	uint64_t flip = random_below(random, bits + 1);

	if (flip < bits)
		address.bytes[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
	return address;
}

// The address before the first of a rule, its first, its last, or the one behind.
static struct address at_edge(uint64_t *random, const struct acl_rule *rule)
{
	struct address address = rule->subnet.address;
	unsigned bits = address_bits(address.family);
	bool upper = random_below(random, 2), beyond = random_below(random, 2);

	for (unsigned bit = rule->subnet.prefix_bits; bit < bits; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		address.bytes[bit / 8] &= (uint8_t)~mask;
		address.bytes[bit / 8] |= upper ? mask : 0;
	}
	for (unsigned i = bits / 8; beyond && i-- > 0;) {
		address.bytes[i] = (uint8_t)(address.bytes[i] + (upper ? 1 : 0xff));
		beyond = address.bytes[i] == (upper ? 0 : 0xff);
	}
	return address;
}

static struct address ask_about(uint64_t *random, const struct acl_rule *rule)
{
	uint64_t kind = random_below(random, 4);

	if (rule->subnet.address.family == ADDRESS_NONE || kind == 0)
		return random_address(
				random, random_below(random, 2) ? ADDRESS_IPV4 : ADDRESS_IPV6);
	return kind == 1 ? at_edge(random, rule) : near_rule(random, rule);
}

// Bursts of every size, none of which may write beyond its end.
static void compare_with_oracle(
		uint64_t *random, const struct acl_rule *rules, size_t count, unsigned bursts)
{
	struct acl *acl = build(rules, count);

	while (bursts-- > 0) {
		struct address asked[ACL_BURST];
		uint8_t allowed[ACL_BURST + 1];
		unsigned size = (unsigned)random_below(random, ACL_BURST + 1);

		memset(allowed, 0xee, sizeof(allowed));
		for (unsigned i = 0; i < size; i++) {
			asked[i] = ask_about(random, &rules[random_below(random, count)]);
		}
		acl_look_up(acl, asked, size, (bool *)allowed);
		assert_int_equal(allowed[size], 0xee);
		for (unsigned i = 0; i < size; i++) {
			bool expected = oracle_allows(rules, count, &asked[i]);

			assert_int_equal(allowed[i], expected);
			assert_int_equal(acl_allows(acl, &asked[i]), expected);
		}
	}
	free(acl);
}

static void random_rules_agree_with_the_oracle(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 5'000; round++) {
		struct acl_rule rules[RULES_MAX];
		size_t count = 1 + random_below(&random, RULES_MAX);

		for (size_t i = 0; i < count; i++)
			rules[i] = random_rule(&random);
		compare_with_oracle(&random, rules, count, 6);
	}
}

// Anywhere, so that there are many uppermost nodes and long paths below them.
static struct acl_rule spread_rule(uint64_t *random, const struct acl_rule *rules, size_t count)
{
	struct acl_rule rule = random_rule(random);
	struct address *address = &rule.subnet.address;
	unsigned bits = address_bits(address->family);
	const struct address *other =
			count > 0 ? &rules[random_below(random, count)].subnet.address : address;
	// Half of them share their first bits with an earlier one.
	bool shares = other->family == address->family && random_below(random, 2);
	uint64_t shared = shares ? random_below(random, bits / 8 + 1) : 0;

	rule.subnet.prefix_bits = (uint8_t)random_below(random, bits + 1);
	for (unsigned i = 0; i < bits / 8; i++)
		address->bytes[i] = i < shared ? other->bytes[i] : (uint8_t)random_next(random);
	if (random_below(random, 4) == 0)
		rule.subnet.prefix_bits = (uint8_t)bits;
	if (count > 0 && random_below(random, 8) == 0)
		rule.subnet = rules[random_below(random, count)].subnet;
	return rule;
}

static void spread_rules_agree_with_the_oracle(void **)
{
	enum {
		COUNT = 3000
	};
	struct acl_rule *rules = calloc(COUNT, sizeof(*rules));
	uint64_t random = test_seed();

	assert_non_null(rules);
	for (unsigned round = 0; round < 60; round++) {
		size_t count = 1 + random_below(&random, COUNT);

		for (size_t i = 0; i < count; i++) {
			rules[i] = spread_rule(&random, rules, i);
			// Seldom one that silences most of the others.
			if (rules[i].subnet.prefix_bits < 12)
				rules[i].all &= !random_below(&random, 100);
		}
		compare_with_oracle(&random, rules, count, 20);
	}
	free(rules);
}

// Few that come to one range in each family, none, everything, or all but one range.
static void few_rules_agree_with_the_oracle(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 20'000; round++) {
		struct acl_rule rules[3];
		size_t count = 1 + random_below(&random, 3);

		for (size_t i = 0; i < count; i++) {
			rules[i] = spread_rule(&random, rules, i);
			if (random_below(&random, 4) == 0)
				rules[i].subnet = (struct subnet){ 0 };
			else if (random_below(&random, 2))
				rules[i].subnet.prefix_bits %= 25;
		}
		compare_with_oracle(&random, rules, count, 2);
	}
}

// CVE-2015-1821: lengths that are no multiple of four
static void every_prefix_length_ends_where_it_says(void **)
{
	static const char *const bases[] = { "170.85.170.85", "aa55:aa55:aa55::55aa:55aa" };

	for (size_t i = 0; i < 2; i++) {
		struct acl_rule rule = { .allow = true };

		assert_int_equal(address_parse(bases[i], &rule.subnet.address), 0);
		unsigned bits = address_bits(rule.subnet.address.family);

		for (unsigned length = 0; length <= bits; length++) {
			rule.subnet.prefix_bits = (uint8_t)length;
			struct acl *acl = build(&rule, 1);

			assert_true(acl_allows(acl, &rule.subnet.address));
			for (unsigned bit = 0; bit < bits; bit++) {
				struct address other = rule.subnet.address;

				other.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
				assert_int_equal(acl_allows(acl, &other), bit >= length);
			}
			free(acl);
		}
	}
}

// Without `all`, and with no two rules for the same entry, the order of the lines is irrelevant.
static void order_is_irrelevant_between_levels(void **)
{
	uint64_t random = test_seed();

	for (unsigned round = 0; round < 1'000; round++) {
		struct acl_rule rules[8];
		struct address base = random_address(&random, ADDRESS_IPV6);

		for (unsigned i = 0; i < 8; i++)
			rules[i] = (struct acl_rule){ .subnet = { base, (uint8_t)(16 * i + 13) },
				.allow = random_below(&random, 2) };

		struct acl *written = build(rules, 8);

		for (unsigned i = 8; i-- > 1;) {
			size_t j = random_below(&random, i + 1);
			struct acl_rule moved = rules[i];

			rules[i] = rules[j];
			rules[j] = moved;
		}

		struct acl *shuffled = build(rules, 8);

		for (unsigned i = 0; i < 8; i++) {
			struct address address = near_rule(&random, &rules[i]);

			assert_int_equal(acl_allows(written, &address),
					acl_allows(shuffled, &address));
		}
		free(written);
		free(shuffled);
	}
}

static void a_hundred_thousand_rules_fit(void **)
{
	enum {
		COUNT = 100'000
	};
	struct acl_rule *rules = calloc(COUNT, sizeof(*rules));
	uint64_t random = test_seed();

	assert_non_null(rules);
	for (size_t i = 0; i < COUNT; i++) {
		uint8_t family = i % 2 ? ADDRESS_IPV4 : ADDRESS_IPV6;
		unsigned bits = address_bits(family);
		struct address *address = &rules[i].subnet.address;

		rules[i].subnet.prefix_bits = (uint8_t)(bits - random_below(&random, bits / 2));
		rules[i].allow = random_below(&random, 4);
		address->family = family;
		for (unsigned byte = 0; byte < bits / 8; byte++)
			address->bytes[byte] = (uint8_t)random_next(&random);
	}
	compare_with_oracle(&random, rules, COUNT, 12);

	struct acl *acl = build(rules, COUNT);

	assert_true(acl_bytes_used(acl) <= acl_size(rules, COUNT));
	assert_true(acl_bytes_used(acl) <= 4 << 20);
	free(acl);
	free(rules);
}

static void neighbours_need_no_table_of_their_own(void **)
{
	static struct acl_rule rules[10'000];
	const size_t count = sizeof(rules) / sizeof(rules[0]);

	for (uint32_t i = 0; i < count; i++)
		rules[i] = (struct acl_rule){
			.subnet = { { ADDRESS_IPV4, { (uint8_t)(i >> 8), (uint8_t)i } }, 24 },
			.allow = true
		};

	struct acl *acl = build(rules, count);

	assert_true(allows(acl, "39.15.0.255"));
	assert_false(allows(acl, "39.15.1.0"));
	assert_false(allows(acl, "39.16.0.0"));
	free(acl);

	// Now 10,000 that come to one.
	for (uint32_t i = 0; i < count; i++)
		rules[i].subnet.prefix_bits = 16;
	acl = build(rules, count);
	assert_true(allows(acl, "39.15.255.255"));
	assert_false(allows(acl, "39.16.0.0"));
	// The uppermost nodes of one family, and little more.
	assert_true(acl_bytes_used(acl) <= (4096 + 8) * 32);
	free(acl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_mean_what_chrony_says),
		cmocka_unit_test(a_rule_after_all_still_counts),
		cmocka_unit_test(random_rules_agree_with_the_oracle),
		cmocka_unit_test(every_prefix_length_ends_where_it_says),
		cmocka_unit_test(order_is_irrelevant_between_levels),
		cmocka_unit_test(spread_rules_agree_with_the_oracle),
		cmocka_unit_test(few_rules_agree_with_the_oracle),
		cmocka_unit_test(a_hundred_thousand_rules_fit),
		cmocka_unit_test(neighbours_need_no_table_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
