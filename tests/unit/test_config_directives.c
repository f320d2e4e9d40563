// SPDX-License-Identifier: BSD-3-Clause
// The table of directives: each with arguments it takes and some it does not, what is said about lines
// without effect, and the errors' wording.
#include "config/directives.h"
#include "config_lines.h"

#include <string.h>

// A typical line, and one that is wrong (NULL: nothing is).
static const struct {
	const char *good, *bad;
} directive_examples[] = {
	{ "acquisitionport 1123", "acquisitionport 65536" },
	{ "afterstep 0.5", "afterstep -1" },
	{ "allow 192.168.1.0/24", "allow 192.168.1.0/33" },
	{ "authselectmode require", "authselectmode always" },
	{ "bindacqaddress 192.168.1.1", "bindacqaddress eth0" },
	{ "bindacqdevice eth0", "bindacqdevice" },
	{ "bindaddress ::", "bindaddress 1.2.3" },
	{ "bindcmdaddress /run/chrony/chronyd.sock", "bindcmdaddress chronyd.sock" },
	{ "bindcmddevice eth0", "bindcmddevice eth0 eth1" },
	{ "binddevice eth0", "binddevice" },
	{ "broadcast 60 192.168.1.255 123", "broadcast 60" },
	{ "clientloglimit 1048576", "clientloglimit -1" },
	{ "clock follow stratum 1", "clock follow stratum 16" },
	{ "clockprecision 1e-9", "clockprecision 2" },
	{ "cmdallow 192.168.1.0/24", "cmdallow 1.2.3.4 5.6.7.8" },
	{ "cmddeny all", "cmddeny 1/2/3" },
	{ "cmdport 0", "cmdport none" },
	{ "cmdratelimit interval 2 burst 16 leak 1", "cmdratelimit kod 1" },
	{ "combinelimit 3", "combinelimit -3" },
	{ "commandkey 1", NULL },
	{ "confdir /nonexistent/conf.d", "confdir" },
	{ "cores control 0 workers 1-3,5", "cores control 0 workers 1-" },
	{ "corrtimeratio 3", "corrtimeratio three" },
	{ "deny 10/8", "deny 10/8 all" },
	{ "driftfile /var/lib/chrony/chrony.drift interval 7200", "driftfile /drift every 1" },
	{ "dscp 46", "dscp 64" },
	{ "dumpdir /var/lib/chrony", "dumpdir" },
	{ "dumponexit", NULL },
	{ "ealarg --no-huge", "ealarg" },
	{ "fallbackdrift 16 19", "fallbackdrift 16" },
	{ "generatecommandkey", NULL },
	{ "hwclockfile /etc/adjtime", "hwclockfile" },
	{ "hwtimestamp * minpoll -2 txcomp 300e-9 rxfilter ptp nocrossts",
			"hwtimestamp * rxfilter x" },
	{ "hwtstimeout 0.005", "hwtstimeout -1" },
	{ "include /dev/null", "include /nonexistent/*.conf" },
	{ "initstepslew 30 foo.example.net bar.example.net", "initstepslew foo.example.net" },
	{ "keyfile /etc/chrony/chrony.keys", "keyfile a b" },
	{ "leapseclist /usr/share/zoneinfo/leap-seconds.list", "leapseclist" },
	{ "leapsecmode slew", "leapsecmode smear" },
	{ "leapsectz right/UTC", "leapsectz" },
	{ "linux_freq_scale 0.99902439", NULL },
	{ "linux_hz 100", NULL },
	{ "local stratum 10 orphan distance 0.1 activate 0.5", "local stratum 16" },
	{ "lock_all", "lock_all yes" },
	{ "log measurements statistics tracking selection", "log everything" },
	{ "logbanner 32", "logbanner" },
	{ "logchange 0.1", "logchange x" },
	{ "logdir /var/log/chrony", "logdir" },
	{ "mailonchange root@localhost 0.5", "mailonchange root@localhost" },
	{ "makestep 0.1 -1", "makestep 0.1 x" },
	{ "manual", "manual 1" },
	{ "maxchange 1000 1 2", "maxchange 1000 1 x" },
	{ "maxclockerror 1.5", "maxclockerror -1" },
	{ "maxdistance 1.0", "maxdistance" },
	{ "maxdrift 500", "maxdrift 1 2" },
	{ "maxjitter 0.1", "maxjitter x" },
	{ "maxntsconnections 1000", "maxntsconnections 1.5" },
	{ "maxsamples 16", "maxsamples x" },
	{ "maxservedistance 0.5", "maxservedistance x" },
	{ "maxslewrate 1000", "maxslewrate -1" },
	{ "maxstratum 3", "maxstratum x" },
	{ "maxtxbuffers 8", "maxtxbuffers" },
	{ "maxupdateskew 100.0", "maxupdateskew nan" },
	{ "minsamples 10", "minsamples" },
	{ "minsources 2", "minsources x" },
	{ "minstratum 1", "minstratum x" },
	{ "nocerttimecheck 1", "nocerttimecheck" },
	{ "noclientlog", "noclientlog 1" },
	{ "nosystemcert", "nosystemcert 1" },
	{ "ntpsigndsocket /var/lib/samba/ntp_signd", "ntpsigndsocket" },
	{ "ntsaeads 30 15", "ntsaeads AES" },
	{ "ntscachedir /var/lib/chrony", "ntscachedir" },
	{ "ntsdumpdir /var/lib/chrony", "ntsdumpdir" },
	{ "ntsntpserver ntp.example.net", "ntsntpserver ntp/1" },
	{ "ntsport 4460", "ntsport x" },
	{ "ntsprocesses 2", "ntsprocesses x" },
	{ "ntsratelimit interval 6 burst 8 leak 2", "ntsratelimit interval 20" },
	{ "ntsrefresh 2419200", "ntsrefresh x" },
	{ "ntsrotate 0", "ntsrotate x" },
	{ "ntsservercert /etc/pki/tls/certs/foo.crt", "ntsservercert" },
	{ "ntsserverkey /etc/pki/tls/private/foo.key", "ntsserverkey" },
	{ "ntstrustedcerts 1 /etc/pki/nts/ca1.crt", "ntstrustedcerts" },
	{ "opencommands activity tracking", NULL },
	{ "peer foo.example.net key 1", "peer foo.example.net kye 1" },
	{ "pidfile /run/chronyd.pid", "pidfile" },
	{ "pollmode adaptive", "pollmode lazy" },
	{ "pool pool.ntp.org iburst maxsources 3", "pool pool.ntp.org maxsources 17" },
	{ "port 0", "port 65536" },
	{ "ptpdomain 123", "ptpdomain 256" },
	{ "ptpport 319", "ptpport x" },
	{ "ratelimit interval 1 burst 16 leak 2 kod 3", "ratelimit burst 256" },
	{ "refclock SHM 0:perm=0644 refid GPS1 poll 0 delay 0.2 offset -0.1", "refclock" },
	{ "refresh 86400", "refresh x" },
	{ "reselectdist 0.0001", "reselectdist x" },
	{ "rtcautotrim 30", "rtcautotrim x" },
	{ "rtcdevice /dev/rtc0", "rtcdevice" },
	{ "rtcfile /var/lib/chrony/rtc", "rtcfile" },
	{ "rtconutc", "rtconutc 1" },
	{ "rtcsync", "rtcsync 1" },
	{ "sched_priority 50", "sched_priority 101" },
	{ "serve net_tap0 address 198.18.123.1/24", "serve net_tap0" },
	{ "server foo.example.net minpoll 4 maxpoll 6 iburst prefer", "server foo minpoll -8" },
	{ "smoothtime 400 0.001024 leaponly", "smoothtime 400" },
	{ "sourcedir /etc/chrony/sources.d", "sourcedir" },
	{ "stratumweight 0", "stratumweight x" },
	{ "tempcomp /sys/temp1_input 30 26000 0.0 0.000183 0.0",
			"tempcomp /sys/temp1_input 30 1 2" },
	{ "user _chrony", "user" },
};

