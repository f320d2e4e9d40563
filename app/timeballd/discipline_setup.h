// SPDX-License-Identifier: BSD-3-Clause
// From the configuration to what keeps the clock right. The same with `serve` lines and without.
#pragma once

#include "config/config.h"
#include "control/control.h"

struct discipline_setup {
	struct control_discipline control; // points into this and the configuration
	struct source_spec *specs;
	uint32_t own_refids[DISCIPLINE_OWN_REFIDS];
};

// `family`: of all names' addresses, ADDRESS_NONE: as each line says. Returns 0, or -ENOMEM. To be freed
// when control has ended its discipline.
int discipline_setup_make(struct discipline_setup *setup, const struct config *config,
		enum address_family family, const struct local_clock *clock);
void discipline_setup_free(struct discipline_setup *setup);
