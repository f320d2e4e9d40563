// SPDX-License-Identifier: BSD-3-Clause
// The device under a port: found in DPDK, configured and started; stopped and closed. The ports thread's.
#pragma once

#include "dataplane/port.h"

// What the device says of itself goes into `port` and `host`. Returns 0, or -errno with one line for
// the operator in `problem`; the device is then to be closed if the port is open.
int port_device_open(struct port *port, struct host *host, char *problem, size_t size);
// What is in the device's books is carried over. One that is not open is fine.
void port_device_close(struct port *port);
