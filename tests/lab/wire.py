# SPDX-License-Identifier: BSD-3-Clause
"""Plain NTP through the daemon, octet by octet: the W tests, and what CVEs taught (B4)."""

import functools
import os
import random
import struct
import time

import lab
from lab import Skip, case, check, equal
from packets import (CLIENT4, CLIENT6, SERVER4, SERVER6, UDP4_OFFSET, Answer, IPv6, answer_origin,
                     arp, echo4, echo6, ntp, set_be16, solicitation, udp4, udp6, udp_payload,
                     unix_time, verify_answer_frame)
from wire_bench import WINDOW, WireBench, both_families

SECOND4 = "192.168.1.20"
SECOND6 = "fd00:1::20"
DSCP = 46
LOCAL_REFID = bytes((127, 127, 1, 1))


def prepare(lab, stack):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print("SEED=%d" % seed)
    random.seed(seed)
    return WireBench(lab, "address 192.168.1.10/24 address 192.168.1.20/24 "
                     "address fd00:1::10/64 address fd00:1::20/64", more=("dscp %d" % DSCP,))


@case("W1", "versions 1 to 4 get every field right")
def golden_fields(bench):
    for version in 1, 2, 3, 4:
        for frame in both_families(bench, version=version, poll=version + 3):
            answer = bench.answered(frame)
            equal((answer.leap, answer.version, answer.mode), (0, version, 4), "LI, version, mode")
            equal(answer.stratum, 10, "stratum")
            equal(answer.poll, version + 3, "poll")
            check(-32 <= answer.precision <= -16, "precision %d" % answer.precision)
            equal(answer.delay, 0, "root delay")
            check(0 < answer.dispersion_s < 0.1, "root dispersion %f" % answer.dispersion_s)
            equal(answer.refid, LOCAL_REFID, "reference id")


@case("W2", "versions 0, 5, 6, 7 are silent")
def foreign_versions(bench):
    bench.silent([frame for version in (0, 5, 6, 7) for mode in range(8)
                  for frame in both_families(bench, version=version, mode=mode)], "ntp_version")


@case("W3", "modes 3 and 1 are answered in 4 and 2, no other mode is")
def modes(bench):
    for version in 1, 2, 3, 4:
        for mode, wanted in (3, 4), (1, 2):
            for frame in both_families(bench, version=version, mode=mode):
                equal(bench.answered(frame).mode, wanted, "mode of the answer")
    bench.silent([frame for version in (1, 2, 3, 4) for mode in (0, 2, 4, 5, 6, 7)
                  if (version, mode) != (1, 0)
                  for frame in both_families(bench, version=version, mode=mode)], "ntp_mode")


@case("W4", "version 1 without a mode is answered, but not to port 123")
def version_1_mode_0(bench):
    answer = bench.answered(bench.request(ntp(1, mode=0), port=40123))
    equal((answer.version, answer.mode), (1, 4), "version and mode")
    bench.silent([bench.request(ntp(1, mode=0), port=123),
                  bench.request(ntp(1, mode=0), port=123, source=CLIENT6)], "ntp_mode")


@case("W5", "0 to 47 octets are silent")
def short(bench):
    whole = ntp()
    bench.silent([maker(whole[:length], bench.mac)
                  for length in range(48) for maker in (udp4, udp6)], "ntp_short")


@case("W6", "lengths that are no multiple of four are silent")
def ragged(bench):
    bench.silent([maker(ntp() + bytes(extra), bench.mac)
                  for extra in range(1, 400) if extra % 4 for maker in (udp4, udp6)], "ntp_ragged")


@case("W7", "tails of zeros are silent")
def zero_tails(bench):
    bench.silent([maker(ntp(version) + bytes(extra), bench.mac)
                  for extra in (4, 8, 12, 16, 20, 24, 28, 32, 64, 400) for version in (1, 2, 3, 4)
                  for maker in (udp4, udp6)], "ntp_key", "ntp_extension")


