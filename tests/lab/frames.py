# SPDX-License-Identifier: BSD-3-Clause
"""What is around NTP: fragments, options, checksums, lengths, ARP, ND, echo (the P tests, which are
faults F21 to F29)."""

import os
import random
import struct
import time

import lab
from lab import Skip, case, check, equal
from packets import (ARP, CLIENT4, CLIENT6, CLIENT_MAC, ICMP, ICMPV6_PROTOCOL, IP, IP_OFFSET,
                     SERVER4, SERVER6, UDP4_OFFSET, UDP6_OFFSET, Ether, ICMPv6ND_NA, IPv6,
                     answer_origin, arp, checksum, echo4, echo6, get_be16, in6_chksum, ntp,
                     refresh_ip_checksum, set_be16, solicitation, udp4, udp6,
                     verify_advertisement, verify_answer_frame)
from wire_bench import PORT, SERVER_LINK, WireBench

SECOND4 = "192.168.1.20"
# Solicited-node group shared with the first: told apart only by the whole target.
SECOND6 = "fd00:2::10"
ANSWERS_PER_S = 1000
ANSWERS_BURST = 100


def prepare(lab, stack):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print("SEED=%d" % seed)
    random.seed(seed)
    return WireBench(lab, "address 192.168.1.10/24 address 192.168.1.20/24 "
                     "address fd00:1::10/64 address fd00:2::10/64")


@case("P1", "fragments are never answered, not even a first one that holds the request")
def fragments(bench):
    frames = []
    for offset, more in (0, True), (1, False), (1, True), (185, False), (8191, False):
        frames.append(udp4(ntp(), bench.mac, frag=offset, flags="MF" if more else 0, id=7))
    frames.append(echo4(bench.mac, flags="MF", id=8))
    if PORT == "af_packet":
        # DPDK's AF_PACKET port lets the kernel put fragments together (PACKET_FANOUT_FLAG_DEFRAG),
        # which these never are.
        answers, _ = bench.send_all(frames)
        equal(answers, [], "answers to fragments")
    else:
        # A whole datagram in two, in both orders.
        packet = IP(udp4(ntp(), bench.mac)[IP_OFFSET:])
        pair = [bytes(Ether(dst=bench.mac, src=CLIENT_MAC) / part) for part in packet.fragment(40)]
        bench.silent(frames + pair + pair[::-1], "ip_fragment")
    inner = udp6(ntp(), bench.mac)[UDP6_OFFSET:]
    frames = []
    for offset, more in (0, 0), (0, 1), (1, 0), (8191, 1):
        header = struct.pack("!BBHI", 17, 0, offset << 3 | more, 42)
        frames.append(ipv6_frame(bench, 44, header + inner))
    bench.silent(frames, "ip_fragment")
    # Neither DF nor the reserved bit makes a fragment.
    bench.answered(udp4(ntp(), bench.mac, flags="DF"))
    bench.answered(udp4(ntp(), bench.mac, flags="evil"))


def with_options(bench, words, total=None):
    """A request whose IPv4 header has `words` of 4 octets, options that look like UDP to 123."""
    frame = udp4(ntp(), bench.mac)
    options = (struct.pack("!HHHH", 40000, 123, 56, 0) + ntp())[:(words - 5) * 4]
    frame = frame[:UDP4_OFFSET] + options + frame[UDP4_OFFSET:]
    frame = frame[:IP_OFFSET] + bytes((0x40 | words,)) + frame[IP_OFFSET + 1:]
    frame = set_be16(frame, IP_OFFSET + 2, len(frame) - IP_OFFSET if total is None else total)
    return refresh_ip_checksum(frame)


