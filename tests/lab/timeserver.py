# SPDX-License-Identifier: BSD-3-Clause
"""An NTP server that tells any time: honest, wrong, unsynchronised, silent, as the test likes."""

import contextlib
import socket
import struct
import threading
import time

from packets import NTP_FORMAT, NTP_TO_UNIX


def ntp_stamp(seconds):
    whole = int(seconds // 1)
    return (whole + NTP_TO_UNIX & 0xffffffff) << 32 | int((seconds - whole) * 2**32)


def short(seconds):
    """NTP's 16.16 format, rounded up."""
    return -int(-seconds * 65536 // 1)


class TimeServer:
    """A thread with a socket in `namespace`. What it tells may be changed while it runs."""

    def __init__(self, namespace, address, **claims):
        self.offset = 0.0  # of what it tells from the machine's clock
        self.stratum = 1
        self.leap = 0
        self.refid = b"TEST"
        self.root_delay = 0.0
        self.root_dispersion = 0.0005  # Python's own pauses included
        self.silent = False
        self.asked = 0
        for name, value in claims.items():
            setattr(self, name, value)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with namespace:
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.bind((address, 123))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        # Ends the receive that the thread waits in.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def now(self):
        return time.time() + self.offset

    def run(self):
        while True:
            try:
                request, client = self.socket.recvfrom(2048)
            except OSError:
                return
            received = self.now()
            if not request:
                return
            if len(request) < 48 or request[0] & 7 != 3:
                continue
            self.asked += 1
            if not self.silent:
                with contextlib.suppress(OSError):
                    self.socket.sendto(self.answer(request, received), client)

    def answer(self, request, received):
        version = request[0] >> 3 & 7
        poll = struct.unpack_from("!b", request, 2)[0]
        origin = struct.unpack_from("!Q", request, 40)[0]
        head = (self.leap << 6 | version << 3 | 4, self.stratum, poll, -20,
                short(self.root_delay), short(self.root_dispersion), self.refid)
        return struct.pack(NTP_FORMAT, *head, ntp_stamp(received - 1), origin, ntp_stamp(received),
                           ntp_stamp(self.now()))
