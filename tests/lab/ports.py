# SPDX-License-Identifier: BSD-3-Clause
"""Ports: AF_PACKET and TAP serve real clients, three ports at once on one worker, announcements at
the start and when a link comes back."""

import re
import socket
import subprocess
import time

import lab
from lab import (Namespace, Wire, case, check, connect, equal, give_address, peer, serve_config,
                 wait_until, without_clock_rights)
from packets import (ARP, Answer, Ether, ICMPv6ND_NA, IPv6, answer_origin, ntp, udp4,
                     verify_advertisement)

FLAPS = 10
# From RFC 5227: 2 s from one announcement to the next. And some for finding the link up.
ANNOUNCED_WITHIN = 5


class Ports:
    """srv0 and srv1 are AF_PACKET, tap0 is a TAP; one worker serves the three."""

    def __init__(self, lab, stack):
        self.lab = lab
        self.server, self.first, self.second = Namespace(), Namespace(), Namespace()
        connect(self.server, "srv0", self.first, "cli0", ("192.168.1.11/24", "fd00:1::11/64"))
        connect(self.server, "srv1", self.second, "cli1", ("192.168.2.11/24", "fd00:2::11/64"))
        self.wire = Wire(self.first, "cli0")
        self.daemon = lab.daemon(self.server, serve_config(
            "net_af_packet0,iface=srv0 address 192.168.1.10/24 address fd00:1::10/64",
            "net_af_packet1,iface=srv1 address 192.168.2.10/24 address fd00:2::10/64",
            "net_tap0,iface=tap0 address 192.168.3.10/24 address fd00:3::10/64"))
        self.server.ip("link", "set", "tap0", "up")
        give_address(self.server, "tap0", "192.168.3.11/24")
        give_address(self.server, "tap0", "fd00:3::11/64")
        self.mac = self.server.mac("srv0").hex(":")
        self.clients = [(self.first, "192.168.1.10"), (self.first, "fd00:1::10"),
                        (self.second, "192.168.2.10"), (self.second, "fd00:2::10"),
                        (self.server, "192.168.3.10"), (self.server, "fd00:3::10")]

    def ask(self, namespace, server):
        """A question through the kernel's own socket, repeated until answered."""
        return wait_until(lambda: ask_once(namespace, server), server + " answers", 15)

    def wait_announced(self):
        """Reads the wire until both addresses of srv0 have been announced; returns the frames."""
        found = {}
        deadline = time.monotonic() + ANNOUNCED_WITHIN
        while len(found) < 2 and (frame := self.wire.receive(deadline)) is not None:
            parsed = Ether(frame)
            if parsed.src != self.mac:
                continue
            if ARP in parsed and parsed[ARP].psrc == parsed[ARP].pdst == "192.168.1.10":
                found["192.168.1.10"] = frame
            elif ICMPv6ND_NA in parsed and parsed[IPv6].dst == "ff02::1":
                found[parsed[ICMPv6ND_NA].tgt] = frame
        equal(set(found), {"192.168.1.10", "fd00:1::10"}, "addresses announced in %d s"
              % ANNOUNCED_WITHIN)
        return found


def ask_once(namespace, server):
    with namespace:
        link = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET,
                             socket.SOCK_DGRAM)
    with link:
        link.settimeout(0.5)
        payload, sent = ntp(), time.time()
        try:
            link.sendto(payload, (server, 123))
            answer = Answer(link.recv(2000))
        except OSError:
            return None
        equal(answer.origin, int.from_bytes(payload[40:48], "big"), "origin")
        answer.check_times(sent, time.time())
        return answer


@case("L5-start", "at the start each address is announced: gratuitous ARP, unsolicited NA")
def announced_at_start(bench):
    found = bench.wait_announced()
    note = Ether(found["192.168.1.10"])
    equal(note.dst, "ff:ff:ff:ff:ff:ff", "to whom ARP is announced")
    body = note[ARP]
    # RFC 5227 section 2.3: a request for the address by the address.
    equal((body.hwtype, body.ptype, body.hwlen, body.plen, body.op), (1, 0x800, 6, 4, 1),
          "ARP header")
    equal((body.hwsrc, body.psrc, body.pdst), (bench.mac, "192.168.1.10", "192.168.1.10"), "ARP")
    frame = found["fd00:1::10"]
    equal(Ether(frame).dst, "33:33:00:00:00:01", "to whom the NA is sent")
    verify_advertisement(frame, bench.mac, "fd00:1::10", "ff02::1", solicited=0)