@case("P2", "IPv4 options are refused, header lengths never believed")
def options(bench):
    bench.silent([with_options(bench, words) for words in range(6, 16)], "ip_options")
    frame = udp4(ntp(), bench.mac)
    wrong = [refresh_ip_checksum(frame[:IP_OFFSET] + bytes((0x40 | words,)) + frame[IP_OFFSET + 1:])
             for words in range(5)]
    # Versions that the Ethernet type does not say.
    wrong += [refresh_ip_checksum(frame[:IP_OFFSET] + bytes((version << 4 | 5,))
                                  + frame[IP_OFFSET + 1:])
              for version in (0, 5, 6, 15)]
    # The header goes past the packet, then past the frame.
    wrong += [with_options(bench, 15, total=40), with_options(bench, 15)[:IP_OFFSET + 40]]
    bench.silent(wrong, "ip_malformed")


def ipv6_frame(bench, next_header, payload, plen=None):
    ip = IPv6(src=CLIENT6, dst=SERVER6, nh=next_header, plen=len(payload) if plen is None else plen)
    return bytes(Ether(dst=bench.mac, src=CLIENT_MAC, type=0x86dd) / ip) + payload


@case("P3", "IPv6 extension headers are refused by name")
def extension_headers(bench):
    inner = udp6(ntp(), bench.mac)[UDP6_OFFSET:]
    hop, routing, options, padding = 0, 43, 60, bytes((1, 4, 0, 0, 0, 0))
    chains = []
    for kind in hop, routing, options, 135, 139, 140:
        chains.append(ipv6_frame(bench, kind, bytes((17, 0)) + padding + inner))
    for kind in 50, 51, 59:
        chains.append(ipv6_frame(bench, kind, bytes((17, 4)) + bytes(22) + inner))
    for count in 2, 8, 64:
        middle = (bytes((options, 0)) + padding) * (count - 1) + bytes((17, 0)) + padding
        chains.append(ipv6_frame(bench, options, middle + inner))
    # A header that points at itself for ever, one past the end, a jumbogram.
    chains.append(ipv6_frame(bench, hop, (bytes((hop, 0)) + padding) * 100))
    chains.append(ipv6_frame(bench, options, bytes((17, 255)) + padding + inner))
    chains.append(ipv6_frame(bench, hop, bytes((17, 0, 0xc2, 4)) + struct.pack("!I", 70000) + inner,
                             plen=0))
    bench.silent(chains, "ip_extension")
    bench.silent([ipv6_frame(bench, 44, bytes((44, 0)) + bytes(6) + inner)], "ip_fragment")
    bench.silent([ipv6_frame(bench, kind, inner) for kind in (4, 6, 33, 41, 132, 136, 255)],
                 "ip_protocol")
    frame = udp4(ntp(), bench.mac)
    bench.silent([refresh_ip_checksum(frame[:IP_OFFSET + 9] + bytes((protocol,))
                                      + frame[IP_OFFSET + 10:])
                  for protocol in (0, 2, 4, 6, 41, 58, 132, 136, 255)], "ip_protocol")


# The kernel takes the outermost tag off what a socket receives, so that only inner ones are seen.
TAGS = (b"\x81\x00\x00\x01", b"\x81\x00\x00\x00", b"\x81\x00\xe0\x00", b"\x88\xa8\x00\x05",
        b"\x81\x00\x00\x05\x81\x00\x60\x07", b"\x88\xa8\x00\x05\x81\x00\x00\x07")


def tagged(whole, tag):
    return whole[:12] + tag + whole[12:]


@case("P4", "frames with up to two tags are answered behind theirs, those with three are not")
def tags(bench):
    if lab.TAGS:
        raise Skip("all frames are tagged already")
    kinds = (("answered", bench.request()), ("answered", bench.request(source=CLIENT6)),
             ("arp_answered", arp()), ("echo_answered", echo4(bench.mac)))
    before = bench.daemon.settled_ledger()
    grown = {"answered": 0, "arp_answered": 0, "echo_answered": 0}
    for kind, whole in kinds:
        for tag in TAGS:
            bench.wire.send(tagged(whole, tag))
            reply = bench.wire.receive(time.monotonic() + 1)
            check(reply is not None, "no answer to %s behind %s" % (kind, tag.hex()))
            equal(reply[12:12 + len(tag) - 4].hex(), tag[4:].hex(), "tags of the answer")
            equal(reply[8 + len(tag):10 + len(tag)], whole[12:14], "type behind them")
            grown[kind] += 1
    bench.counted(before, grown)
    bench.silent([tagged(whole, TAGS[0] * 3) for _, whole in kinds], "tagged")
    bench.silent([tagged(whole, b"\x81\x00\x0f\xff") for _, whole in kinds], "vlan_foreign")


