# SPDX-License-Identifier: BSD-3-Clause
"""Queues: two of them, each with a worker and a core of its own. Whoever comes by one queue is answered
by it, and what becomes of every frame is counted in one ledger."""

import os
import time

import lab
from lab import Namespace, Skip, Wire, case, check, connect, equal
from packets import (Answer, Ether, IP, IPv6, answer_origin, ntp, udp4, udp6, udp_payload,
                     verify_answer_frame)
from scapy.utils import PcapReader, wrpcap

# Of the first net_pcap of a process: "pcap" in ASCII and its number.
PCAP_MAC = "02:70:63:61:70:00"
CLIENTS = 40
REQUESTS = 25
SENT = CLIENTS * (REQUESTS + 1)
JUMBO = 5000


def two_workers(serve):
    return "\n".join(["serve %s workers 2" % serve, "local stratum 10",
                      "cores control 0 workers 0-1", "ealarg --no-huge", "pidfile /", "allow", ""])


def need_two_cores():
    if not {0, 1} <= os.sched_getaffinity(0):
        raise Skip("CPUs 0 and 1 are not to be had")


def requests_of(queue, mac):
    """Frames of a queue's clients, each from a new port every time: IPv4, then as many of IPv6."""
    frames = []
    for number in range(REQUESTS):
        for client in range(CLIENTS):
            frames.append(udp4(ntp(), mac, source="192.168.1.%d" % (20 + 2 * client + queue),
                               port=1024 + 60 * number + client))
    for client in range(CLIENTS):
        frames.append(udp6(ntp(), mac, source="fd00:1::%x" % (0x100 + 2 * client + queue)))
    return frames


class Queues:
    """A server with nothing but files to read frames from, or one wire."""

    def __init__(self, lab, stack):
        self.lab = lab
        self.server = Namespace()
        self.client = Namespace()
        connect(self.server, "srv0", self.client, "cli0")

    def serve_files(self, *queues):
        """Serves one pcap file a queue; returns the daemon and the paths of what the queues send."""
        inputs, outputs = [], []
        for number, frames in enumerate(queues):
            inputs.append(self.lab.path("in%d.pcap" % number))
            outputs.append(self.lab.path("out%d.pcap" % number))
            wrpcap(inputs[-1], [Ether(frame) for frame in frames])
        device = ",".join(["net_pcap0"] + ["rx_pcap=" + path for path in inputs]
                          + ["tx_pcap=" + path for path in outputs])
        daemon = self.lab.daemon(self.server, two_workers(
            device + " address 192.168.1.10/24 address fd00:1::10/64"))
        return daemon, outputs


def answers_in(path):
    with PcapReader(path) as frames:
        return [bytes(frame) for frame in frames if answer_origin(bytes(frame))]


@case("files", "two queues, two workers: all are answered, by the queue they came by, in one ledger")
def two_files(bench):
    need_two_cores()
    wanted = [requests_of(queue, PCAP_MAC) for queue in range(2)]
    # One frame for another host, and one that no single buffer holds.
    stray = udp4(ntp(), PCAP_MAC, destination="192.168.1.99")
    jumbo = udp4(bytes(JUMBO), PCAP_MAC)
    daemon, outputs = bench.serve_files(wanted[0] + [stray], [jumbo] + wanted[1])
    check("2 worker(s)" in daemon.log(), daemon.log())
    check("net_pcap0: deals frames out to its queues by a rule of its own" in daemon.log(),
          "no word of who meets whom:\n" + daemon.log())
    ledger = daemon.settled_ledgers(2 * SENT + 2)["net_pcap0"]
    equal(ledger.verdicts(), {"answered": 2 * SENT, "ip_foreign": 1, "segmented": 1}, "ledger")
    equal(ledger.port["ipackets"], ledger["received"], "the port's frames received")
    equal(ledger.port["opackets"], ledger["answered"] + ledger["announced"], "and sent")
    equal(daemon.stop(), 0, "exit status")
    for queue in range(2):
        verify_queue(answers_in(outputs[queue]), wanted[queue])


def verify_queue(answers, requests):
    """One answer to each request, in their order; a client never sees a receive stamp twice."""
    equal(len(answers), len(requests), "answers of this queue")
    seen = {}
    for answer, request in zip(answers, requests):
        asked, parsed = Ether(request), verify_answer_frame(answer)
        layer = IP if IP in asked else IPv6
        equal((parsed[layer].src, parsed[layer].dst), (asked[layer].dst, asked[layer].src),
              "addresses")
        equal(answer_origin(answer), udp_payload(request)[40:48], "origin")
        stamps = seen.setdefault(parsed[layer].dst, set())
        body = Answer(udp_payload(answer))
        equal((body.leap, body.stratum), (0, 10), "leap and stratum")
        check(body.receive not in stamps, "a receive stamp came twice")
        stamps.add(body.receive)


@case("pairs", "AF_PACKET with a queue pair for each worker: all answered, and its rule is said aloud")
def pairs(bench):
    need_two_cores()
    daemon = bench.lab.daemon(bench.server, two_workers(
        "net_af_packet0,iface=srv0,qpairs=2 address 192.168.1.10/24 address fd00:1::10/64"))
    daemon.wait_log("net_af_packet0: deals frames out to its queues by a rule of its own")
    wire = Wire(bench.client, "cli0")
    frames = requests_of(0, bench.server.mac("srv0").hex(":"))
    before = daemon.settled_ledger()["answered"]
    for frame in frames:
        wire.send(frame)
    origins = sorted(udp_payload(frame)[40:48] for frame in frames)
    answers = []
    deadline = time.monotonic() + lab.PATIENCE
    while len(answers) < len(origins) and (frame := wire.receive(deadline)) is not None:
        if answer_origin(frame):
            answers.append(answer_origin(frame))
    equal(sorted(answers), origins, "origins of the answers")
    ledger = daemon.settled_ledger()
    equal(ledger["answered"] - before, len(frames), "answered")
    equal(ledger.port["ipackets"], ledger["received"], "the port's frames received")
    equal(daemon.stop(), 0, "exit status")


@case("pairs-unequal", "queue pairs that nobody would poll, or that are not there, are refused")
def pairs_refused(bench):
    for device, advice in (("net_af_packet0,iface=srv0", "qpairs=2"),
                           ("net_af_packet0,iface=srv0,qpairs=3", "qpairs=2")):
        daemon = bench.lab.daemon(bench.server, two_workers(device + " address 192.168.1.10/24"),
                                  wait=False)
        check(daemon.process.wait(lab.PATIENCE) != 0, "%s is served" % device)
        check(advice in daemon.log(), daemon.log())


@case("unchecked", "a device that hashes but does not show the hash is served, with a warning")
def unchecked(bench):
    need_two_cores()
    daemon = bench.lab.daemon(bench.server, two_workers("net_null0 address 192.168.1.10/24"))
    check("net_null0: cannot check that it hashes addresses alone" in daemon.log(), daemon.log())
    check("a rule of its own" not in daemon.log(), daemon.log())
    equal(daemon.stop(), 0, "exit status")


if __name__ == "__main__":
    lab.main(Queues)
