# SPDX-License-Identifier: BSD-3-Clause
"""The books balance: 100,000 mixed frames, each in exactly one counter, and the same numbers from
the daemon, from the port under it, from the wire, and from the kernel's end of it."""

import os
import random
import time

import lab
from lab import case, check, equal, serve_config
from packets import (CLIENT6, Ether, IP_OFFSET, UDP4_OFFSET, arp, answer_origin, echo4, ntp,
                     set_be16, solicitation, udp4, udp6)
from scapy.utils import wrpcap
from wire_bench import ADDRESSES, ANSWER_PATIENCE, WINDOW, WireBench

FRAMES = 100_000
PCAP_MAC = "02:70:63:61:70:00"  # of the first net_pcap of a process
# More than the daemon may answer in its bursts; how many it does is its own affair.
LIMITED = {"arp_answered", "nd_answered", "echo_answered", "neighbor_limited", "echo_limited"}


def prepare(lab, stack):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print("SEED=%d" % seed)
    random.seed(seed)
    return WireBench(lab, access=("allow 192.168.1.0/24", "allow fd00:1::/64",
                                  "deny 192.168.1.99", "deny fd00:1::99"))


def mixture(bench):
    """Frames and the verdict of each, with how often it comes up."""
    four, six = bench.request(), bench.request(source=CLIENT6)
    return [
        (30, four, "answered"),
        (15, six, "answered"),
        (5, bench.request(ntp(1, mode=0)), "answered"),
        (5, bench.request(source="192.168.1.99"), "ntp_denied"),
        (3, bench.request(source="fd00:1::99"), "ntp_denied"),
        (3, bench.request(source="10.1.2.3"), "ntp_denied"),
        (2, bench.request(ntp()[:40]), "ntp_short"),
        (2, bench.request(ntp() + b"\0"), "ntp_ragged"),
        (2, bench.request(ntp(version=7)), "ntp_version"),
        (4, bench.request(ntp(mode=6)), "ntp_mode"),
        (2, bench.request(ntp() + bytes(20)), "ntp_key"),
        (2, bench.request(ntp() + bytes(28)), "ntp_extension"),
        (2, set_be16(four, UDP4_OFFSET + 6, 0x1234), "udp_checksum"),
        (2, set_be16(four, IP_OFFSET + 10, 0x1234), "ip_checksum"),
        (2, bench.request(to_port=53), "udp_port"),
        (2, bench.request(destination="192.168.1.11"), "ip_foreign"),
        (1, bench.request(destination="192.168.1.255"), "ip_multicast"),
        (1, bench.request(source="127.0.0.1"), "ip_source"),
        # Of IPv6: DPDK's AF_PACKET port lets the kernel keep those of IPv4 (see frames.py).
        (1, udp6(ntp(), bench.mac, nh=44), "ip_fragment"),
        (1, udp4(ntp(), bench.mac, proto=6), "ip_protocol"),
        (1, udp6(ntp(), bench.mac, nh=60), "ip_extension"),
        (2, four[:30], "runt"),
        (2, six[:60], "ip_malformed"),
        (2, bench.request(mac="02:00:00:00:00:99"), "foreign_mac"),
        (1, bench.request(source_mac="03:00:00:00:00:01"), "bad_source_mac"),
        (1, set_be16(four, 12, 0x88cc), "foreign_ethertype"),
        (1, arp(target="192.168.1.77"), "arp_ignored"),
        (1, arp(hwtype=6), "arp_malformed"),
        (1, arp(), "arp_answered"),
        (1, solicitation(), "nd_answered"),
        (1, echo4(bench.mac), "echo_answered"),
    ]


