# SPDX-License-Identifier: BSD-3-Clause
"""AF_XDP: an interface given over to the daemon, and one shared with the kernel, which keeps all its
other traffic. And what the daemon refuses beside addresses of the kernel's."""

import ctypes
import mmap
import os
import re
import socket
import struct
import subprocess
import threading
import time

import lab
from lab import (Namespace, Wire, case, check, connect, equal, give_address, peer, serve_config,
                 wait_until, without_clock_rights)
from packets import Answer, Ether, ntp

SERVERS = ("192.168.1.10", "fd00:1::10")
CLIENTS = ("192.168.1.11", "fd00:1::11")
DEDICATED = "net_af_xdp0,iface=srv0 address 192.168.1.10/24 address fd00:1::10/64"
SHARED = "net_af_xdp0,iface=srv0 shared"
OFFSET_LIMIT = 0.05
# Of <linux/if_xdp.h>, which Python does not have.
AF_XDP = 44
SOL_XDP = 283
XDP_COPY = 2
XDP_RX_RING = 2
XDP_UMEM_REG = 4
XDP_UMEM_FILL_RING = 5
XDP_UMEM_COMPLETION_RING = 6
FOLLOWED_WITHIN = 1.0
BACK_WITHIN = 3.0
FILTER = os.path.join(lab.BUILD, "drivers", "xdp", "ntp_filter.bpf.o")
SILENCE = 0.5


class Xdp:
    def __init__(self, lab, stack):
        self.lab = lab
        self.stack = stack
        self.server, self.client = Namespace(), Namespace()
        connect(self.server, "srv0", self.client, "cli0",
                tuple(address + ("/64" if ":" in address else "/24") for address in CLIENTS))

    def give_to_kernel(self):
        """srv0 becomes an ordinary interface of the kernel's."""
        with self.server, open("/proc/sys/net/ipv6/conf/srv0/disable_ipv6", "w") as switch:
            switch.write("0")
        give_address(self.server, "srv0", SERVERS[0] + "/24")
        give_address(self.server, "srv0", SERVERS[1] + "/64")

    def take_from_kernel(self):
        self.server.ip("address", "flush", "dev", "srv0")
        self.server.silence_kernel("srv0")

    def serve(self, *serves):
        return self.lab.daemon(self.server, serve_config(*serves))

    def refused(self, *serves):
        """Starts a daemon that must not start; returns what it said."""
        daemon = self.lab.daemon(self.server, serve_config(*serves), wait=False)
        equal(daemon.process.wait(lab.PATIENCE), 1, "exit status; it said " + daemon.log())
        return daemon.log()

    def program(self):
        """The name of the XDP program on srv0, or None."""
        found = re.search(r"prog/xdp.* name (\S+)", self.server.ip("-d", "link", "show", "srv0"))
        return found and found[1]

    def program_number(self):
        """The kernel's number for it, or None."""
        found = re.search(r"prog/xdp id (\d+)", self.server.ip("-d", "link", "show", "srv0"))
        return found and found[1]

    def open_files(self, daemon):
        """How many files the daemon has open. /proc has its process under another number."""
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % number) as command:
                    if daemon.config_path in command.read():
                        return len(os.listdir("/proc/%s/fd" % number))
            except OSError:
                pass  # it has ended
        raise AssertionError("the daemon is not in /proc")

    def refcounts(self):
        shown = self.server.ip("-d", "link", "show", "srv0")
        return re.search(r"promiscuity (\d+)", shown)[1], re.search(r"allmulti (\d+)", shown)[1]


def udp(namespace, family_of, port=0):
    with namespace:
        link = socket.socket(socket.AF_INET6 if ":" in family_of else socket.AF_INET,
                             socket.SOCK_DGRAM)
    link.bind(("", port))
    return link


