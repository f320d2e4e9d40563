# SPDX-License-Identifier: BSD-3-Clause
"""Frames made and taken apart independently of the daemon: scapy for what is below NTP, struct for
NTP itself (scapy turns timestamps into floats)."""

import logging
import random
import socket
import struct
import sys

try:
    logging.getLogger("scapy").setLevel(logging.ERROR)
    from scapy.config import conf
    conf.ipv6_enabled = True
    from scapy.layers.inet import ICMP, IP, UDP, in4_chksum
    from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS,
                                    ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6, in6_chksum)
    from scapy.layers.l2 import ARP, Ether
    from scapy.packet import Raw
    from scapy.utils import checksum
except ImportError as error:
    print("skipped: no scapy for this python: %s" % error)
    sys.exit(77)

from lab import check, equal

CLIENT_MAC = "02:00:00:00:00:11"
CLIENT4 = "192.168.1.11"
CLIENT6 = "fd00:1::11"
SERVER4 = "192.168.1.10"
SERVER6 = "fd00:1::10"

NTP_TO_UNIX = 2208988800
NTP_FORMAT = "!BBbbII4sQQQQ"
ETHERNET_MINIMUM = 60

UDP_PROTOCOL = 17
ICMPV6_PROTOCOL = 58


def ntp(version=4, mode=3, leap=0, stratum=0, poll=6, precision=0, delay=0, dispersion=0,
        refid=b"\0\0\0\0", reference=0, origin=0, receive=0, transmit=None):
    """A header of 48 octets; the transmit timestamp is random unless given."""
    if transmit is None:
        transmit = random.getrandbits(64)
    return struct.pack(NTP_FORMAT, leap << 6 | version << 3 | mode, stratum, poll, precision, delay,
                       dispersion, refid, reference, origin, receive, transmit)


def unix_time(stamp):
    """Seconds since 1970 of a timestamp in NTP's era 0 or 1."""
    seconds = stamp >> 32
    if seconds < 1 << 31:
        seconds += 1 << 32
    return seconds - NTP_TO_UNIX + (stamp & 0xffffffff) / 2**32


class Answer:
    """An NTP header received."""

    def __init__(self, payload):
        equal(len(payload), 48, "octets of the answer")
        (flags, self.stratum, self.poll, self.precision, self.delay, self.dispersion, self.refid,
         self.reference, self.origin, self.receive, self.transmit) = struct.unpack(
             NTP_FORMAT, payload)
        self.leap, self.version, self.mode = flags >> 6, flags >> 3 & 7, flags & 7
        self.delay_s = self.delay / 65536
        self.dispersion_s = self.dispersion / 65536

    def check_times(self, sent, got, slack=0.05):
        """Receive and transmit lie between the sending of the request and the answer's arrival,
        both in true seconds since 1970; `slack` is what a busy machine may lose in between."""
        check(self.receive and self.transmit and self.receive < self.transmit,
              "receive %#x, transmit %#x" % (self.receive, self.transmit))
        for stamp in self.receive, self.transmit:
            moment = unix_time(stamp)
            check(sent - slack <= moment <= got + slack,
                  "a stamp of %.6f for a request sent at %.6f, answered at %.6f"
                  % (moment, sent, got))


def udp4(payload, mac, source=CLIENT4, destination=SERVER4, port=40000, to_port=123,
         source_mac=CLIENT_MAC, trailer=b"", udp=None, **ip):
    """An IPv4 frame. `ip` and `udp` override what scapy would fill in."""
    frame = bytes(Ether(dst=mac, src=source_mac, type=0x800)
                  / IP(src=source, dst=destination, **{"id": 1, **ip})
                  / UDP(sport=port, dport=to_port, **(udp or {})) / Raw(payload))
    return frame + trailer


def udp6(payload, mac, source=CLIENT6, destination=SERVER6, port=40000, to_port=123,
         source_mac=CLIENT_MAC, trailer=b"", udp=None, **ip):
    frame = bytes(Ether(dst=mac, src=source_mac, type=0x86dd)
                  / IPv6(src=source, dst=destination, **ip)
                  / UDP(sport=port, dport=to_port, **(udp or {})) / Raw(payload))
    return frame + trailer


def set_be16(frame, offset, value):
    return frame[:offset] + struct.pack("!H", value) + frame[offset + 2:]


def get_be16(frame, offset):
    return struct.unpack_from("!H", frame, offset)[0]


# Offsets in an untagged frame with an IPv4 header of 20 octets, or IPv6.
IP_OFFSET = 14
UDP4_OFFSET = IP_OFFSET + 20
UDP6_OFFSET = IP_OFFSET + 40


def refresh_ip_checksum(frame):
    """The IPv4 header checksum made right for whatever the header says now."""
    end = IP_OFFSET + max(5, frame[IP_OFFSET] & 15) * 4
    header = set_be16(frame, IP_OFFSET + 10, 0)[IP_OFFSET:end]
    return set_be16(frame, IP_OFFSET + 10, checksum(header))