@case("ports", "AF_PACKET twice and TAP answer at once, IPv4 and IPv6, each in its own books")
def three_ports(bench):
    before = bench.daemon.settled_ledgers()
    equal(len(before), 3, "ports in the ledger")
    for namespace, server in bench.clients:
        equal(bench.ask(namespace, server).stratum, 10, "stratum from " + server)
    after = bench.daemon.settled_ledgers()
    for name, ledger in after.items():
        check(ledger.since(before[name]).get("answered", 0) >= 2, "answers of %s: %r"
              % (name, ledger.counters))


@case("ports-chronyd", "chronyd takes the time from all of them at the same moment")
def chronyd_everywhere(bench):
    path = peer("chronyd")
    runs = []
    for namespace, server in bench.clients:
        with namespace:
            runs.append((server, subprocess.Popen(
                [path, "-Q", "-x", "-t", "30", "server %s iburst" % server, "cmdport 0",
                 "bindcmdaddress /", "pidfile " + bench.lab.path("pid")],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                text=True, preexec_fn=without_clock_rights)))
    for server, process in runs:
        _, said = process.communicate(timeout=60)
        found = re.search(r"System clock wrong by (\S+) seconds \(ignored\)", said)
        check(process.returncode == 0 and found, "chronyd of %s: %s" % (server, said))
        check(abs(float(found[1])) < 0.05, "offset from %s: %s s" % (server, found[1]))


@case("L5", "a link that flaps: answers again, announced again; the other ports never notice")
def flaps(bench):
    for flap in range(FLAPS):
        bench.first.ip("link", "set", "cli0", "down")
        # A link that is back before anybody looked was never gone.
        bench.daemon.wait_log(r"(net_af_packet0: link down[^~]*){%d}" % (flap + 1))
        bench.ask(bench.second, "192.168.2.10")
        bench.wire.drain()
        bench.first.ip("link", "set", "cli0", "up")
        # The kernel drops IPv6 addresses of a link that goes down.
        give_address(bench.first, "cli0", "fd00:1::11/64")
        bench.wait_announced()
        bench.ask(bench.first, "192.168.1.10")
        bench.ask(bench.first, "fd00:1::10")
        bench.ask(bench.server, "192.168.3.10")


@case("queues", "two queues of one port on one worker: each client is answered once")
def two_queues(bench):
    bench.daemon.stop()
    bench.daemon = bench.lab.daemon(bench.server, serve_config(
        "net_af_packet0,iface=srv0,qpairs=2 address 192.168.1.10/24 workers 2"))
    bench.ask(bench.first, "192.168.1.10")
    before = bench.daemon.settled_ledgers()["net_af_packet0"]
    bench.wire.drain()
    origins = []
    for number in range(100):
        payload = ntp()
        bench.wire.send(udp4(payload, bench.mac, source="192.168.1.%d" % (100 + number)))
        origins.append(payload[40:48])
    answers = []
    deadline = time.monotonic() + 10
    while len(answers) < 100 and (frame := bench.wire.receive(deadline)) is not None:
        if answer_origin(frame):
            answers.append(answer_origin(frame))
    equal(sorted(answers), sorted(origins), "origins of the answers")
    after = bench.daemon.settled_ledgers(before["received"] + 100)["net_af_packet0"]
    check(after.since(before)["answered"] >= 100, "%r" % after.since(before))
    # A queue must not hear what the other says.
    equal(after["bad_source_mac"], 0, "frames from our own Ethernet address")
    equal(after.port["ipackets"], after["received"], "the port's frames received")


if __name__ == "__main__":
    lab.main(Ports)