def ask_once(namespace, server, source_port=0, patience=SILENCE):
    """An answer, or None."""
    with udp(namespace, server, source_port) as link:
        link.settimeout(patience)
        payload, sent = ntp(), time.time()
        try:
            link.connect((server, 123))
            link.send(payload)
            answer = Answer(link.recv(2000))
        except OSError:
            return None
        equal(answer.origin, int.from_bytes(payload[40:48], "big"), "origin")
        answer.check_times(sent, time.time())
        return answer


def ask(namespace, server, **options):
    return wait_until(lambda: ask_once(namespace, server, **options), server + " answers")


def chronyd_once(bench, namespace, server, *more):
    result = namespace.run(peer("chronyd"), "-Q", "-x", "-t", "30", "server %s iburst" % server,
                           "cmdport 0", "bindcmdaddress /", "pidfile " + bench.lab.path("pid"),
                           *more, timeout=60, preexec_fn=without_clock_rights)
    found = re.search(r"System clock wrong by (\S+) seconds \(ignored\)", result.stderr)
    check(result.returncode == 0 and found, "chronyd of %s: %s" % (server, result.stderr))
    check(abs(float(found[1])) < OFFSET_LIMIT, "offset from %s: %s s" % (server, found[1]))


@case("dedicated", "AF_XDP alone serves chronyd, IPv4 and IPv6, unfinished checksums too")
def dedicated(bench):
    daemon = bench.serve(DEDICATED)
    for server in SERVERS:
        equal(ask(bench.client, server).stratum, 10, "stratum from " + server)
        chronyd_once(bench, bench.client, server)
    ledger = daemon.settled_ledger(10)
    equal(ledger["udp_checksum"], 0, "requests with a wrong checksum")
    check(ledger["announced"] >= 2, "announcements: %d" % ledger["announced"])
    check("tx-checksumming: on" in bench.client.run("ethtool", "-k", "cli0").stdout,
          "the client's kernel finishes checksums itself")
    equal(daemon.stop(), 0, "exit status")
    equal(bench.program(), None, "the XDP program after the end")
    equal(bench.refcounts(), ("0", "0"), "promiscuity and allmulti after the end")


@case("dedicated-killed", "killed, it leaves a program that the next one takes over and removes")
def dedicated_killed(bench):
    daemon = bench.serve(DEDICATED)
    ask(bench.client, SERVERS[1])
    equal(bench.refcounts(), ("0", "1"), "promiscuity and allmulti")
    daemon.kill()
    check(bench.program(), "nothing was left: this test tests nothing")
    equal(bench.refcounts(), ("0", "0"), "promiscuity and allmulti of the dead")
    daemon = bench.serve(DEDICATED)
    for server in SERVERS:
        ask(bench.client, server)
    daemon.stop()
    equal(bench.program(), None, "the XDP program after the end")


def take_off(bench, daemon):
    """Takes the program off under a daemon; it is to say so once, restart the port and serve."""
    start, before = len(daemon.log()), daemon.settled_ledger()
    bench.server.ip("link", "set", "dev", "srv0", "xdp", "off")
    started = time.monotonic()
    equal(bench.program(), None, "the XDP program taken off")
    for server in SERVERS:
        ask(bench.client, server, patience=0.1)
    took = time.monotonic() - started
    check(took < BACK_WITHIN, "answers again after %.2f s" % took)
    print("  answers again after %.2f s" % took)
    # Longer than from one look to the next: it stays on.
    time.sleep(1.5)
    said = daemon.log()[start:]
    equal((said.count("was taken off srv0"), said.count("net_af_xdp0: back")), (1, 1),
          "times said, log:\n" + said)
    after = daemon.settled_ledger()
    equal(after.port["restarts"], before.port["restarts"] + 1, "restarts")
    check(after["answered"] >= before["answered"] + 2, "answers counted: %r" % after.counters)
    equal(after.port["ipackets"], after["received"], "the port's frames received")


def attach_foreign(bench):
    """Returns the kernel's number for the program that is now on srv0."""
    bench.server.ip("-force", "link", "set", "dev", "srv0", "xdp", "obj", FILTER, "sec", "xdp")
    return bench.program_number()


