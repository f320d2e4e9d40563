// SPDX-License-Identifier: BSD-3-Clause
// The compiled ntp_filter.bpf.c as meson embeds it.
#pragma once

#include <stddef.h>

extern const unsigned char embedded_ntp_filter[];
extern const size_t embedded_ntp_filter_size; // 0: built without clang
