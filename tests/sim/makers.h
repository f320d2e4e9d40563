// SPDX-License-Identifier: BSD-3-Clause
// Functions that make a kind of world from the numbers in a scenario's row.
#pragma once

#include "scenario.h"

void make_one_server(const struct scenario_numbers *numbers, struct plan *plan);
void make_nic(const struct scenario_numbers *numbers, struct plan *plan);
void make_frequency_error(const struct scenario_numbers *numbers, struct plan *plan);
void make_temperature(const struct scenario_numbers *numbers, struct plan *plan);
void make_daemon_stamps(const struct scenario_numbers *numbers, struct plan *plan);
void make_asymmetric(const struct scenario_numbers *numbers, struct plan *plan);
void make_spikes(const struct scenario_numbers *numbers, struct plan *plan);
void make_loss(const struct scenario_numbers *numbers, struct plan *plan);
void make_seldom_up(const struct scenario_numbers *numbers, struct plan *plan);
void make_cold(const struct scenario_numbers *numbers, struct plan *plan);
void make_cold_slew_only(const struct scenario_numbers *numbers, struct plan *plan);
void make_holdover(const struct scenario_numbers *numbers, struct plan *plan);
void make_five_servers(const struct scenario_numbers *numbers, struct plan *plan);
void make_server_steps(const struct scenario_numbers *numbers, struct plan *plan);
void make_external_step(const struct scenario_numbers *numbers, struct plan *plan);
void make_suspend(const struct scenario_numbers *numbers, struct plan *plan);
void make_restart(const struct scenario_numbers *numbers, struct plan *plan);
void make_one_way(const struct scenario_numbers *numbers, struct plan *plan);
void make_detour(const struct scenario_numbers *numbers, struct plan *plan);
void make_restart_warmer(const struct scenario_numbers *numbers, struct plan *plan);
void make_frequency_jump(const struct scenario_numbers *numbers, struct plan *plan);
void make_busy_host(const struct scenario_numbers *numbers, struct plan *plan);
void make_some_servers(const struct scenario_numbers *numbers, struct plan *plan);
void make_one_way_five(const struct scenario_numbers *numbers, struct plan *plan);
void make_loop(const struct scenario_numbers *numbers, struct plan *plan);
void make_silent(const struct scenario_numbers *numbers, struct plan *plan);
void make_serve_distance(const struct scenario_numbers *numbers, struct plan *plan);
void make_holdover_temperature(const struct scenario_numbers *numbers, struct plan *plan);
void make_interleaved(const struct scenario_numbers *numbers, struct plan *plan);
void make_era(const struct scenario_numbers *numbers, struct plan *plan);
void make_chain(const struct scenario_numbers *numbers, struct plan *plan);
void make_chain_one_way(const struct scenario_numbers *numbers, struct plan *plan);
void make_daemon_restart(const struct scenario_numbers *numbers, struct plan *plan);
void make_gentle(const struct scenario_numbers *numbers, struct plan *plan);
