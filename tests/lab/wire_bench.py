# SPDX-License-Identifier: BSD-3-Clause
"""A daemon at one end of a wire that nobody else speaks on, and questions asked by whole frames."""

import os
import signal
import time

from lab import Namespace, Wire, check, connect, equal, serve_config, wait_until
from packets import (CLIENT4, CLIENT6, Answer, answer_origin, arp, ntp, udp4, udp6, udp_payload,
                     verify_answer_frame)

SERVER_LINK = "srv0"
CLIENT_LINK = "cli0"
# Frames between two answers waited for: far less than what a receive ring holds, so that nothing
# is lost when the worker or we do not get the processor for a while.
WINDOW = 64
ANSWER_PATIENCE = 10.0

ADDRESSES = "address 192.168.1.10/24 address fd00:1::10/64"
# What the daemon serves through: a veth pair between two namespaces, or a TAP it makes itself.
PORT = os.environ.get("LAB_PORT", "af_packet")


class WireBench:
    def __init__(self, lab, addresses=ADDRESSES, access=("allow",), more=(), start=True):
        self.lab = lab
        self.server = Namespace()
        if PORT == "tap":
            self.client, self.client_link = self.server, "tap0"
            device = "net_tap0,iface=tap0"
            self.server.silence_new_links()
        else:
            self.client, self.client_link = Namespace(), CLIENT_LINK
            device = "net_af_packet0,iface=" + SERVER_LINK
            connect(self.server, SERVER_LINK, self.client, CLIENT_LINK)
        self.serve = device + " " + addresses
        self.config = serve_config(self.serve, access=access, more=more)
        self.daemon = self.wire = self.mac = None
        if start:
            self.start()
            self.wait_quiet()

    def start(self, config=None, **options):
        """Starts the daemon and learns its Ethernet address."""
        self.attach(self.lab.daemon(self.server, config or self.config, **options))
        return self.daemon

    def attach(self, daemon):
        """From now on `daemon` is at the other end."""
        self.daemon = daemon
        if self.wire:
            self.wire.close()
        if PORT == "tap":
            self.client.ip("link", "set", self.client_link, "up")
        self.wire = Wire(self.client, self.client_link)
        self.mac = wait_until(self.resolve, "an answer to ARP; log:\n" + self.daemon.story())

    def resolve(self):
        self.wire.send(arp())
        reply, _ = self.wire.wait_for(lambda it: it[12:14] == b"\x08\x06" and it[21] == 2, 0.3)
        return reply and reply[22:28].hex(":")

    def wait_quiet(self):
        """Waits out the announcements of the start: two, 2 s apart (RFC 5227)."""
        while self.wire.receive(time.monotonic() + 3):
            pass

    def request(self, payload=None, version=4, **frame):
        """A valid request over IPv4, or IPv6 when an address says so."""
        payload = ntp(version) if payload is None else payload
        maker = udp6 if ":" in frame.get("source", "") + frame.get("destination", "") else udp4
        return maker(payload, frame.pop("mac", self.mac), **frame)

    def exchange(self, frame, origin=None, patience=ANSWER_PATIENCE):
        """Sends a request; returns (frame, Answer, sent, got) or None without an answer. Whatever
        else arrives meanwhile is a failure."""
        origin = udp_payload(frame)[40:48] if origin is None else origin
        sent = time.time()
        self.wire.send(frame)
        reply, others = self.wire.wait_for(lambda it: answer_origin(it) == origin, patience)
        got = time.time()
        equal([other.hex() for other in others], [], "frames before the answer")
        if reply is None:
            return None
        return reply, Answer(udp_payload(reply)), sent, got

    def reply_to(self, frame):
        """The frame that answers a valid request, not looked into."""
        found = self.exchange(frame)
        check(found, "no answer to %s" % frame.hex())
        return found[0]

    def ask(self, frame=None, patience=ANSWER_PATIENCE):
        """Asks until there is an answer, whatever else arrives; for waiting."""
        frame = frame or self.request()
        deadline = time.monotonic() + patience
        origin = udp_payload(frame)[40:48]
        while time.monotonic() < deadline:
            self.wire.send(frame)
            reply, _ = self.wire.wait_for(lambda it: answer_origin(it) == origin, 0.3)
            if reply:
                return Answer(udp_payload(reply))
        raise AssertionError("no answer in %.1f s; log:\n%s" % (patience, self.daemon.story()))

    def answered(self, frame):
        """The answer to a valid request, its frame verified."""
        found = self.exchange(frame)
        check(found, "no answer to %s" % frame.hex())
        reply, answer, sent, got = found
        self.verify_turned(frame, reply)
        equal(answer.origin, int.from_bytes(udp_payload(frame)[40:48], "big"), "origin")
        answer.check_times(sent, got)
        return answer

    def verify_turned(self, frame, reply):
        """Addresses and ports the other way round, not longer than the request, all sums right."""
        verify_answer_frame(reply)
        check(len(reply) <= len(frame), "%d octets in, %d out" % (len(frame), len(reply)))
        equal(reply[0:6].hex(), frame[6:12].hex(), "to whom (MAC)")
        equal(reply[6:12].hex(), frame[0:6].hex(), "from whom (MAC)")
        ip, size = (26, 4) if frame[14] >> 4 == 4 else (22, 16)
        equal(reply[ip:ip + size].hex(), frame[ip + size:ip + 2 * size].hex(), "source address")
        equal(reply[ip + size:ip + 2 * size].hex(), frame[ip:ip + size].hex(), "destination")
        ports = ip + 2 * size
        equal(reply[ports:ports + 2], frame[ports + 2:ports + 4], "source port")
        equal(reply[ports + 2:ports + 4], frame[ports:ports + 2], "destination port")

    def send_all(self, frames):
        """Sends frames without overrunning anybody; returns what came back, and how many requests
        of our own were sent in between. These must all be answered, after what they follow."""
        frames = list(frames)
        answers, markers = [], 0
        for start in range(0, max(len(frames), 1), WINDOW):
            for frame in frames[start:start + WINDOW]:
                self.wire.send(frame)
            payload = ntp()
            self.wire.send(self.request(payload, port=50123))
            markers += 1
            reply, before = self.wire.wait_for(lambda it: answer_origin(it) == payload[40:48],
                                               ANSWER_PATIENCE)
            check(reply, "a valid request after %d frames was not answered" % (start + WINDOW))
            answers += before
        return answers, markers

    def burst(self, frames):
        """Has the worker find all frames at once; returns as many answers. At most WINDOW frames,
        all of them valid requests."""
        os.kill(self.daemon.pid, signal.SIGSTOP)
        try:
            os.waitpid(self.daemon.pid, os.WUNTRACED)
            for frame in frames:
                self.wire.send(frame)
        finally:
            os.kill(self.daemon.pid, signal.SIGCONT)
        answers = []
        deadline = time.monotonic() + ANSWER_PATIENCE
        while len(answers) < len(frames) and (frame := self.wire.receive(deadline)) is not None:
            answers.append(frame)
        equal(len(answers), len(frames), "answers to a burst")
        return answers

    def silent(self, frames, *verdicts):
        """None of the frames is answered, a valid request after them is, and the daemon counts each
        as one of `verdicts`."""
        frames = list(frames)
        before = self.daemon.settled_ledger()
        answers, markers = self.send_all(frames)
        equal([answer.hex() for answer in answers], [], "answers")
        self.counted(before, {"answered": markers}, verdicts, len(frames))

    def counted(self, before, exact, verdicts=(), number=0):
        """Since `before` the ledger grew by `exact`, and by `number` in all of `verdicts`."""
        total = number + sum(exact.values())
        grown = self.daemon.settled_ledger(before["received"] + total).since(before)
        equal(grown.pop("received", 0), total, "frames received, grown: %r" % grown)
        for name, count in exact.items():
            equal(grown.pop(name, 0), count, "counted as " + name)
        equal(sum(grown.get(name, 0) for name in verdicts), number,
              "counted as %s, of all: %r" % (" or ".join(verdicts), grown))


def both_families(bench, **fields):
    """The same request over IPv4 and IPv6."""
    return [bench.request(ntp(**fields), source=source) for source in (CLIENT4, CLIENT6)]