def wait_foreign_gone(bench, daemon, serves, start, number):
    """The daemon is to leave the program on srv0 alone until it is taken off, and then to return."""
    daemon.wait_log("srv0 has another XDP program now", start=start)
    time.sleep(2.5)
    equal(bench.program_number(), number, "the program of another")
    equal(daemon.log()[start:].count("has another XDP program"), 1, "times said")
    for server in serves:
        equal(ask_once(bench.client, server), None, server + " meanwhile")
    bench.server.ip("link", "set", "dev", "srv0", "xdp", "off")
    for server in serves:
        ask(bench.client, server)
    daemon.wait_log("net_af_xdp0: back", start=start)


def replace(bench, daemon, serves):
    """Puts another program in the place of the daemon's, which then loses its link, and again while
    the link is down."""
    start = len(daemon.log())
    number = attach_foreign(bench)
    daemon.wait_log("srv0 has another XDP program now", start=start)
    bench.server.ip("link", "set", "srv0", "down")
    daemon.wait_log("link down", start=start)
    bench.server.ip("link", "set", "srv0", "up")
    wait_foreign_gone(bench, daemon, serves, start, number)
    start = len(daemon.log())
    bench.server.ip("link", "set", "srv0", "down")
    wait_until(lambda: bench.program() is None, "the daemon takes its program off")
    number = attach_foreign(bench)
    bench.server.ip("link", "set", "srv0", "up")
    wait_foreign_gone(bench, daemon, serves, start, number)


@case("dedicated-off", "its program taken off, or replaced: said once, put back, but not over another's")
def dedicated_off(bench):
    daemon = bench.serve(DEDICATED)
    for server in SERVERS:
        ask(bench.client, server)
    files = bench.open_files(daemon)
    for _ in range(3):
        take_off(bench, daemon)
    equal(bench.open_files(daemon), files, "files open after restarts")
    replace(bench, daemon, SERVERS)
    equal(daemon.stop(), 0, "exit status")
    equal(bench.program(), None, "the XDP program after the end")
    equal(bench.refcounts(), ("0", "0"), "promiscuity and allmulti after the end")


def take_queue(namespace, interface):
    """An AF_XDP socket on the interface's first queue, and the memory that it needs."""
    memory = mmap.mmap(-1, 16 * 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    with namespace:
        taker = socket.socket(AF_XDP, socket.SOCK_RAW)
        index = socket.if_nametoindex(interface)
    taker.setsockopt(SOL_XDP, XDP_UMEM_REG, struct.pack("=QQIII4x", address, len(memory), 4096, 0, 0))
    for ring in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING):
        taker.setsockopt(SOL_XDP, ring, 64)
    name = struct.pack("=HHIII", AF_XDP, XDP_COPY, index, 0, 0)
    lab.system_call(lab.libc.bind, taker.fileno(), name, len(name))
    return taker, memory


@case("queue-taken", "its queue taken by another meanwhile: said once, served again once it is free")
def queue_taken(bench):
    daemon = bench.serve(DEDICATED)
    ask(bench.client, SERVERS[0])
    for _ in range(2):
        start = len(daemon.log())
        bench.server.ip("link", "set", "srv0", "down")
        wait_until(lambda: bench.program() is None, "the daemon takes its program off")
        time.sleep(0.5)
        taker, _memory = take_queue(bench.server, "srv0")
        with taker:
            bench.server.ip("link", "set", "srv0", "up")
            daemon.wait_log("cannot set up its queues", start=start)
            time.sleep(3.5)
        for server in SERVERS:
            ask(bench.client, server)
        said = daemon.log()[start:]
        equal((said.count("tried again every second"), said.count("net_af_xdp0: back")), (1, 1),
              "times said, log:\n" + said)
    equal(daemon.stop(), 0, "exit status")
    equal(bench.program(), None, "the XDP program after the end")