@case("W8", "any transmit timestamp comes back as origin")
def origin_echo(bench):
    for transmit in (0, 1, 2**64 - 1, 1 << 63, *(random.getrandbits(64) for _ in range(50))):
        for frame in both_families(bench, transmit=transmit):
            equal(bench.answered(frame).origin, transmit, "origin")


@case("W9", "of the rest of the request only version and poll matter")
def garbage_ignored(bench):
    for poll in range(-128, 128):
        payload = ntp(leap=random.randrange(4), stratum=random.randrange(256), poll=poll,
                      precision=random.randrange(-128, 128), delay=random.getrandbits(32),
                      dispersion=random.getrandbits(32), refid=random.randbytes(4),
                      reference=random.getrandbits(64), origin=random.getrandbits(64),
                      receive=random.getrandbits(64))
        answer = bench.answered(bench.request(payload, source=random.choice((CLIENT4, CLIENT6))))
        equal((answer.leap, answer.version, answer.mode, answer.stratum, answer.poll, answer.delay,
               answer.refid), (0, 4, 4, 10, poll, 0, LOCAL_REFID), "fields of the answer")


def extension(kind, length, size=None):
    """A field that claims `length` octets and has `size`."""
    size = length if size is None else size
    return struct.pack("!HH", kind, length) + random.randbytes(max(0, size - 4))


@case("W10", "an answer has 48 octets whatever the request carries, and is never longer")
def never_longer(bench):
    for tail in (extension(0x4242, 28), extension(0x4242, 28) * 3, extension(0x104, 16)
                 + extension(0x304, 28), extension(0x4242, 1400), extension(0x4242, 32) * 40):
        for source in CLIENT4, CLIENT6:
            # answered() takes 48 octets only, verify_turned() none that is longer.
            bench.answered(bench.request(ntp() + tail, source=source))


@case("E4", "extension fields with wrong lengths are silent")
def wrong_extensions(bench):
    tails = [extension(0x4242, length, size)
             for length in (0, 1, 3, 4, 8, 12, 15, 17, 27, 29, 30, 31, 36, 40, 65532, 65535)
             for size in (28, 32) if length != size]
    # Lengths that add up and are wrong all the same.
    tails += [extension(0x4242, first) + extension(0x4242, second)
              for first, second in ((4, 28), (8, 28), (12, 28), (18, 30), (29, 35), (27, 33))]
    # 16 octets are at most a MAC; and what follows whole fields counts as well.
    tails += [extension(0x4242, 16), extension(0x4242, 28) + bytes(4),
              extension(0x4242, 28) + extension(0x4242, 0, 28)]
    bench.silent([bench.request(ntp(version) + tail, source=source) for tail in tails
                  for version in (3, 4) for source in (CLIENT4, CLIENT6)],
                 "ntp_extension", "ntp_key")


def plain_requests(bench, count):
    """Requests made quickly: no UDP checksum, but a transmit timestamp of their own."""
    frame = set_be16(bench.request(), UDP4_OFFSET + 6, 0)
    return [frame[:-8] + random.randbytes(8) for _ in range(count)]


@functools.cache
def hurried(bench):
    """Answers to requests in bursts, many found at the same moment."""
    return [Answer(udp_payload(frame)) for _ in range(200)
            for frame in bench.burst(plain_requests(bench, WINDOW))]


@case("W11", "receive is before transmit, never equal, and never repeats")
def unique_receive(bench):
    answers = hurried(bench)
    for answer in answers:
        check(answer.receive < answer.transmit, "receive %#x, transmit %#x"
              % (answer.receive, answer.transmit))
    equal(len({answer.receive for answer in answers}), len(answers),
          "different receive timestamps")


@case("W12", "the low bit is 1 in receive, 0 in transmit timestamps")
def low_bits(bench):
    for answer in hurried(bench):
        equal((answer.receive & 1, answer.transmit & 1), (1, 0), "low bits")


