// SPDX-License-Identifier: BSD-3-Clause
// What the arguments of directives look like: the types of values and the lists of options that
// the table of directives is made of.
#pragma once

#include "config/arguments.h"

extern const struct value_type type_text;
extern const struct value_type type_host;
extern const struct value_type type_address;
extern const struct value_type type_boolean; // 0 or 1
extern const struct value_type type_port;
extern const struct value_type type_stratum; // of a server: 1..15
extern const struct value_type type_count;   // 0 and up
extern const struct value_type type_integer;
extern const struct value_type type_real;
extern const struct value_type type_seconds; // and other numbers from 0 up

extern const struct option options_hwtimestamp[];
extern const struct option options_ratelimit[];         // of struct config_ratelimit
extern const struct option options_service_ratelimit[]; // cmdratelimit, ntsratelimit
extern const struct option options_refclock[];
extern const struct option options_smoothtime[];
extern const struct option options_source[]; // of struct config_source