def udp_checksum_offset(frame):
    return (UDP4_OFFSET if get_be16(frame, 12) == 0x800 else UDP6_OFFSET) + 6


def pseudo_sum(frame):
    """What a kernel leaves in the checksum field for a NIC to finish."""
    offset = udp_checksum_offset(frame) - 6
    length = struct.pack("!H", len(frame) - offset)
    if get_be16(frame, 12) == 0x800:
        pseudo = frame[26:34] + b"\0\x11" + length
    else:
        pseudo = frame[22:54] + b"\0\0" + length + b"\0\0\0\x11"
    return ~checksum(pseudo) & 0xffff


@case("P5", "checksums: the IP header's, UDP's, none, and what a local kernel leaves unfinished")
def checksums(bench):
    bad_header, bad_udp = [], []
    for _ in range(20):
        frame = bench.request()
        bit = random.randrange(16)
        at = IP_OFFSET + 10
        bad_header.append(set_be16(frame, at, get_be16(frame, at) ^ 1 << bit))
        # In the checksum, then in what it covers: the ports to us, the payload.
        for source in CLIENT4, CLIENT6:
            frame = bench.request(source=source)
            at = udp_checksum_offset(frame)
            bad_udp.append(set_be16(frame, at, get_be16(frame, at) ^ 1 << bit))
            payload = at + 2 + random.randrange(48)
            bad_udp.append(frame[:payload] + bytes((frame[payload] ^ 1 << bit % 8,))
                           + frame[payload + 1:])
    # An address changed on the way.
    for source, ip in (CLIENT4, 29), (CLIENT6, 37):
        frame = bench.request(source=source)
        frame = frame[:ip] + bytes((frame[ip] ^ 4,)) + frame[ip + 1:]
        bad_udp.append(refresh_ip_checksum(frame) if source is CLIENT4 else frame)
    bench.silent(bad_header + [set_be16(bench.request(), IP_OFFSET + 10, 0)], "ip_checksum")
    bench.silent([frame for frame in bad_udp
                  if get_be16(frame, udp_checksum_offset(frame)) not in (0, pseudo_sum(frame))],
                 "udp_checksum")

    frame = bench.request()
    bench.answered(set_be16(frame, UDP4_OFFSET + 6, 0))
    bench.silent([set_be16(bench.request(source=CLIENT6), UDP6_OFFSET + 6, 0)], "udp_checksum")
    for source in CLIENT4, CLIENT6:
        frame = bench.request(source=source)
        at = udp_checksum_offset(frame)
        unfinished = pseudo_sum(frame)
        bench.answered(set_be16(frame, at, unfinished))
        bench.silent([set_be16(bench.request(source=source), at, unfinished + off & 0xffff or 1)
                      for off in (-1, 1, 0x100)], "udp_checksum")
        # A sum that comes out as zero is sent as all ones, in a request as in an answer.
        frame = zero_sum_request(bench, source)
        equal(get_be16(frame, at), 0xffff, "the checksum of the frame made here")
        bench.answered(frame)


def zero_sum_request(bench, source):
    """A request whose UDP checksum is 0xffff on the wire."""
    base = ntp()
    frame = bench.request(base, source=source)
    at = udp_checksum_offset(frame)
    # One's complement: adding the checksum itself to a word of the payload leaves zero.
    word = (get_be16(base, 40) + get_be16(frame, at)) % 0xffff
    return bench.request(set_be16(base, 40, word), source=source)