def check_random(name, values, bits):
    """Bits 1 to bits - 1 of the timestamps look drawn by lot."""
    count = len(values)
    for bit in range(1, bits):
        ones = sum(value >> bit & 1 for value in values)
        # Five standard deviations: one run in two million fails by chance for each bit.
        check(abs(ones - count / 2) < 5 * (count / 4) ** 0.5,
              "bit %d of %s is set in %d of %d" % (bit, name, ones, count))
    cells = min(bits - 1, 6)
    tally = [0] * (1 << cells)
    for value in values:
        tally[value >> 1 & (1 << cells) - 1] += 1
    wanted = count / len(tally)
    chi = sum((seen - wanted) ** 2 / wanted for seen in tally)
    degrees = len(tally) - 1
    check(chi < degrees + 6 * (2 * degrees) ** 0.5, "chi squared of %s is %.1f for %d degrees"
          % (name, chi, degrees))


@case("W13", "bits below the precision are random")
def random_bits(bench):
    bits = 32 + hurried(bench)[0].precision
    if bits < 2:
        raise Skip("the clock is so good that no bits are left")
    # One at a time: in a burst a receive timestamp depends on the one before, as none repeats.
    receives = [bench.exchange(frame)[1].receive for frame in plain_requests(bench, 4000)]
    check_random("receive", receives, bits)
    # In a burst: what leaves at the same moment differs by nothing but chance.
    transmits = [answer.transmit for answer in hurried(bench)]
    check_random("transmit", transmits, bits)
    same = sum(one == next_one for one, next_one in zip(transmits, transmits[1:])) / len(transmits)
    check(same < 2 / (1 << bits - 1) + 0.05, "%.3f of the transmit timestamps repeat" % same)


@case("W14", "the reference time is set, in the past, and at most 65 s old")
def reference_time(bench):
    for answer in [bench.answered(bench.request()) for _ in range(20)]:
        age = unix_time(answer.transmit) - unix_time(answer.reference)
        check(answer.reference and 0 < age < 65, "the reference time is %f s old" % age)


@case("W15", "requests to broadcast and multicast are silent")
def group_destinations(bench):
    broadcast = "ff:ff:ff:ff:ff:ff"
    frames = [udp4(ntp(), mac, destination=destination)
              for mac in (bench.mac, broadcast, "01:00:5e:00:01:01")
              for destination in ("255.255.255.255", "192.168.1.255", "224.0.1.1", "224.0.0.1",
                                  "239.1.2.3")]
    frames += [udp4(ntp(), broadcast), udp4(ntp(), "01:00:5e:00:01:01")]
    frames += [udp6(ntp(), mac, destination=destination)
               for mac in (bench.mac, "33:33:00:00:00:01", "33:33:ff:00:00:10", broadcast)
               for destination in ("ff02::1", "ff02::101", "ff05::101", "ff02::1:ff00:10")]
    frames += [udp6(ntp(), "33:33:00:00:00:01"), udp6(ntp(), "33:33:ff:00:00:10")]
    bench.silent(frames, "ip_multicast", "foreign_mac")


@case("W16", "sources nobody can have are silent")
def impossible_sources(bench):
    # Port 123 as well: a server that answers itself, or its neighbour, never stops.
    bench.silent([udp4(ntp(version), bench.mac, source=source, port=port)
                  for source in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "127.127.1.1", "224.0.1.1",
                                 "240.0.0.1", "255.255.255.255", "192.168.1.255", SERVER4, SECOND4)
                  for port in (123, 40000) for version in (3, 4)], "ip_source")
    bench.silent([udp6(ntp(), bench.mac, source=source, port=port)
                  for source in ("::", "::1", "ff02::1", "ff02::101", "::ffff:192.168.1.11",
                                 SERVER6, SECOND6)
                  for port in (123, 40000)], "ip_source")


@case("W17", "source port 0 is silent, 123 is answered")
def source_ports(bench):
    bench.silent([udp4(ntp(), bench.mac, port=0), udp6(ntp(), bench.mac, port=0)], "udp_port")
    for source in CLIENT4, CLIENT6:
        for port in 1, 123, 65535:
            bench.answered(bench.request(source=source, port=port))