def verify_answer_frame(frame):
    """Everything around the payload that holds for every UDP answer: lengths, checksums by scapy's
    arithmetic, no options, no fragments. Returns the parsed frame."""
    check(len(frame) >= ETHERNET_MINIMUM, "a frame of %d octets" % len(frame))
    parsed = Ether(frame)
    if IP in parsed:
        header = frame[IP_OFFSET:UDP4_OFFSET]
        ip = IP(header)
        equal((ip.version, ip.ihl), (4, 5), "IPv4 version and header length")
        equal(checksum(header), 0, "remainder of the IPv4 header checksum")
        equal((ip.frag, int(ip.flags) & 1), (0, 0), "fragment offset and MF")
        check(int(ip.flags) & 2 or ip.id, "neither DF nor an id")
        packet, ip_length, offset = ip, ip.len - 20, UDP4_OFFSET
        remainder = in4_chksum
    else:
        ip = IPv6(frame[IP_OFFSET:UDP6_OFFSET])
        equal((ip.version, ip.nh), (6, UDP_PROTOCOL), "IPv6 version and next header")
        packet, ip_length, offset = ip, ip.plen, UDP6_OFFSET
        remainder = in6_chksum
    udp = frame[offset:offset + ip_length]
    equal(len(udp), ip_length, "octets after the IP header")
    equal(get_be16(udp, 4), ip_length, "UDP length")
    check(get_be16(udp, 6) != 0, "the UDP checksum is absent")
    # Over a packet with its checksum the sum is zero, which scapy may print as its complement.
    check(remainder(UDP_PROTOCOL, packet, udp) in (0, 0xffff), "the UDP checksum is wrong")
    trailer = frame[offset + ip_length:]
    check(trailer == bytes(len(trailer)), "a trailer that is not zero: %s" % trailer.hex())
    check(len(frame) == max(ETHERNET_MINIMUM, offset + ip_length), "a trailer longer than padding")
    return parsed


def udp_payload(frame):
    """The UDP payload by the UDP header's length, or None for anything else."""
    kind = get_be16(frame, 12) if len(frame) >= 14 else 0
    if kind == 0x800 and len(frame) >= UDP4_OFFSET + 8 and frame[IP_OFFSET + 9] == UDP_PROTOCOL:
        offset = UDP4_OFFSET
    elif kind == 0x86dd and len(frame) >= UDP6_OFFSET + 8 and frame[IP_OFFSET + 6] == UDP_PROTOCOL:
        offset = UDP6_OFFSET
    else:
        return None
    return frame[offset + 8:offset + get_be16(frame, offset + 4)]


def answer_origin(frame):
    """The origin timestamp of what looks like an NTP answer, or None."""
    payload = udp_payload(frame)
    return payload[24:32] if payload is not None and len(payload) >= 48 else None


def verify_advertisement(frame, mac, target, destination, solicited):
    """A neighbour advertisement that says `target` is at `mac`, right in every field."""
    parsed = Ether(frame)
    ip = parsed[IPv6]
    equal((ip.src, ip.dst), (target, destination), "IPv6 addresses")
    equal(ip.hlim, 255, "hop limit")
    body = frame[UDP6_OFFSET:UDP6_OFFSET + ip.plen]
    equal(len(body), 32, "octets of the advertisement")
    check(in6_chksum(ICMPV6_PROTOCOL, IPv6(frame[IP_OFFSET:UDP6_OFFSET]), body) in (0, 0xffff),
          "the ICMPv6 checksum is wrong")
    note = parsed[ICMPv6ND_NA]
    equal((note.tgt, note.R, note.S, note.O), (target, 0, solicited, 1), "target and flags R, S, O")
    equal(parsed[ICMPv6NDOptDstLLAddr].lladdr, mac, "target's link-layer address")
    equal(parsed.src, mac, "Ethernet source")


def solicited_node(address):
    return "ff02::1:ff" + "%02x:%02x%02x" % tuple(socket.inet_pton(socket.AF_INET6, address)[13:])


def multicast_mac(group):
    return "33:33:" + ":".join("%02x" % octet
                               for octet in socket.inet_pton(socket.AF_INET6, group)[12:])


def arp(operation=1, sender_mac=CLIENT_MAC, sender=CLIENT4, target_mac="00:00:00:00:00:00",
        target=SERVER4, mac="ff:ff:ff:ff:ff:ff", source_mac=CLIENT_MAC, trailer=b"", **fields):
    return bytes(Ether(dst=mac, src=source_mac, type=0x806)
                 / ARP(op=operation, hwsrc=sender_mac, psrc=sender, hwdst=target_mac, pdst=target,
                       **fields)) + trailer


def solicitation(target=SERVER6, source=CLIENT6, destination=None, mac=None,
                 link_address=CLIENT_MAC, hop_limit=255, source_mac=CLIENT_MAC, **icmp):
    """A neighbour solicitation, to the solicited-node group unless said otherwise."""
    destination = destination or solicited_node(target)
    message = ICMPv6ND_NS(tgt=target, **icmp)
    if link_address:
        message /= ICMPv6NDOptSrcLLAddr(lladdr=link_address)
    return bytes(Ether(dst=mac or multicast_mac(destination), src=source_mac, type=0x86dd)
                 / IPv6(src=source, dst=destination, hlim=hop_limit) / message)


def echo4(mac, data=b"timeball", source=CLIENT4, destination=SERVER4, source_mac=CLIENT_MAC,
          identifier=7, sequence=1, icmp=None, **ip):
    return bytes(Ether(dst=mac, src=source_mac, type=0x800) / IP(src=source, dst=destination, **ip)
                 / ICMP(type=8, id=identifier, seq=sequence, **(icmp or {})) / Raw(data))


def echo6(mac, data=b"timeball", source=CLIENT6, destination=SERVER6, source_mac=CLIENT_MAC,
          identifier=7, sequence=1, icmp=None, **ip):
    return bytes(Ether(dst=mac, src=source_mac, type=0x86dd)
                 / IPv6(src=source, dst=destination, **ip)
                 / ICMPv6EchoRequest(id=identifier, seq=sequence, data=data, **(icmp or {})))
