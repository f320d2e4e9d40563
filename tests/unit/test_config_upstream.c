// SPDX-License-Identifier: BSD-3-Clause
// Sources, discipline, logs: what the struct holds of each directive and option, and by default.
#include "config_lines.h"

#include <string.h>

static void defaults_are_chronys(void **)
{
	struct config *config = config_read_good((const char *const[]){ NULL });
	const struct config_upstream *upstream = &config->upstream;

	assert_int_equal(upstream->source_count, 0);
	assert_int_equal(upstream->refresh, 1209600);
	assert_int_equal(upstream->acquisitionport, 0);
	assert_int_equal(upstream->bindacqaddress[0].family, ADDRESS_NONE);
	assert_int_equal(upstream->bindacqaddress[1].family, ADDRESS_NONE);
	assert_null(upstream->bindacqdevice);
	assert_true(upstream->maxdistance == 3.0);
	assert_true(upstream->maxjitter == 1.0);
	assert_true(upstream->reselectdist == 0.0001);
	assert_true(upstream->stratumweight == 0.001);
	assert_true(upstream->combinelimit == 3.0);
	assert_int_equal(upstream->minsources, 1);
	assert_int_equal(upstream->minstratum, 0);
	assert_int_equal(upstream->maxstratum, 15);
	assert_int_equal(upstream->makestep.limit, 0);
	assert_false(upstream->maxchange.enabled);
	assert_true(upstream->corrtimeratio == 3.0);
	assert_true(upstream->maxdrift_ppm == 500'000);
	assert_int_equal(upstream->maxslewrate_ppm * 1000, 83'333'333);
	assert_true(upstream->maxupdateskew_ppm == 1000);
	assert_true(upstream->maxservedistance == 1.0);
	assert_true(upstream->afterstep == 0.1);
	assert_false(upstream->rtcsync);
	assert_null(upstream->driftfile.path);
	assert_null(upstream->dumpdir);
	assert_null(upstream->logdir);
	assert_false(upstream->log_measurements || upstream->log_selection
			|| upstream->log_statistics || upstream->log_tracking);
	assert_int_equal(upstream->logbanner, 32);
	assert_true(upstream->logchange == 1.0);
	config_free(config);
}

static void a_bare_server_has_chronys_defaults(void **)
{
	struct config *config =
			config_read_good((const char *const[]){ "server 192.168.1.10", NULL });
	const struct config_source *source = config->upstream.sources;

	assert_int_equal(config->upstream.source_count, 1);
	assert_string_equal(source->host, "192.168.1.10");
	assert_string_equal(source->where, "command line:1");
	assert_false(source->is_pool || source->ipv4 || source->ipv6);
	assert_int_equal(source->port, 123);
	assert_int_equal(source->minpoll, 6);
	assert_int_equal(source->maxpoll, 10);
	assert_int_equal(source->presend, CONFIG_PRESEND_NEVER);
	assert_int_equal(source->polltarget, 8);
	assert_int_equal(source->version, 4);
	assert_int_equal(source->minstratum, 0);
	assert_int_equal(source->maxunreach, 100'000);
	assert_int_equal(source->filter, 0);
	assert_false(source->iburst || source->burst || source->xleave);
	assert_false(source->prefer || source->noselect || source->trust || source->require);
	assert_false(source->offline || source->auto_offline || source->copy || source->nts);
	assert_true(source->maxdelay == 3.0 && source->maxdelayratio == 0.0);
	assert_true(source->maxdelaydevratio == 10.0 && source->maxdelayquant == 0.0);
	assert_true(source->mindelay == 0.0 && source->offset == 0.0);
	assert_true(source->asymmetry == CONFIG_ASYMMETRY_UNSAID);
	assert_int_equal(source->key, 0);
	assert_int_equal(source->ntsport, 4460);
	config_free(config);
}

static void every_option_of_a_server_is_stored(void **)
{
	struct config *config = config_read_good((const char *const[]){
			"server a minpoll -7 maxpoll 24 presend 9 polltarget 30 version 3 minstratum 2 "
			"maxunreach 7 filter 5 iburst burst xleave prefer trust require noselect "
			"port 11123 ipv6 auto_offline offline copy maxdelay 0.1 maxdelayratio 2 "
			"maxdelaydevratio 3 maxdelayquant 0.2 mindelay 1e-4 asymmetry -0.25 "
			"offset -0.5 certset 4 ntsport 4461 extfield 10A minsamples 4 maxsamples 5",
			"pool b maxsources 16 ipv4", NULL });
	const struct config_source *source = &config->upstream.sources[0];
	const struct config_source *pool = &config->upstream.sources[1];

	assert_string_equal(source->host, "a");
	assert_int_equal(source->minpoll, -7);
	assert_int_equal(source->maxpoll, 24);
	assert_int_equal(source->presend, 9);
	assert_int_equal(source->polltarget, 30);
	assert_int_equal(source->version, 3);
	assert_int_equal(source->minstratum, 2);
	assert_int_equal(source->maxunreach, 7);
	assert_int_equal(source->filter, 5);
	assert_int_equal(source->port, 11123);
	assert_true(source->iburst && source->burst && source->xleave);
	assert_true(source->prefer && source->trust && source->require && source->noselect);
	assert_true(source->offline && source->auto_offline && source->copy);
	assert_true(source->ipv6 && !source->ipv4);
	assert_true(source->maxdelay == 0.1 && source->maxdelayratio == 2);
	assert_true(source->maxdelaydevratio == 3 && source->maxdelayquant == 0.2);
	assert_true(source->mindelay == 1e-4 && source->asymmetry == -0.25);
	assert_true(source->offset == -0.5);
	assert_int_equal(source->certset, 4);
	assert_int_equal(source->ntsport, 4461);
	assert_int_equal(source->minsamples, 4);
	assert_int_equal(source->maxsamples, 5);
	assert_false(source->is_pool);
	assert_true(pool->is_pool && pool->ipv4 && !pool->ipv6);
	assert_string_equal(pool->host, "b");
	assert_int_equal(pool->maxsources, 16);
	assert_false(pool->iburst);
	config_free(config);
}

static void who_cannot_be_authenticated_is_never_selected(void **)
{
	struct config *config = config_read_good((const char *const[]){ "server a key 7 prefer",
			"server b nts", "pool c nts iburst", "server d", NULL });
	const struct config_upstream *upstream = &config->upstream;

	assert_int_equal(upstream->source_count, 4);
	assert_true(upstream->sources[0].noselect && upstream->sources[0].key == 7);
	assert_true(upstream->sources[1].noselect && upstream->sources[1].nts);
	assert_true(upstream->sources[2].noselect);
	assert_false(upstream->sources[3].noselect);
	assert_int_equal(config->notice_count, 3);
	config_free(config);
}

static void maxpoll_is_no_less_than_minpoll(void **)
{
	struct config *config = config_read_good(
			(const char *const[]){ "server a minpoll 12", "server b maxpoll 3", NULL });

	assert_int_equal(config->upstream.sources[0].maxpoll, 12);
	assert_int_equal(config->upstream.sources[1].minpoll, 6);
	assert_int_equal(config->upstream.sources[1].maxpoll, 6);
	config_free(config);
}

static void peers_and_ntpds_clocks_are_no_sources(void **)
{
	struct config *config = config_read_good(
			(const char *const[]){ "peer a key 1", "server 127.127.1.1",
					"pool 127.127.1.0 iburst", "server 127.127.20.0", NULL });

	assert_int_equal(config->upstream.source_count, 0);
	assert_int_equal(config->notice_count, 4);
	config_free(config);
}

static void values_of_the_discipline_are_stored(void **)
{
	struct config *config = config_read_good((const char *const[]){ "refresh 60",
			"acquisitionport 1123", "bindacqaddress 192.168.1.1", "bindacqaddress ::1",
			"bindacqdevice eth0", "maxdistance 1.5", "maxjitter 0.5",
			"reselectdist 1e-5", "stratumweight 0", "combinelimit 0", "minsources 2",
			"minstratum 1", "maxstratum 5", "makestep 1.0 3", "makestep 0.1 -1",
			"maxchange 1000 1 2", "corrtimeratio 10", "maxdrift 100",
			"maxslewrate 1000", "maxupdateskew 5", "maxservedistance 0.25",
			"afterstep 0", "rtcsync", NULL });
	const struct config_upstream *upstream = &config->upstream;
	char text[ADDRESS_TEXT_SIZE];

	assert_int_equal(upstream->refresh, 60);
	assert_int_equal(upstream->acquisitionport, 1123);
	assert_string_equal(address_print(&upstream->bindacqaddress[0], text), "192.168.1.1");
	assert_string_equal(address_print(&upstream->bindacqaddress[1], text), "::1");
	assert_string_equal(upstream->bindacqdevice, "eth0");
	assert_true(upstream->maxdistance == 1.5);
	assert_true(upstream->maxjitter == 0.5);
	assert_true(upstream->reselectdist == 1e-5);
	assert_true(upstream->stratumweight == 0.0);
	assert_true(upstream->combinelimit == 0.0);
	assert_int_equal(upstream->minsources, 2);
	assert_int_equal(upstream->minstratum, 1);
	assert_int_equal(upstream->maxstratum, 5);
	assert_true(upstream->makestep.threshold == 0.1);
	assert_int_equal(upstream->makestep.limit, -1);
	assert_true(upstream->maxchange.enabled && upstream->maxchange.offset == 1000);
	assert_int_equal(upstream->maxchange.start, 1);
	assert_int_equal(upstream->maxchange.ignore, 2);
	assert_true(upstream->corrtimeratio == 10);
	assert_true(upstream->maxdrift_ppm == 100);
	assert_true(upstream->maxslewrate_ppm == 1000);
	assert_true(upstream->maxupdateskew_ppm == 5);
	assert_true(upstream->maxservedistance == 0.25);
	assert_true(upstream->afterstep == 0);
	assert_true(upstream->rtcsync);
	assert_int_equal(config->notice_count, 0);
	config_free(config);
}

static void files_and_logs_are_stored(void **)
{
	struct config *config = config_read_good((const char *const[]){ "driftfile /a interval 60",
			"driftfile /var/drift", "dumpdir /dump", "logdir /log", "log tracking",
			"log Measurements", "logbanner 0", "logchange 0.5", NULL });
	const struct config_upstream *upstream = &config->upstream;

	assert_string_equal(upstream->driftfile.path, "/var/drift");
	// Of the last line, not of the one before.
	assert_true(upstream->driftfile.interval == 3600);
	assert_string_equal(upstream->dumpdir, "/dump");
	assert_string_equal(upstream->logdir, "/log");
	assert_true(upstream->log_tracking && upstream->log_measurements);
	assert_false(upstream->log_statistics || upstream->log_selection);
	assert_int_equal(upstream->logbanner, 0);
	assert_true(upstream->logchange == 0.5);
	config_free(config);
	config = config_read_good((const char *const[]){
			"driftfile /a interval 60", "log statistics selection", NULL });
	assert_true(config->upstream.driftfile.interval == 60);
	assert_true(config->upstream.log_statistics && config->upstream.log_selection);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_chronys),
		cmocka_unit_test(a_bare_server_has_chronys_defaults),
		cmocka_unit_test(every_option_of_a_server_is_stored),
		cmocka_unit_test(who_cannot_be_authenticated_is_never_selected),
		cmocka_unit_test(maxpoll_is_no_less_than_minpoll),
		cmocka_unit_test(peers_and_ntpds_clocks_are_no_sources),
		cmocka_unit_test(values_of_the_discipline_are_stored),
		cmocka_unit_test(files_and_logs_are_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