@case("foreign", "shared does not touch the program of another, and names it")
def foreign_program(bench):
    bench.serve(DEDICATED).kill()
    name = bench.program()
    said = bench.refused(SHARED)
    check(name in said and "ip link set dev srv0 xdp off" in said, "it said " + said)
    equal(bench.program(), name, "the program of another")
    bench.server.ip("link", "set", "dev", "srv0", "xdp", "off")


@case("beside", "an address that the kernel has is refused, on any interface, and says what to do")
def beside_the_kernel(bench):
    bench.server.ip("link", "add", "other", "type", "veth", "peer", "name", "rehto")
    give_address(bench.server, "other", "192.168.1.10/32")
    give_address(bench.server, "other", "fd00:1::10/128")
    for address in ("192.168.1.10/32", "fd00:1::10/128"):
        served = address.split("/")[0] + ("/64" if ":" in address else "/24")
        for device in ("net_af_packet0", "net_af_xdp0"):
            said = bench.refused("%s,iface=srv0 address %s" % (device, served))
            check("`ip address del %s dev other`" % address in said, "it said " + said)
    bench.server.ip("link", "del", "other")
    # AF_XDP takes all frames: whatever address the kernel has there would be dead.
    give_address(bench.server, "srv0", "192.168.1.99/24")
    said = bench.refused(DEDICATED)
    check("write `shared`" in said and "192.168.1.99/24" in said, "it said " + said)
    bench.server.ip("address", "flush", "dev", "srv0")
    equal(bench.program(), None, "the XDP program after refusals")


@case("queues", "an interface with receive queues that AF_XDP would not see is refused")
def separate_queues(bench):
    bench.server.ip("link", "add", "other", "numrxqueues", "2", "numtxqueues", "2", "type", "veth",
                    "peer", "name", "rehto", "numrxqueues", "2", "numtxqueues", "2")
    result = bench.server.run("ethtool", "-L", "other", "rx", "2")
    equal(result.returncode, 0, "ethtool: " + result.stderr)
    said = bench.refused("net_af_xdp0,iface=other shared")
    check("`ethtool -L other rx 1`" in said, "it said " + said)
    bench.server.ip("link", "del", "other")


@case("failed", "a start that fails after the program was attached takes it off")
def failed_start(bench):
    bench.server.ip("link", "add", "other", "type", "veth", "peer", "name", "rehto")
    bench.server.ip("link", "set", "other", "up")
    said = bench.refused(SHARED, "net_pcap0,iface=other address 192.168.7.1/24 workers 2")
    check("the device has 1 queues" in said, "it said " + said)
    equal(bench.program(), None, "the XDP program after the end")
    bench.server.ip("link", "del", "other")


@case("shared", "an interface shared with the kernel serves chronyd, IPv4 and IPv6")
def shared(bench):
    bench.give_to_kernel()
    wire = Wire(bench.client, "cli0")
    bench.daemon = bench.serve(SHARED)
    equal(bench.program(), "timeball_ntp", "XDP program")
    before = bench.daemon.settled_ledger()
    for server in SERVERS:
        equal(ask(bench.client, server).stratum, 10, "stratum from " + server)
        ask(bench.client, server, source_port=123)
        chronyd_once(bench, bench.client, server)
    # Requests, nothing else: the kernel answers ARP and the like.
    grown = bench.daemon.settled_ledger(before["received"] + 4).since(before)
    equal(set(grown), {"received", "answered"}, "verdicts")
    mac = bench.server.mac("srv0").hex(":")
    equal([frame for frame in wire.drain()
           if Ether(frame).src == mac and Ether(frame).dst == "ff:ff:ff:ff:ff:ff"
           and Ether(frame).type == 0x806 and Ether(frame).psrc == Ether(frame).pdst],
          [], "announcements")
    wire.close()