@case("P6", "lengths that lie are refused")
def lengths(bench):
    frame = bench.request()
    malformed = [refresh_ip_checksum(set_be16(frame, IP_OFFSET + 2, total))
                 for total in (0, 1, 19, 77, 78, 1500, 65535)]
    frame6 = bench.request(source=CLIENT6)
    malformed += [set_be16(frame6, IP_OFFSET + 4, length) for length in (57, 58, 1500, 65535)]
    bench.silent(malformed, "ip_malformed")
    wrong_udp = []
    for whole in frame, frame6:
        udp = udp_checksum_offset(whole) - 6
        wrong_udp += [set_be16(whole, udp + 4, length) for length in (0, 1, 7, 57, 58, 1500, 65535)]
        # In the IP packet there is not even a UDP header, in the frame there is.
        for size in range(8):
            if whole is frame:
                wrong_udp.append(refresh_ip_checksum(set_be16(whole, IP_OFFSET + 2, 20 + size)))
            else:
                wrong_udp.append(set_be16(whole, IP_OFFSET + 4, size))
    bench.silent(wrong_udp, "udp_malformed")
    # UDP with nothing, and with a header short of one octet.
    bench.silent([bench.request(b""), bench.request(b"", source=CLIENT6)], "ntp_short")


@case("P7", "jumbo frames are refused and do no harm")
def jumbo(bench):
    links = [(bench.client, bench.client_link)]
    if PORT == "af_packet":
        links.append((bench.server, SERVER_LINK))
    for namespace, name in links:
        namespace.ip("link", "set", name, "mtu", str(9000 + len(lab.TAGS)))
    before = bench.daemon.settled_ledger()
    number = 0
    for size in 1473, 1600, 1969, 2000, 2048, 4000, 8972:
        for source in CLIENT4, CLIENT6:
            tail = bytes(size - 48 - (20 if source is CLIENT6 else 0))
            bench.wire.send(bench.request(ntp() + tail, source=source))
            number += 1
        # A valid small request in a huge frame may be answered, by 48 octets, or not.
        payload = ntp()
        bench.wire.send(bench.request(payload, trailer=b"\xa5" * (size - 76)))
        number += 1
        reply, others = bench.wire.wait_for(lambda it: answer_origin(it) == payload[40:48], 0.2)
        equal(others, [], "answers to frames that are too long")
        if reply:
            verify_answer_frame(reply)
    # The port's own counters may refuse before we see it; nothing of it may be answered.
    bench.answered(bench.request())
    grown = bench.daemon.settled_ledger().since(before)
    check(grown.get("answered", 0) <= 1 + number // 3, "answers to jumbo frames: %r" % grown)
    for namespace, name in links:
        namespace.ip("link", "set", name, "mtu", "1500")
    bench.answered(bench.request())


def exchange_frame(bench, frame, wanted):
    """Sends it and returns the first frame back, which wanted(parsed) must accept."""
    bench.wire.send(frame)
    reply, _ = bench.wire.wait_for(lambda _: True, 10)
    check(reply, "no answer to %s" % frame.hex())
    parsed = Ether(reply)
    check(wanted(parsed), "instead of an answer: %r" % parsed)
    return reply, parsed


def check_arp_reply(bench, reply, parsed, address, sender, sender_mac=CLIENT_MAC):
    equal((parsed.dst, parsed.src), (sender_mac, bench.mac), "Ethernet addresses")
    body = parsed[ARP]
    equal((body.hwtype, body.ptype, body.hwlen, body.plen, body.op), (1, 0x800, 6, 4, 2),
          "ARP header")
    equal((body.hwsrc, body.psrc), (bench.mac, address), "the address asked for")
    equal((body.hwdst, body.pdst), (sender_mac, sender), "who asked")
    check(len(reply) >= 42, "a frame of %d octets" % len(reply))
    equal(reply[42:], bytes(len(reply) - 42), "padding of the reply")


@case("P8-arp", "ARP: requests and probes for our addresses are answered, nothing else is")
def arp_answers(bench):
    before = bench.daemon.settled_ledger()
    answered = 0
    for address in SERVER4, SECOND4:
        # Broadcast, unicast (a neighbour that refreshes), a probe (RFC 5227), with a dirty trailer.
        for frame, sender in ((arp(target=address), CLIENT4),
                              (arp(target=address, mac=bench.mac), CLIENT4),
                              (arp(target=address, sender="0.0.0.0"), "0.0.0.0"),
                              (arp(target=address, sender="10.9.8.7"), "10.9.8.7"),
                              (arp(target=address, trailer=b"\xa5" * 18), CLIENT4)):
            reply, parsed = exchange_frame(bench, frame, lambda it: ARP in it)
            check_arp_reply(bench, reply, parsed, address, sender)
            answered += 1
    bench.counted(before, {"arp_answered": answered})
    bench.silent([arp(target="192.168.1.11"), arp(target="10.0.0.1"), arp(target="255.255.255.255"),
                  arp(sender="192.168.1.12", target="192.168.1.12"),  # an announcement
                  arp(sender=SERVER4, target=SERVER4),  # a conflict: RFC 5227 2.4 (a)
                  arp(operation=2, mac=bench.mac), arp(operation=2),
                  arp(operation=3), arp(operation=8), arp(operation=0)], "arp_ignored")
    bench.silent([arp(hwtype=6), arp(ptype=0x86dd), arp(hwlen=8), arp(plen=16)], "arp_malformed")
    bench.silent([arp(sender_mac="01:00:5e:00:00:01"), arp(sender_mac="ff:ff:ff:ff:ff:ff"),
                  arp(sender_mac=bench.mac)], "bad_source_mac")


@case("P8-nd", "ND: solicitations for our addresses are answered as RFC 4861 and 4862 have it")
def neighbor_discovery(bench):
    before = bench.daemon.settled_ledger()
    answered = 0
    for target in SERVER6, SECOND6:
        link_local = "fe80::11"
        for frame, destination in ((solicitation(target), CLIENT6),
                                   (solicitation(target, source=link_local), link_local),
                                   (solicitation(target, destination=target, mac=bench.mac,
                                                 link_address=None), CLIENT6)):
            reply, parsed = exchange_frame(bench, frame, lambda it: ICMPv6ND_NA in it)
            verify_advertisement(reply, bench.mac, target, destination, solicited=1)
            equal(parsed.dst, CLIENT_MAC, "Ethernet destination")
            answered += 1
        # Somebody tries whether the address is free: all must hear that it is not.
        probe = solicitation(target, source="::", link_address=None)
        reply, parsed = exchange_frame(bench, probe, lambda it: ICMPv6ND_NA in it)
        verify_advertisement(reply, bench.mac, target, "ff02::1", solicited=0)
        equal(parsed.dst, "33:33:00:00:00:01", "Ethernet destination")
        answered += 1
    bench.counted(before, {"nd_answered": answered})
    # Same group, another target; another group is not ours at all.
    bench.silent([solicitation("fd00:3::10")], "icmp_ignored")
    bench.silent([solicitation("fd00:1::11")], "ip_multicast", "foreign_mac")
    bench.silent([solicitation(hop_limit=254), solicitation(hop_limit=1), solicitation(code=1),
                  solicitation(cksum=0x1234), solicitation(source="::"),
                  solicitation(source="::", destination=SERVER6, mac=bench.mac, link_address=None),
                  lengthened_solicitation(bench, bytes(8)),
                  lengthened_solicitation(bench, bytes((1, 2)) + bytes(6)),
                  lengthened_solicitation(bench, bytes((1,))),
                  solicitation_for_group(bench), short_solicitation(bench)], "icmp_malformed")
    bench.silent([solicitation(source="::1"), solicitation(source="ff02::1"),
                  solicitation(source=SERVER6)], "ip_source")


def raw_solicitation(bench, message):
    """An ICMPv6 message to us with the right checksum and whatever inside."""
    ip = IPv6(src=CLIENT6, dst=SERVER6, nh=ICMPV6_PROTOCOL, hlim=255, plen=len(message))
    message = set_be16(message, 2, 0)
    message = set_be16(message, 2, in6_chksum(ICMPV6_PROTOCOL, ip, message))
    return bytes(Ether(dst=bench.mac, src=CLIENT_MAC, type=0x86dd) / ip) + message


def lengthened_solicitation(bench, option):
    return raw_solicitation(bench, bytes(solicitation(link_address=None))[UDP6_OFFSET:] + option)


def short_solicitation(bench):
    return raw_solicitation(bench, bytes(solicitation(link_address=None))[UDP6_OFFSET:-1])


def solicitation_for_group(bench):
    message = solicitation(link_address=None)[UDP6_OFFSET:]
    return raw_solicitation(bench, message[:8] + b"\xff\x02" + message[10:])


@case("P8-echo", "echo requests are answered with what they carry")
def echo(bench):
    before = bench.daemon.settled_ledger()
    answered = 0
    for size in 0, 1, 7, 56, 777, 1440:
        data = random.randbytes(size)
        for address, maker in (SERVER4, echo4), (SECOND4, echo4), (SERVER6, echo6):
            sequence = random.randrange(65536)
            frame = maker(bench.mac, data, destination=address, sequence=sequence)
            reply, parsed = exchange_frame(bench, frame, lambda it: True)
            check(len(reply) <= max(len(frame), 60), "%d octets in, %d out"
                  % (len(frame), len(reply)))
            equal((parsed.dst, parsed.src), (CLIENT_MAC, bench.mac), "Ethernet addresses")
            if maker is echo4:
                ip, body = parsed[IP], reply[UDP4_OFFSET:IP_OFFSET + parsed[IP].len]
                equal(checksum(reply[IP_OFFSET:UDP4_OFFSET]), 0, "IPv4 checksum remainder")
                equal((ip.src, ip.dst, ip.ttl), (address, CLIENT4, 64), "IPv4 header")
                equal(checksum(body), 0, "ICMP checksum remainder")
            else:
                ip, body = parsed[IPv6], reply[UDP6_OFFSET:UDP6_OFFSET + parsed[IPv6].plen]
                equal((ip.src, ip.dst, ip.hlim), (address, CLIENT6, 64), "IPv6 header")
                check(in6_chksum(ICMPV6_PROTOCOL, IPv6(reply[IP_OFFSET:UDP6_OFFSET]), body)
                      in (0, 0xffff), "ICMPv6 checksum")
            equal(body[:2], b"\0\0" if maker is echo4 else b"\x81\0", "type and code")
            equal(body[4:], struct.pack("!HH", 7, sequence) + data, "what the echo carries")
            answered += 1
    bench.counted(before, {"echo_answered": answered})


@case("P8-icmp", "no other ICMP is answered, no echo to groups, none with a wrong sum")
def other_icmp(bench):
    bench.silent([echo4(bench.mac, icmp={"chksum": 0x1234}),
                  echo6(bench.mac, icmp={"cksum": 0x1234}), echo4(bench.mac, icmp={"code": 1})],
                 "icmp_malformed")
    broadcast = "ff:ff:ff:ff:ff:ff"
    bench.silent([echo4(broadcast), echo4(broadcast, destination="192.168.1.255"),
                  echo4(bench.mac, destination="255.255.255.255"),
                  echo4(bench.mac, destination="224.0.0.1"),
                  echo6("33:33:00:00:00:01", destination="ff02::1"), echo6("33:33:00:00:00:01")],
                 "ip_multicast")
    bench.silent([echo4(bench.mac, source="127.0.0.1"), echo4(bench.mac, source=SERVER4),
                  echo6(bench.mac, source="::"), echo6(bench.mac, source=SERVER6)], "ip_source")
    # Replies, unreachables, fragmentation needed, redirects, packet too big, router advertisements:
    # all with a right checksum, which is nobody's merit.
    frames = []
    for kind in set(range(256)) - {8}:
        body = bytes((kind, 4, 0, 0)) + random.randbytes(36)
        body = set_be16(body, 2, checksum(body))
        frames.append(bytes(Ether(dst=bench.mac, src=CLIENT_MAC, type=0x800)
                            / IP(src=CLIENT4, dst=SERVER4, proto=1)) + body)
        frames[-1] = refresh_ip_checksum(set_be16(frames[-1], IP_OFFSET + 2, 20 + len(body)))
    frames += [raw_solicitation(bench, bytes((kind, 0, 0, 0)) + random.randbytes(36))
               for kind in set(range(256)) - {128, 135}]
    bench.silent(frames, "icmp_ignored")


@case("P8-flood", "floods of ARP, solicitations and echo get a bounded number of answers")
def floods(bench):
    kinds = (("arp_answered", "neighbor_limited", arp()),
             ("nd_answered", "neighbor_limited", solicitation()),
             ("echo_answered", "echo_limited", echo4(bench.mac, bytes(1000))),
             ("echo_answered", "echo_limited", echo6(bench.mac, bytes(1000))))
    for answered, limited, frame in kinds:
        # Let the bucket fill: what is allowed at once is then known.
        time.sleep(0.15)
        before = bench.daemon.settled_ledger()
        started = time.monotonic()
        replies, markers = bench.send_all([frame] * 5000)
        took = time.monotonic() - started
        grown = bench.daemon.settled_ledger(before["received"] + 5000 + markers).since(before)
        equal(grown.get(answered, 0), len(replies), "answers counted")
        equal(grown.get(answered, 0) + grown.get(limited, 0), 5000, "%r" % grown)
        equal(grown.get("answered"), markers, "requests answered meanwhile")
        allowed = ANSWERS_BURST + took * ANSWERS_PER_S
        check(len(replies) <= allowed + 1, "%d answers in %.3f s" % (len(replies), took))
        check(len(replies) >= 0.5 * min(5000, allowed), "only %d answers in %.3f s"
              % (len(replies), took))
    time.sleep(0.15)
    exchange_frame(bench, arp(), lambda it: ARP in it)
    exchange_frame(bench, echo4(bench.mac), lambda it: ICMP in it)


@case("P9", "Ethernet: answers go to who asked, group and our own sources are silent")
def link_layer(bench):
    for source_mac in "02:aa:bb:cc:dd:ee", "00:00:00:00:00:01", "fe:ff:ff:ff:ff:ff":
        for source in CLIENT4, CLIENT6, "203.0.113.77", "2001:db8::77":
            # Also from beyond a router: its MAC, not the neighbour's of the address.
            bench.answered(bench.request(source=source, source_mac=source_mac))
    wrong = "01:00:00:00:00:01", "33:33:00:00:00:01", "ff:ff:ff:ff:ff:ff", bench.mac
    bench.silent([frame for source_mac in wrong
                  for frame in (bench.request(source_mac=source_mac),
                                bench.request(source=CLIENT6, source_mac=source_mac),
                                arp(source_mac=source_mac), solicitation(source_mac=source_mac),
                                echo4(bench.mac, source_mac=source_mac))], "bad_source_mac")
    other = "02:00:00:00:00:99"
    bench.silent([bench.request(mac=other), bench.request(source=CLIENT6, mac=other),
                  echo4(other), arp(mac=other), arp(mac="01:80:c2:00:00:0e"),
                  bench.request(mac="33:33:ff:12:34:56")], "foreign_mac")
    types = {0x0000, 0x0600, 0x0805, 0x0842, 0x8035, 0x88cc, 0x88f7, 0x8863, 0xffff, 0x002e}
    bench.silent([set_be16(bench.request(), 12, kind) for kind in types], "foreign_ethertype")
    bench.silent([set_be16(bench.request(), 12, 0x86dd), set_be16(bench.request(source=CLIENT6),
                                                                  12, 0x800)], "ip_malformed")


@case("R7", "over the whole test, every frame in exactly one verdict")
def balance(bench):
    ledger = bench.daemon.settled_ledger()
    equal(sum(ledger.verdicts().values()), ledger["received"], "sum of the verdicts")
    equal(ledger.port["ipackets"], ledger["received"], "the port's own count of frames received")
    equal(ledger["pending"], 0, "frames without a verdict")


if __name__ == "__main__":
    lab.main(prepare)