static void every_directive_is_read_and_its_arguments_checked(void **)
{
	const struct directive *directive;
	unsigned i;

	for (i = 0; (directive = directive_at(i)); i++) {
		const char *good = directive_examples[i].good, *bad = directive_examples[i].bad;
		struct config_problem problem;

		assert_true(i < sizeof(directive_examples) / sizeof(*directive_examples));
		assert_memory_equal(good, directive->name, strlen(directive->name));
		config_free(config_read_good((const char *const[]){ good, NULL }));
		if (bad)
			assert_null(config_read((const char *const[]){ bad, NULL }, &problem));
	}
	assert_int_equal(i, sizeof(directive_examples) / sizeof(*directive_examples));
}

static void the_table_is_in_alphabetical_order(void **)
{
	for (unsigned i = 0; directive_at(i + 1); i++)
		assert_true(strcmp(directive_at(i)->name, directive_at(i + 1)->name) < 0);
}

static void directives_without_effect_have_one_notice(void **)
{
	const struct directive *directive;

	for (unsigned i = 0; (directive = directive_at(i)); i++) {
		const char *line = directive_examples[i].good;
		bool silent = directive->effect == EFFECT_NOW || directive->effect == EFFECT_INCLUDE
				|| !strcmp(directive->name, "dumponexit");
		struct config_problem problem;
		struct config *config = config_new();

		assert_non_null(config);
		for (unsigned number = 1; number <= 3; number++)
			assert_int_equal(config_read_argument(config, line, number, &problem), 0);
		assert_int_equal(config->notice_count, silent ? 0 : 1);
		config_free(config);
	}
}