@case("W18", "other destination ports are silent")
def destination_ports(bench):
    bench.silent([maker(ntp(), bench.mac, to_port=port) for maker in (udp4, udp6)
                  for port in (0, 1, 122, 124, 323, 4460, 31488, 65535)], "udp_port")


@case("W19", "each address answers from itself")
def own_addresses(bench):
    for source, destinations in (CLIENT4, (SERVER4, SECOND4)), (CLIENT6, (SERVER6, SECOND6)):
        for destination in destinations:
            # answered() compares addresses, ports and MACs.
            bench.answered(bench.request(source=source, destination=destination))
            bench.answered(bench.request(source=source, destination=destination, port=61234,
                                         source_mac="06:01:02:03:04:05"))
    bench.silent([bench.request(destination=other) for other in ("192.168.1.11", "10.0.0.1")]
                 + [bench.request(destination=other) for other in ("fd00:1::11", "fd00:1::1:10")],
                 "ip_foreign")


@case("W20", "IPv4 answers: TTL, DSCP, no fragments, sums right")
def ipv4_header(bench):
    for fields in {}, {"ttl": 1}, {"tos": 0x03}, {"tos": 0xb8}, {"flags": "DF"}, {"ttl": 255}:
        frame = udp4(ntp(), bench.mac, **fields)
        reply = bench.reply_to(frame)
        ip = verify_answer_frame(reply).payload
        equal(ip.ttl, 64, "TTL")
        equal(ip.tos, DSCP << 2, "type of service")
        equal(ip.len, 76, "IP length")


@case("W21", "IPv6 answers: hop limit, DSCP, a flow label that is not the client's to choose")
def ipv6_header(bench):
    labels = set()
    for label in 0, 1, 0xfffff, 0x12345:
        for hops in 1, 255:
            reply = bench.reply_to(udp6(ntp(), bench.mac, fl=label, hlim=hops, tc=0x03))
            ip = verify_answer_frame(reply)[IPv6]
            equal(ip.hlim, 64, "hop limit")
            equal(ip.tc, DSCP << 2, "traffic class")
            labels.add((label, ip.fl))
    # RFC 6437: one flow, one label; ours is zero or the flow's own, never something in between.
    check(all(own == 0 for _, own in labels) or all(own == theirs for theirs, own in labels),
          "flow labels, asked and answered: %r" % labels)


@case("W22", "requests of one burst are answered in order")
def order(bench):
    for _ in range(20):
        frames = plain_requests(bench, WINDOW)
        answers = bench.burst(frames)
        equal([answer_origin(answer) for answer in answers], [frame[-8:] for frame in frames],
              "origins, in the order of the answers")
        receives = [Answer(udp_payload(answer)).receive for answer in answers]
        check(receives == sorted(receives), "receive timestamps are not in order")


@case("W23", "what follows the IP packet is ignored and not echoed")
def trailers(bench):
    for size in (1, 4, 10, 46, 400, 1400):
        for source in CLIENT4, CLIENT6:
            # verify_answer_frame() refuses any trailer.
            bench.answered(bench.request(source=source, trailer=b"\xa5" * size))


@case("W24", "the NTP length is the UDP header's, not IP's")
def udp_length_rules(bench):
    for maker, source in (udp4, CLIENT4), (udp6, CLIENT6):
        payload = ntp()
        inner = maker(payload, bench.mac, source=source)
        # Seven octets that IP carries and UDP does not: the sum covers only what is UDP's.
        frame = bytearray(maker(payload + b"\xa5" * 7, bench.mac, source=source))
        udp = 34 if maker is udp4 else 54
        frame[udp:udp + 8] = inner[udp:udp + 8]
        if maker is udp6:
            # The length in the pseudo-header is UDP's own too.
            check(len(frame) == len(inner) + 7, "lengths of the frames made here")
        found = bench.exchange(bytes(frame), origin=payload[40:48])
        check(found, "not answered when IP is longer than UDP")
        Answer(udp_payload(found[0]))
        cut = maker(payload[:44], bench.mac, source=source)
        frame = bytearray(maker(payload, bench.mac, source=source))
        frame[udp:udp + 8] = cut[udp:udp + 8]
        bench.silent([bytes(frame)], "ntp_short")


