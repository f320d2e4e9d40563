# SPDX-License-Identifier: BSD-3-Clause
"""Prints a C file that holds the file named, or nothing when none is."""

import sys

content = b""
for path in sys.argv[1:2]:
    with open(path, "rb") as file:
        content = file.read()
print('#include "drivers/xdp/embedded.h"\n')
# The octet behind it makes an empty one lawful.
print("const unsigned char embedded_ntp_filter[] = { %s };"
      % ", ".join(map(str, content + b"\0")))
print("const size_t embedded_ntp_filter_size = %d;" % len(content))