@case("second", "a second daemon is refused the interface, and the first goes on")
def second_daemon(bench):
    # Whatever it asks for: DPDK would take the program off when it fails.
    for serve in (SHARED, "net_af_xdp0,iface=srv0 address 192.168.77.1/24"):
        said = bench.refused(serve)
        check("srv0" in said, "it said " + said)
        equal(bench.program(), "timeball_ntp", "XDP program")
    check("served by another timeballd" in bench.refused(SHARED), "it said something else")
    for ours in SERVERS:
        ask(bench.client, ours)


def tcp_transfer(server, address, client):
    """A megabyte from `client` to `server` and back."""
    content = bytes(range(256)) * 4096

    def echo():
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(lab.PATIENCE)
            got = b""
            while len(got) < len(content) and (piece := connection.recv(65536)):
                got += piece
            connection.sendall(got)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with server:
        listener = socket.socket(family)
    with client:
        connection = socket.socket(family)
    with listener, connection:
        listener.settimeout(lab.PATIENCE)
        connection.settimeout(lab.PATIENCE)
        listener.bind((address, 2222))
        listener.listen()
        thread = threading.Thread(target=echo)
        thread.start()
        connection.connect((address, 2222))
        connection.sendall(content)
        got = b""
        while len(got) < len(content) and (piece := connection.recv(65536)):
            got += piece
        thread.join()
    check(got == content, "%d of %d octets came back" % (len(got), len(content)))


@case("shared-kernel", "meanwhile ping, TCP and UDP work as ever, both ways")
def kernel_traffic(bench):
    for ours, theirs in zip(SERVERS, CLIENTS):
        for namespace, address in ((bench.client, ours), (bench.server, theirs)):
            result = namespace.run("ping", "-c", "3", "-i", "0.2", "-W", "2", address)
            equal(result.returncode, 0, "ping %s: %s" % (address, result.stdout))
        tcp_transfer(bench.server, ours, bench.client)
        tcp_transfer(bench.client, theirs, bench.server)
        with udp(bench.server, ours, 1230) as other, udp(bench.client, ours) as link:
            other.settimeout(2)
            link.sendto(ntp(), (ours, 1230))
            equal(len(other.recv(2000)), 48, "octets of a datagram to another port")
        ask(bench.client, ours)


@case("shared-client", "the host's own NTP client works, from port 123 too; its daemon is asked")
def own_client(bench):
    path = peer("chronyd")
    log_path = bench.lab.path("chronyd.log")
    config = bench.lab.file("chrony.conf", "\n".join([
        "local stratum 8", "allow", "cmdport 0", "bindcmdaddress /",
        "pidfile " + bench.lab.path("pid"), ""]))
    with bench.client, open(log_path, "w") as log:
        process = subprocess.Popen([path, "-d", "-x", "-f", config], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, preexec_fn=without_clock_rights)
    try:
        for theirs in CLIENTS:
            equal(ask(bench.server, theirs).stratum, 8, "stratum of the other server")
            # As ntpd asks: the answer comes to port 123.
            equal(ask(bench.server, theirs, source_port=123).stratum, 8, "stratum, port 123")
            chronyd_once(bench, bench.server, theirs)
            chronyd_once(bench, bench.server, theirs, "acquisitionport 123")
    finally:
        process.kill()
        process.wait()
    for ours in SERVERS:
        with udp(bench.server, ours, 123) as own, udp(bench.client, ours) as link:
            own.settimeout(SILENCE)
            for flags, passed in ((0x26, True), (0x27, True), (0x25, True), (0x24, True),
                                  (0x22, True), (0x20, True), (0x23, False), (0x21, False),
                                  (0x1b, False), (0x08, False)):
                link.sendto(bytes([flags]) + bytes(47), (ours, 123))
                try:
                    got = own.recv(2000)[0]
                except TimeoutError:
                    got = None
                equal(got, flags if passed else None, "the kernel's socket hears 0x%02x" % flags)