@case("ledger", "100,000 frames: answers and drops add up to frames received, exactly")
def ledger(bench):
    mix = mixture(bench)
    before = bench.daemon.settled_ledger()
    sent_before = bench.client.statistic(bench.client_link, "tx_packets")
    got_before = bench.client.statistic(bench.client_link, "rx_packets")
    equal(before["received"], sent_before, "frames received before")

    chosen = random.choices(mix, [weight for weight, _, _ in mix], k=FRAMES)
    wanted = {}
    for _, _, verdict in chosen:
        wanted[verdict] = wanted.get(verdict, 0) + 1
    answers = 0
    for start in range(0, FRAMES, WINDOW):
        for _, frame, _ in chosen[start:start + WINDOW]:
            bench.wire.send(frame)
        # A request of our own behind each window: the ring never overflows.
        payload = ntp()
        bench.wire.send(bench.request(payload, port=50123))
        wanted["answered"] += 1
        marker, others = bench.wire.wait_for(lambda it: answer_origin(it) == payload[40:48],
                                             ANSWER_PATIENCE)
        check(marker, "no answer after %d frames" % (start + WINDOW))
        answers += 1 + len(others)
    sent = sum(wanted.values())

    after = bench.daemon.settled_ledger(before["received"] + sent)
    grown = after.since(before)
    equal(grown.pop("received"), sent, "frames received")
    equal(sum(grown.values()), sent, "sum of the verdicts")
    for verdict, count in wanted.items():
        if verdict not in LIMITED:
            equal(grown.get(verdict, 0), count, "counted as " + verdict)
    for kinds in ({"arp_answered", "nd_answered", "neighbor_limited"},
                  {"echo_answered", "echo_limited"}):
        equal(sum(grown.get(kind, 0) for kind in kinds),
              sum(wanted.get(kind, 0) for kind in kinds), "counted as one of %s" % sorted(kinds))
    equal(set(grown) - set(wanted) - LIMITED, set(), "other verdicts")

    answered = sum(grown.get(kind, 0) for kind in
                   ("answered", "arp_answered", "nd_answered", "echo_answered"))
    equal(answered, answers, "answers, counted and received")
    equal(answered, bench.client.statistic(bench.client_link, "rx_packets") - got_before,
          "answers, counted and seen by the kernel")
    equal(sent, bench.client.statistic(bench.client_link, "tx_packets") - sent_before,
          "frames sent, counted here and by the kernel")

    port = after.port
    equal(port["ipackets"], after["received"], "the port's frames received")
    equal(sum(after.verdicts().values()), after["received"], "all verdicts since the start")
    equal((port["imissed"], port["ierrors"], port["rx_nombuf"], port["oerrors"]), (0, 0, 0, 0),
          "imissed, ierrors, rx_nombuf, oerrors")
    total_out = sum(after[kind] for kind in ("answered", "arp_answered", "nd_answered",
                                             "echo_answered", "announced"))
    equal(port["opackets"], total_out, "the port's frames sent")


@case("overload", "more than can be answered, nine of ten denied: every frame in one counter, and of the "
      "allowed as large a share is answered as of all frames is taken")
def overload(bench):
    frames = [udp4(ntp(), PCAP_MAC, source="192.168.1.%d" % number) for number in range(100, 110)]
    frames += [udp4(ntp(), PCAP_MAC, source="10.1.2.%d" % number) for number in range(90)]
    random.shuffle(frames)
    flood = bench.lab.path("flood.pcap")
    wrpcap(flood, [Ether(frame) for frame in frames])
    # A port that always has frames; what is sent to it is gone.
    daemon = bench.lab.daemon(bench.server, serve_config(
        "net_pcap0,rx_pcap=%s,infinite_rx=1 %s" % (flood, ADDRESSES),
        access=("allow 192.168.1.0/24",)))
    time.sleep(2)
    check("received" in str(daemon.ledgers()["net_pcap0"].counters), "no word under load")
    start = len(daemon.log())
    equal(daemon.stop(within=5), 0, "exit status")
    ledger = daemon.ledgers(start)["net_pcap0"]
    taken, verdicts = ledger["received"], ledger.verdicts()
    check(taken > 100_000, "only %d frames" % taken)
    equal(set(verdicts), {"answered", "ntp_denied"}, "verdicts")
    equal(sum(verdicts.values()), taken, "sum of the verdicts")
    equal(ledger.port["ipackets"], taken, "the port's frames received")
    equal(ledger.port["opackets"], ledger["answered"] + ledger["announced"], "and sent")
    # The last round through the file may be a part of one.
    check(abs(ledger["answered"] - taken / 10) <= len(frames),
          "%d of %d frames answered" % (ledger["answered"], taken))


@case("at-exit", "the ledger is logged once more at the end, with the same sums")
def at_exit(bench):
    last = bench.daemon.settled_ledger()
    start = len(bench.daemon.log())
    equal(bench.daemon.stop(within=2), 0, "exit status")
    ledgers = bench.daemon.ledgers(start)
    equal(len(ledgers), 1, "ports in the ledger at exit")
    final = next(iter(ledgers.values()))
    equal(final.counters, last.counters, "counters at exit")


if __name__ == "__main__":
    lab.main(prepare)
