# SPDX-License-Identifier: BSD-3-Clause
"""An NTP server of whole frames that can be told to do one thing wrong, and counts how often it did."""

import collections
import struct
import threading
import time

from lab import Wire

NTP_TO_UNIX = 2208988800
EVERY = 3  # one in so many replies is spoiled; odd, so that both families have their turn

Reply = collections.namedtuple("Reply", "frame delay")


def stamp(shift=0):
    """The time now as an NTP timestamp."""
    now = time.time_ns() + int(shift * 1e9)
    return (now // 10**9 + NTP_TO_UNIX) << 32 | (now % 10**9 << 32) // 10**9


def plain_sum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Answer:
    """The right answer to a request, field by field; seal() makes a frame of it."""

    def __init__(self, frame, received):
        self.ipv4 = frame[12:14] == b"\x08\x00"
        self.ethernet = frame[6:12] + frame[0:6] + frame[12:14]
        ip, size = (26, 4) if self.ipv4 else (22, 16)
        self.client = frame[ip:ip + size]
        self.server = frame[ip + size:ip + 2 * size]
        udp = ip + 2 * size
        self.client_port, self.server_port = struct.unpack_from("!HH", frame, udp)
        request = frame[udp + 8:udp + 56]
        self.mode, self.version, self.leap, self.stratum, self.refid = 4, 4, 0, 10, b"test"
        self.origin = int.from_bytes(request[40:48], "big")
        self.receive, self.transmit = received, stamp()
        self.extra = b""
        self.break_udp = self.break_ip = self.no_checksum = False

    def seal(self):
        payload = struct.pack("!BBbbII4sQQQQ", self.leap << 6 | self.version << 3 | self.mode,
                              self.stratum, 6, -20, 0, 0, self.refid, 0, self.origin, self.receive,
                              self.transmit) + self.extra
        length = 8 + len(payload)
        udp = struct.pack("!HHHH", self.server_port, self.client_port, length, 0) + payload
        pseudo = self.server + self.client + struct.pack("!HH", length, 17)
        checksum = 0 if self.no_checksum else 0xffff - plain_sum(pseudo + udp) or 0xffff
        checksum ^= 0x0100 if self.break_udp else 0
        udp = udp[:6] + struct.pack("!H", checksum) + udp[8:]
        if not self.ipv4:
            return self.ethernet + struct.pack("!IHBB", 6 << 28, length, 17, 64) + self.server \
                + self.client + udp
        header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, 17, 0)
        checksum = 0xffff - plain_sum(header + self.server + self.client)
        checksum ^= 0x0100 if self.break_ip else 0
        return self.ethernet + header[:10] + struct.pack("!H", checksum) + self.server \
            + self.client + udp


class Reflector:
    """spoil(answer, reflector) is asked about every EVERY-th reply and returns the Replies instead,
    or None when there was nothing to spoil."""

    def __init__(self, namespace, name, spoil=None, every=EVERY):
        self.wire = Wire(namespace, name)
        self.spoil, self.every = spoil, every
        self.answered = self.spoiled = 0
        self.last = {}     # client: receive timestamp of the newest reply
        self.waiting = []  # (when, frame)
        self.over = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        self.wire.close()

    def run(self):
        while not self.over:
            frame = self.wire.receive(time.monotonic() + 0.05)
            received = stamp()
            if frame is not None and frame[12:14] in (b"\x08\x00", b"\x86\xdd"):
                self.answer(Answer(frame, received))
            while self.waiting and self.waiting[0][0] <= time.monotonic():
                self.wire.send(self.waiting.pop(0)[1])

    def answer(self, answer):
        self.answered += 1
        replies = None
        if self.spoil and self.answered % self.every == 0:
            replies = self.spoil(answer, self)
            self.spoiled += replies is not None
        if replies is None:
            replies = [Reply(answer.seal(), 0)]
        self.last[answer.client] = answer.receive
        for reply in replies:
            if reply.delay:
                self.waiting.append((time.monotonic() + reply.delay, reply.frame))
            else:
                self.wire.send(reply.frame)