@case("shared-follow", "addresses added and removed at run time are followed within a second")
def follows_addresses(bench):
    for added in ("192.168.1.20/24", "fd00:1::20/64"):
        address = added.split("/")[0]
        equal(ask_once(bench.client, address), None, address + " before it is there")
        give_address(bench.server, "srv0", added)
        started = time.monotonic()
        ask(bench.client, address, patience=0.1)
        took = time.monotonic() - started
        check(took < FOLLOWED_WITHIN, "%s answers after %.2f s" % (address, took))
        # Gone from the interface but still the host's: now the kernel's own business.
        with udp(bench.server, address, 123) as own:
            own.settimeout(FOLLOWED_WITHIN)
            bench.server.ip("address", "del", added, "dev", "srv0")
            give_address(bench.server, "lo", address + ("/128" if ":" in address else "/32"))
            time.sleep(FOLLOWED_WITHIN)
            equal(ask_once(bench.client, address), None, address + " after it was removed")
            equal(len(own.recv(2000)), 48, "octets that the kernel's socket hears")
        bench.server.ip("address", "flush", "dev", "lo")
        bench.server.ip("address", "add", "127.0.0.1/8", "dev", "lo")
        for ours in SERVERS:
            ask(bench.client, ours)


@case("shared-off", "its program taken off, or replaced: likewise")
def shared_off(bench):
    files = bench.open_files(bench.daemon)
    for _ in range(3):
        take_off(bench, bench.daemon)
        equal(bench.program(), "timeball_ntp", "XDP program")
    equal(bench.open_files(bench.daemon), files, "files open after restarts")
    # Over a link that was down the kernel's addresses stay, but for the IPv6 ones.
    replace(bench, bench.daemon, SERVERS[:1])
    give_address(bench.server, "srv0", SERVERS[1] + "/64")
    for ours in SERVERS:
        ask(bench.client, ours)


@case("shared-many", "an interface with more addresses than fit: says so, serves the first")
def many_addresses(bench):
    start = len(bench.daemon.log())
    for number in range(16):
        bench.server.ip("address", "add", "192.168.1.%d/24" % (30 + number), "dev", "srv0")
    bench.daemon.wait_log("only the first 16 are served", start=start)
    ask(bench.client, "192.168.1.10")
    ask(bench.client, "192.168.1.30")
    for number in range(16):
        bench.server.ip("address", "del", "192.168.1.%d/24" % (30 + number), "dev", "srv0")
    for ours in SERVERS:
        ask(bench.client, ours)


@case("shared-killed", "killed, requests go to the kernel; the next one replaces what was left")
def shared_killed(bench):
    bench.daemon.kill()
    equal(bench.program(), "timeball_ntp", "what was left")
    for ours in SERVERS:
        with udp(bench.server, ours, 123) as own, udp(bench.client, ours) as link:
            own.settimeout(lab.PATIENCE)
            link.sendto(ntp(), (ours, 123))
            equal(len(own.recv(2000)), 48, "octets that the kernel's socket hears")
    bench.daemon = bench.serve(SHARED)
    for ours in SERVERS:
        ask(bench.client, ours)
    bench.daemon.kill()
    bench.take_from_kernel()
    # Given over now: the program that shared goes.
    daemon = bench.serve(DEDICATED)
    for ours in SERVERS:
        ask(bench.client, ours)
    daemon.stop()
    equal(bench.program(), None, "the XDP program after the end")
    bench.give_to_kernel()


@case("shared-late", "without an address it waits for one; at the end nothing is left")
def late_address(bench):
    bench.take_from_kernel()
    daemon = bench.serve(SHARED)
    check("srv0 has no address" in daemon.log(), "it said " + daemon.log())
    bench.give_to_kernel()
    for ours in SERVERS:
        ask(bench.client, ours)
    equal(daemon.stop(), 0, "exit status")
    equal(bench.program(), None, "the XDP program after the end")
    equal(bench.refcounts(), ("0", "0"), "promiscuity and allmulti after the end")
    bench.take_from_kernel()


if __name__ == "__main__":
    lab.main(Xdp)
