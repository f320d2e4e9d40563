# SPDX-License-Identifier: BSD-3-Clause
"""Real clients take the time from the daemon, over IPv4 and IPv6. None may touch the clock: chronyd
runs with -x, the others without the right to."""

import json
import re
import socket
import subprocess

import lab
from lab import Namespace, Skip, case, check, connect, equal, peer, serve_config, wait_until
from lab import without_clock_rights

SERVERS = ("192.168.1.10", "fd00:1::10")
OFFSET_LIMIT = 0.05


class Clients:
    def __init__(self, lab, stack):
        self.lab = lab
        self.stack = stack
        self.server, self.client = Namespace(), Namespace()
        connect(self.server, "srv0", self.client, "cli0", ("192.168.1.11/24", "fd00:1::11/64"))
        self.daemon = lab.daemon(self.server, serve_config(
            "net_af_packet0,iface=srv0 address 192.168.1.10/24 address fd00:1::10/64",
            access=("allow 192.168.1.0/24", "allow fd00:1::/64")))
        # All at once: each takes its time.
        self.ntpd_folder = lab.path("ntpd")
        self.started = {
            "chronyd 192.168.1.10": self.start_chronyd("192.168.1.10", 3230),
            "chronyd fd00:1::10": self.start_chronyd("fd00:1::10", 3231),
            "ntpd": self.start("ntpd", "-n", "-c", self.ntpd_config(), "-p", lab.path("ntpd.pid")),
            "openntpd": self.start("openntpd", "-d", "-v", "-f", lab.file(
                "openntpd.conf", "".join("server %s\n" % server for server in SERVERS))),
        }

    def start(self, name, *arguments):
        """Starts a peer in the client's namespace; returns (process, log path), or why not."""
        try:
            path = peer(name)
        except Skip as reason:
            return reason
        log_path = self.lab.path(name + ".log")
        with self.client, open(log_path, "w") as log:
            process = subprocess.Popen([path, *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.lab.directory,
                                       preexec_fn=without_clock_rights)
        self.stack.callback(process.kill)
        return process, log_path

    def get(self, name):
        """(process, function that reads its log) of a started peer."""
        started = self.started[name]
        if isinstance(started, Skip):
            raise started
        process, log_path = started

        def log():
            with open(log_path, errors="replace") as file:
                return file.read()
        return process, log

    def start_chronyd(self, server, port):
        lines = ["server %s iburst" % server, "port 0", "cmdport %d" % port,
                 "bindcmdaddress 127.0.0.1", "bindcmdaddress /",
                 "pidfile " + self.lab.path("pid")]
        return self.start("chronyd", "-d", "-x", "-f",
                          self.lab.file("chrony.conf", "\n".join([*lines, ""])))

    def ntpd_config(self):
        lines = ["server %s iburst minpoll 3 maxpoll 3" % server for server in SERVERS]
        lines += ["disable ntp", "statsdir %s/" % self.lab.directory, "statistics peerstats",
                  "filegen peerstats file peerstats type none enable"]
        return self.lab.file("ntp.conf", "\n".join([*lines, ""]))


@case("chronyd-Q", "chronyd -Q measures the offset")
def chronyd_once(bench):
    path = peer("chronyd")
    for server in SERVERS:
        result = bench.client.run(path, "-Q", "-x", "-t", "30", "server %s iburst" % server,
                                  "cmdport 0", "bindcmdaddress /",
                                  "pidfile " + bench.lab.path("pid"), timeout=60,
                                  preexec_fn=without_clock_rights)
        equal(result.returncode, 0, "exit status; " + result.stderr)
        found = re.search(r"System clock wrong by (\S+) seconds \(ignored\)", result.stderr)
        check(found, "chronyd said: " + result.stderr)
        check(abs(float(found[1])) < OFFSET_LIMIT, "offset %s s" % found[1])


@case("ntpdig", "ntpdig takes an answer")
def ntpdig(bench):
    path = peer("ntpdig")
    for server in SERVERS:
        result = bench.client.run(path, "-j", "-p", "1", server, timeout=60)
        equal(result.returncode, 0, "exit status; " + result.stderr)
        answer = json.loads(result.stdout.splitlines()[-1])
        equal((answer["ip"], answer["stratum"], answer["leap"]), (server, 10, "no-leap"), "answer")
        check(abs(answer["offset"]) < OFFSET_LIMIT + answer["precision"], "answer %r" % answer)


def chronyc(bench, port, *command):
    result = bench.client.run(peer("chronyc"), "-n", "-c", "-h", "127.0.0.1", "-p", str(port),
                              *command)
    return result.stdout.strip().split(",") if result.returncode == 0 else None


@case("chronyd", "chronyd selects the server: ^*, leap status normal, stratum 11")
def chronyd_selects(bench):
    for server, port in zip(SERVERS, (3230, 3231)):
        process, log = bench.get("chronyd " + server)
        wait_until(lambda: process.poll() is not None
                   or (chronyc(bench, port, "sources") or [])[:3] == ["^", "*", server],
                   "chronyd selects %s; it said %s" % (server, log()), 45, every=0.5)
        equal(process.poll(), None, "chronyd's exit status; " + log())
        equal(chronyc(bench, port, "sources")[3], "10", "stratum of the source")
        tracking = chronyc(bench, port, "tracking")
        equal(tracking[2], "11", "stratum of the client")
        equal(tracking[13], "Normal", "leap status")
        check(abs(float(tracking[4])) < OFFSET_LIMIT, "system time off by %s s" % tracking[4])


@case("ntpd", "ntpd of NTPsec reaches and selects the server")
def ntpsec_selects(bench):
    process, log = bench.get("ntpd")
    path = bench.lab.directory + "/peerstats"

    def selected():
        """The addresses whose status says candidate or better, and whether one is the peer."""
        try:
            with open(path) as file:
                rows = [line.split() for line in file]
        except FileNotFoundError:
            return {}
        return {row[2]: int(row[3], 16) >> 8 & 7 for row in rows}

    def content():
        found = selected()
        return (all(found.get(server, 0) >= 4 for server in SERVERS) and 6 in found.values())
    wait_until(lambda: content() or process.poll() is not None,
               "ntpd selects; peers %r; it said %s" % (selected(), log()), 60, every=0.5)
    check(content(), "ntpd ended with %s: %s" % (process.poll(), log()))


@case("openntpd", "openntpd takes the answers as valid")
def openntpd_selects(bench):
    process, log = bench.get("openntpd")
    try:
        socket.getservbyname("ntp", "udp")
    except OSError:
        raise Skip("openntpd wants the port of ntp from /etc/services (package netbase)")

    def content():
        return all("peer %s now valid" % server in log() for server in SERVERS)
    wait_until(lambda: content() or process.poll() is not None,
               "openntpd takes both for valid; it said " + log(), 60, every=0.5)
    check(content(), "openntpd ended with %s: %s" % (process.poll(), log()))
    samples = [(float(delay), abs(float(offset))) for offset, delay in
               re.findall(r"reply from \S+: offset (\S+) delay (\S+),", log())]
    # On a busy machine one may wait long, and is then off by half of that; the quickest is right.
    check(samples and min(samples)[1] < OFFSET_LIMIT, "delays and offsets %r" % sorted(samples))
    for delay, offset in samples:
        check(offset <= delay / 2 + OFFSET_LIMIT, "offset %f s with a delay of %f s"
              % (offset, delay))


@case("unfinished", "requests left for a NIC to finish were among these")
def unfinished_checksums(bench):
    ledger = bench.daemon.settled_ledger()
    check(ledger["answered"] > 0, "nothing was answered")
    equal(ledger["udp_checksum"], 0, "requests with a wrong checksum")
    features = bench.client.run("ethtool", "-k", "cli0").stdout
    check("tx-checksumming: on" in features, "the client's kernel finishes checksums itself")


if __name__ == "__main__":
    lab.main(Clients)