static void notices_name_the_place_and_say_why(void **)
{
	static const struct {
		const char *line, *notice; // NULL: none
	} rows[] = {
		{ "keyfile /a", "command line:1: keyfile: accepted, has no effect yet" },
		{ "USER root", "command line:1: user: accepted, has no effect yet" },
		{ "server a iburst", NULL },
		{ "server a key 1",
				"command line:1: server a: key: accepted, has no effect yet: "
				"without authentication it is never selected" },
		{ "pool a NTS",
				"command line:1: pool a: nts: accepted, has no effect yet: "
				"without authentication it is never selected" },
		{ "server a minsamples 8",
				"command line:1: server a: minsamples: accepted, ignored: "
				"the estimate has no window of samples to bound" },
		{ "server a extfield F323",
				"command line:1: server a: extfield: accepted, has no effect yet" },
		{ "maxsamples 8",
				"command line:1: maxsamples: accepted, ignored: "
				"the estimate has no window of samples to bound" },
		{ "log tracking rtc", "command line:1: log rtc: accepted, has no effect yet" },
		{ "server 127.127.1.1 prefer",
				"command line:1: server 127.127.1.1: accepted, ignored: "
				"the local clock is served by \"local\"" },
		{ "peer 127.127.1.0",
				"command line:1: peer 127.127.1.0: accepted, ignored: "
				"the local clock is served by \"local\"" },
		{ "server 127.127.20.0",
				"command line:1: server 127.127.20.0: accepted, ignored: "
				"reference clocks are given by \"refclock\"" },
		{ "server 127.128.1.1", NULL },
		{ "rtcfile /a",
				"command line:1: rtcfile: accepted, ignored: "
				"the kernel keeps the real-time clock (rtcsync)" },
		{ "linux_hz 100", "command line:1: linux_hz directive is no longer supported" },
		{ "dumponexit", NULL },
		{ "local", NULL },
		{ "local orphan", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct config *config =
				config_read_good((const char *const[]){ rows[i].line, NULL });

		assert_int_equal(config->notice_count, rows[i].notice ? 1 : 0);
		if (rows[i].notice)
			assert_string_equal(config->notices[0], rows[i].notice);
		config_free(config);
	}
}

static void errors_name_the_place_and_the_nearest_word(void **)
{
	static const struct {
		const char *line, *text;
	} rows[] = {
		{ "sever a",
				"Invalid directive sever at line 1 of the command line "
				"(did you mean \"server\"?)" },
		{ "xyzzy", "Invalid directive xyzzy at line 1 of the command line" },
		{ "fudge 127.127.1.0 stratum 10",
				"Invalid directive fudge at line 1 of the command line" },
		{ "port", "Missing arguments for port directive at line 1 of the command line" },
		{ "PORT 1 2", "Too many arguments for port directive at line 1 of the command line" },
		{ "allow 1.2.3.4/33",
				"Could not parse allow directive at line 1 of the command line: "
				"\"1.2.3.4/33\" is neither a subnet nor a host name" },
		{ "allow all 1.2.3.4 x",
				"Too many arguments for allow directive"
				" at line 1 of the command line" },
		{ "allow 1.2.3.4 5.6.7.8",
				"Could not parse allow directive at line 1 of the command line: "
				"unexpected \"5.6.7.8\"" },
		{ "allow foo.example.net/24",
				"Could not parse allow directive at line 1 of the command line: "
				"\"foo.example.net/24\" is neither a subnet nor a host name" },
		{ "server a ibrust",
				"Could not parse server directive at line 1 of the command line: "
				"unknown option \"ibrust\" (did you mean \"iburst\"?)" },
		{ "server a minpoll",
				"Could not parse server directive at line 1 of the command line: "
				"minpoll needs a value" },
		{ "server a minpoll 25",
				"Could not parse server directive at line 1 of the command line: "
				"minpoll \"25\" is not a whole number from -7 to 24" },
		{ "server a/b",
				"Could not parse server directive at line 1 of the command line: "
				"server \"a/b\" is not a host name or an IP address" },
		{ "bindaddress a",
				"Could not parse bindaddress directive at line 1 of the command line: "
				"bindaddress \"a\" is not an IP address" },
		{ "dscp 64",
				"Could not parse dscp directive at line 1 of the command line: "
				"dscp \"64\" is not a whole number from 0 to 63" },
		{ "maxdistance x",
				"Could not parse maxdistance directive at line 1 of the command line: "
				"maxdistance \"x\" is not a number from 0 to 1000000000" },
		{ "log trackin",
				"Could not parse log directive at line 1 of the command line: "
				"log \"trackin\" is unknown (did you mean \"tracking\"?)" },
		{ "clientloglimit 1023",
				"Could not parse clientloglimit directive at line 1 of the command line: "
				"clientloglimit \"1023\" is not a whole number "
				"from 1024 to 100000000000000" },
		{ "pollmode adaptiv",
				"Could not parse pollmode directive at line 1 of the command line: "
				"pollmode \"adaptiv\" is unknown (did you mean \"adaptive\"?)" },
		{ "ratelimit interval 13",
				"Could not parse ratelimit directive at line 1 of the command line: "
				"interval \"13\" is not a whole number from -19 to 12" },
		{ "ratelimit ipv4mask /33",
				"Could not parse ratelimit directive at line 1 of the command line: "
				"ipv4mask \"/33\" is not the length of a prefix, /1 to /32" },
		{ "ratelimit ipv6mask //64",
				"Could not parse ratelimit directive at line 1 of the command line: "
				"ipv6mask \"//64\" is not the length of a prefix, /1 to /128" },
		{ "ratelimit ipv6mask",
				"Could not parse ratelimit directive at line 1 of the command line: "
				"ipv6mask needs a value" },
		{ "ratelimit ipv4mak 28",
				"Could not parse ratelimit directive at line 1 of the command line: "
				"unknown option \"ipv4mak\" (did you mean \"ipv4mask\"?)" },
		{ "clock ntp",
				"Could not parse clock directive at line 1 of the command line: "
				"clock \"ntp\" is unknown" },
		{ "clock system stratum 1",
				"Could not parse clock directive at line 1 of the command line: "
				"system takes no options" },
		{ "cores workers 1,1",
				"Could not parse cores directive at line 1 of the command line: "
				"workers \"1,1\" is not a list of cores, as in 1-3,5, "
				"each once and up to 1023" },
		{ "serve eth1 address 192.168.1.10/24",
				"Could not parse serve directive at line 1 of the command line: "
				"\"eth1\" is neither a PCI address, a DPDK vdev nor \"kernel\"; "
				"an interface is net_af_packet0,iface=eth1" },
		{ "serve net_tap0",
				"Could not parse serve directive at line 1 of the command line: "
				"needs an address" },
		{ "serve net_tap0 adress 1.2.3.4/24",
				"Could not parse serve directive at line 1 of the command line: "
				"unknown option \"adress\" (did you mean \"address\"?)" },
		{ "serve net_tap0 address 1.2.3.4",
				"Could not parse serve directive at line 1 of the command line: "
				"address \"1.2.3.4\" is not ADDRESS/LENGTH, as in 192.168.1.10/24" },
		{ "serve net_tap0 address 224.0.1.1/4",
				"Could not parse serve directive at line 1 of the command line: "
				"\"224.0.1.1/4\" is no address of a host" },
		{ "serve net_tap0 address ff02::1/64",
				"Could not parse serve directive at line 1 of the command line: "
				"\"ff02::1/64\" is no address of a host" },
		{ "serve net_tap0 address 1.2.3.4/24 vlan",
				"Could not parse serve directive at line 1 of the command line: "
				"vlan needs a value" },
		{ "serve net_tap0 vlan 4095 address 1.2.3.4/24",
				"Could not parse serve directive at line 1 of the command line: "
				"vlan \"4095\" is not a whole number from 0 to 4094" },
		{ "serve net_tap0 vlan -1 address 1.2.3.4/24",
				"Could not parse serve directive at line 1 of the command line: "
				"vlan \"-1\" is not a whole number from 0 to 4094" },
		{ "serve net_tap0 address 1.2.3.4/24 hwtimestamp maybe",
				"Could not parse serve directive at line 1 of the command line: "
				"hwtimestamp \"maybe\" is unknown" },
		{ "serve net_af_packet0,iface=eth0 shared",
				"Could not parse serve directive at line 1 of the command line: "
				"shared needs a device like net_af_xdp0,iface=eth0" },
		{ "serve net_af_xdp0 shared",
				"Could not parse serve directive at line 1 of the command line: "
				"shared needs a device like net_af_xdp0,iface=eth0" },
		{ "serve net_af_xdp0,iface=eth0 shared address 1.2.3.4/24",
				"Could not parse serve directive at line 1 of the command line: "
				"shared takes no address: it serves those of the interface" },
		{ "serve net_af_xdp0,iface=eth0,xdp_prog=a.o shared",
				"Could not parse serve directive at line 1 of the command line: "
				"shared brings an xdp_prog of its own" },
		{ "serve net_af_xdp0,iface=eth0 vlan 5 shared",
				"Could not parse serve directive at line 1 of the command line: "
				"shared takes no VLAN: tagged frames stay the kernel's" },
		{ "serve kernel address 1.2.3.4/24",
				"Could not parse serve directive at line 1 of the command line: "
				"kernel takes no options" },
		{ "port \x1b[2J",
				"Could not parse port directive at line 1 of the command line: "
				"port \"?[2J\" is not a whole number from 0 to 65535" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_refused((const char *const[]){ rows[i].line, NULL }, rows[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_directive_is_read_and_its_arguments_checked),
		cmocka_unit_test(the_table_is_in_alphabetical_order),
		cmocka_unit_test(directives_without_effect_have_one_notice),
		cmocka_unit_test(notices_name_the_place_and_say_why),
		cmocka_unit_test(errors_name_the_place_and_the_nearest_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