@case("B4-modes", "modes 6 and 7 with anything behind them, 1 to 1472 octets, are silent")
def control_modes(bench):
    frames = []
    for length in range(1, 1473):
        for mode in 6, 7:
            first = random.randrange(32) << 3 | mode
            frames.append(udp4(bytes((first,)) + random.randbytes(length - 1), bench.mac))
    bench.silent(frames, "ntp_short", "ntp_ragged", "ntp_version", "ntp_mode")
    # The well-known ones as they were really sent: READVAR, monlist, chronyd's old port.
    known = [bytes((0x16, 2, 0, 1)) + bytes(8), bytes((0x17, 0, 3, 0x2a)) + bytes(4),
             bytes((0x17, 0, 3, 0x2a)) + bytes(188), bytes((0x16, 1, 0, 1)) + bytes(44)]
    bench.silent([udp4(payload, bench.mac, port=port)
                  for payload in known for port in (123, 40000)], "ntp_short", "ntp_mode")


@case("B4-ping-pong", "an answer sent back is not answered")
def ping_pong(bench):
    for port in 123, 40000:
        for mode in 1, 3:
            request = bench.request(ntp(mode=mode), port=port)
            payload = udp_payload(bench.reply_to(request))
            back = [maker(payload, bench.mac, source=source, port=123)
                    for maker, source in ((udp4, CLIENT4), (udp6, CLIENT6))]
            bench.silent(back, "ntp_mode")


@case("B4-truncated", "every truncation of every valid frame is silent")
def truncations(bench):
    whole = [bench.request(), bench.request(source=CLIENT6), arp(), solicitation(),
             echo4(bench.mac), echo6(bench.mac),
             bench.request(ntp() + extension(0x4242, 28))]
    frames = [frame[:length] for frame in whole for length in range(14, len(frame))]
    bench.silent(frames, "runt", "ip_malformed", "foreign_ethertype")


@case("R7", "over the whole test, no more frames out than in, every frame in one verdict")
def balance(bench):
    sent = bench.client.statistic(bench.client_link, "tx_packets")
    ledger = bench.daemon.settled_ledger(sent)
    equal(ledger["received"], sent, "frames received")
    equal(sum(ledger.verdicts().values()), ledger["received"], "sum of the verdicts")
    equal(ledger.port["ipackets"], sent, "the port's own count of frames received")
    equal(ledger["pending"], 0, "frames without a verdict")


@case("W13-coarse", "a coarser clockprecision is told, and hides what is below it")
def coarse_precision(bench):
    bench.daemon.stop()
    bench.start(bench.config + "clockprecision 1e-3\n")
    step = 2.0 ** -9
    late = []
    end = time.monotonic() + 15
    while len(late) < 300:
        if time.monotonic() > end:
            raise Skip("this machine is too busy to tell noise from delay")
        # As no timestamp repeats, those of a hurry would queue behind the latest.
        time.sleep(1.5 * step)
        frame = bench.request()
        sent = time.time()
        bench.wire.send(frame)
        # Announcements come in between.
        reply, _ = bench.wire.wait_for(lambda it: answer_origin(it) == frame[-8:], 10)
        took = time.time() - sent
        check(reply, "no answer")
        answer = Answer(udp_payload(reply))
        equal(answer.precision, -9, "precision")
        if took < step / 8:
            late.append((unix_time(answer.receive) - sent) / step)
    # Upward by up to one step of the clock, evenly.
    check(min(late) > -0.01, "a receive timestamp %f steps early" % -min(late))
    for eighth in range(8):
        share = sum(eighth <= value * 8 < eighth + 1 for value in late) / len(late)
        check(share > 0.03, "only %.3f of the receive timestamps in eighth %d" % (share, eighth))


if __name__ == "__main__":
    lab.main(prepare)
