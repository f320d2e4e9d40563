# SPDX-License-Identifier: BSD-3-Clause
"""Who is answered: allow and deny through the daemon, from many source addresses, and what reloads
do to it. And what is said by a server that has no time to give."""

import glob
import os
import random
import re
import time

import lab
from lab import (Skip, bind_mount, can_mount_privately, case, check, equal, private_mounts,
                 wait_until)
from packets import answer_origin, ntp
from wire_bench import ANSWER_PATIENCE, WireBench

# Asked from to see which policy is in effect; no policy under test has a word on them.
SENTINEL = "198.51.100.%d"


class Access:
    def __init__(self, lab, stack):
        self.bench = WireBench(lab, access=("allow " + SENTINEL % 1,))
        self.daemon = self.bench.daemon
        self.serial = 1

    def answered_of(self, sources):
        """Whether a request from each source is answered, by the time a later one is."""
        payloads = [ntp() for _ in sources]
        frames = [self.bench.request(payload, source=source)
                  for payload, source in zip(payloads, sources)]
        for frame in frames:
            self.bench.wire.send(frame)
        mark = ntp()
        self.bench.wire.send(self.bench.request(mark, source=SENTINEL % self.serial))
        reply, others = self.bench.wire.wait_for(lambda it: answer_origin(it) == mark[40:48],
                                                 ANSWER_PATIENCE)
        check(reply, "the sentinel is not answered; log:\n" + self.daemon.story())
        origins = {answer_origin(other) for other in others}
        return [payload[40:48] in origins for payload in payloads]

    def write(self, *access):
        lines = [line for line in self.bench.config.splitlines()
                 if line.split()[0] not in ("allow", "deny")]
        self.write_file([*lines, *access])

    def write_file(self, lines):
        # In one go, as a careful operator would: a reload may be under way.
        new = self.bench.lab.file("new.conf", "\n".join([*lines, ""]))
        os.rename(new, self.daemon.config_path)

    def in_effect(self, serial):
        payload = ntp()
        self.bench.wire.send(self.bench.request(payload, source=SENTINEL % serial))
        reply, _ = self.bench.wire.wait_for(lambda it: answer_origin(it) == payload[40:48], 0.1)
        return reply is not None

    def set(self, *access):
        """A new policy by SIGHUP."""
        serial = self.serial + 1
        self.write(*access, "allow " + SENTINEL % serial)
        start = len(self.daemon.log())
        self.daemon.reload()
        # The policy before may allow the sentinel too.
        self.daemon.wait_log("reload: .* in effect", start=start)
        wait_until(lambda: self.in_effect(serial), "the new policy is in effect; log:\n"
                   + self.daemon.story())
        self.serial = serial

    def expect(self, allowed, denied):
        """Denied in silence, and counted so."""
        before = self.daemon.settled_ledger()
        sources = [*allowed, *denied]
        for source, answered in zip(sources, self.answered_of(sources)):
            equal(answered, source in allowed, "answered from " + source)
        self.bench.counted(before, {"answered": len(allowed) + 1}, ("ntp_denied",), len(denied))


@case("A1", "the policy of the start: one address, nobody else, silence for all others")
def at_start(access):
    access.expect([], ["192.168.1.11", "198.51.100.2", "fd00:1::11", "10.0.0.1"])


@case("A2", "the most specific rule wins, whatever the order")
def most_specific(access):
    rules = ["allow 192.168.1.0/24", "deny 192.168.1.128/25", "allow 192.168.1.200",
             "allow fd00:1::/64", "deny fd00:1::/96", "allow fd00:1::11",
             "allow 1.2.3.4", "deny 1.2.3.0/24", "allow 1.2.0.0/16"]
    for order in rules, rules[::-1]:
        access.set(*order)
        access.expect(["192.168.1.1", "192.168.1.127", "192.168.1.200", "fd00:1::11",
                       "fd00:1::1:0:0:1", "1.2.3.4", "1.2.4.1"],
                      ["192.168.1.128", "192.168.1.201", "192.168.2.1", "fd00:1::12",
                       "fd00:1:0:1::11", "1.2.3.5", "1.3.0.1"])


@case("A3", "allow all and deny all forget what was said before")
def all_prunes(access):
    access.set("allow 1.2.3.4", "deny 1.2.3.0/24", "allow all 1.2.0.0/16", "deny 1.2.9.9")
    access.expect(["1.2.3.4", "1.2.3.5", "1.2.200.1"], ["1.3.0.1", "1.2.9.9"])
    access.set("allow 10.0.0.0/8", "allow fd00:1::/64", "deny all")
    access.expect([], ["10.1.1.1", "fd00:1::11", "192.168.1.11"])
    access.set("allow all", "deny 10.0.0.0/8", "deny fd00:2::/32")
    access.expect(["11.1.1.1", "192.168.1.11", "fd01::1"], ["10.255.255.1", "fd00:2::1"])


@case("A4", "short forms, zero lengths, bits behind the length")
def forms(access):
    access.set("allow 10.1", "allow 172.16.5", "allow 100", "allow 192.168.77.99/24")
    access.expect(["10.1.0.1", "10.1.255.1", "172.16.5.1", "100.200.1.1", "192.168.77.1"],
                  ["10.2.0.1", "172.16.6.1", "101.1.1.1", "192.168.78.1", "fd00:1::11"])
    access.set("allow 0/0", "deny 192.168.1.11")
    access.expect(["1.1.1.1", "192.168.1.12"], ["192.168.1.11", "fd00:1::11"])
    access.set("allow ::/0", "deny fd00:1::11")
    access.expect(["fd00:1::12", "2001:db8::1"], ["fd00:1::11", "192.168.1.11"])


@case("A5", "four bits of address a level, as chrony has it")
def four_bit_levels(access):
    access.set("allow 1.2.3.0/28", "deny 1.2.3.0/27")
    access.expect([], ["1.2.3.4"])
    access.set("deny 1.2.3.0/27", "allow 1.2.3.0/28")
    access.expect(["1.2.3.4"], ["1.2.3.20"])
    access.set("allow 1.2.3.0/29", "deny 1.2.3.0/28")
    access.expect(["1.2.3.4"], ["1.2.3.9"])


@case("A6", "the last word of a policy counts even when it is empty: nobody is answered")
def nobody(access):
    access.set("allow 192.168.1.0/24", "allow fd00:1::/64")
    access.expect(["192.168.1.11", "fd00:1::11"], [])
    access.write()
    start = len(access.daemon.log())
    access.daemon.reload()
    access.daemon.wait_log("reload", start=start)
    wait_until(lambda: not access.in_effect(access.serial), "the old policy is gone")
    before = access.daemon.settled_ledger()
    sources = ["192.168.1.11", "fd00:1::11", SENTINEL % access.serial]
    for source in sources:
        access.bench.wire.send(access.bench.request(source=source))
    access.bench.counted(before, {}, ("ntp_denied",), 3)
    equal(access.bench.wire.drain(), [], "answers")
    access.set("allow 192.168.1.0/24", "allow fd00:1::/64")


@case("A7", "a bad file changes nothing and says why")
def bad_file(access):
    access.set("allow 192.168.1.0/24")
    for bad in ("alow 10.0.0.0/8", "allow 10.0.0.0/99", "local stratum 99"):
        start = len(access.daemon.log())
        access.write("allow 10.0.0.0/8", "deny 192.168.1.0/24", bad)
        with open(access.daemon.config_path) as file:
            number = file.read().splitlines().index(bad) + 1
        access.daemon.reload()
        access.daemon.wait_log("reload: .*line %d .*%s" % (number, access.daemon.config_path),
                               start=start)
        access.expect(["192.168.1.11"], ["10.0.0.1"])
    os.rename(access.daemon.config_path, access.daemon.config_path + ".gone")
    start = len(access.daemon.log())
    access.daemon.reload()
    access.daemon.wait_log("reload: .*" + access.daemon.config_path, start=start)
    access.expect(["192.168.1.11"], ["10.0.0.1"])


@case("A11", "a file that no start would take changes nothing either")
def unusable_file(access):
    access.set("allow 192.168.1.0/24")
    start = len(access.daemon.log())
    access.write_file(["local stratum 10", "allow 10.0.0.0/8"])
    access.daemon.reload()
    access.daemon.wait_log("reload: .*serve", start=start)
    access.expect(["192.168.1.11"], ["10.0.0.1"])


@case("L3", "reloads while requests come in: none is lost, none sees half a policy")
def reload_under_load(access):
    bench = access.bench
    access.set("allow 192.168.1.0/24")
    sources = ["192.168.1.%d" % (number + 100) for number in range(50)]
    frames = [bench.request(source=source) for source in sources]
    serial = access.serial
    # Either policy answers these; they differ in everything else.
    policies = (["allow 192.168.1.0/24", "allow " + SENTINEL % serial],
                ["deny 192.168.0.0/16", "allow all 192.168.1.0/24", "allow 10", "deny 10.1",
                 "allow " + SENTINEL % serial],
                ["allow all", "nonsense"])
    start = len(access.daemon.log())
    for number in range(60):
        access.write(*policies[number % 3])
        access.daemon.reload()
        for _ in range(3):
            for frame in frames:
                bench.wire.send(frame)
            mark = ntp()
            bench.wire.send(bench.request(mark, source=SENTINEL % serial))
            reply, others = bench.wire.wait_for(lambda it: answer_origin(it) == mark[40:48],
                                                ANSWER_PATIENCE)
            check(reply, "the sentinel is not answered")
            equal(len(others), len(frames), "answers during reload %d" % number)
    access.daemon.wait_log("reload", start=start)
    check(access.daemon.log().count("reload:", start) >= 30, "reloads in the log")


def process_folder(daemon):
    """The daemon's folder below /proc, which was mounted outside of our process namespace."""
    ours = os.readlink("/proc/self/ns/pid")
    for folder in glob.glob("/proc/[0-9]*"):
        try:
            with open(folder + "/status") as status:
                numbers = re.search(r"NSpid:(.*)", status.read())[1].split()
            if int(numbers[-1]) == daemon.pid and os.readlink(folder + "/ns/pid") == ours:
                return folder
        except OSError:
            continue
    raise AssertionError("no process %d" % daemon.pid)


@case("L3-storm", "1000 SIGHUPs under load, at most one build at a time: no request is lost")
def reload_storm(access):
    bench = access.bench
    access.set("allow 192.168.1.0/24")
    frames = [bench.request(source="192.168.1.%d" % (number + 100)) for number in range(20)]
    policies = [["allow 192.168.1.0/24", "allow " + SENTINEL % access.serial, *more]
                for more in ([], ["allow 10.%d.%d" % divmod(number, 200) for number in range(5000)],
                             ["ratelimit interval -12 burst 255"])]
    start = len(access.daemon.log())
    tasks, threads = process_folder(access.daemon) + "/task", 0
    usual = len(os.listdir(tasks))
    for number in range(250):
        if number % 10 == 0:
            access.write(*policies[number // 10 % 3])
        for _ in range(4):
            access.daemon.reload()
        threads = max(threads, len(os.listdir(tasks)))
        for frame in frames:
            bench.wire.send(frame)
        mark = ntp()
        bench.wire.send(bench.request(mark, source=SENTINEL % access.serial))
        reply, others = bench.wire.wait_for(lambda it: answer_origin(it) == mark[40:48],
                                            ANSWER_PATIENCE)
        check(reply, "the sentinel is not answered")
        equal(len(others), len(frames), "answers during reload %d" % number)
    access.daemon.wait_log("reload: .* in effect", start=start)
    check(access.daemon.running(), "the daemon ended")
    done = access.daemon.log().count("access rules in effect", start)
    print("# %d reloads came of 1000 signals, %d threads at most, usually %d"
          % (done, threads, usual))
    # One that builds, and one that has done so and is about to end.
    check(threads <= usual + 2, "%d threads, usually %d" % (threads, usual))
    check(2 <= done <= 1000, "%d reloads" % done)
    # What was asked for last is what there is.
    access.set("allow 192.168.1.0/24", "deny 192.168.1.50")
    access.expect(["192.168.1.49"], ["192.168.1.50"])


def resident_kb(daemon):
    with open(process_folder(daemon) + "/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read())[1])


@case("A12", "100,000 rules: a start, reloads that keep no memory, answers as the rules say")
def many_rules(access):
    # A /24 of each pair of octets allowed, one address in it denied.
    def rules(denied):
        for number in range(50000):
            net = "%d.%d.%d" % (20 + number // 2500, number // 10 % 250, number % 10)
            yield "allow %s.0/24" % net
            yield "deny %s.%d" % (net, denied)
    numbers = [random.randrange(50000) for _ in range(100)]
    nets = ["%d.%d.%d" % (20 + number // 2500, number // 10 % 250, number % 10)
            for number in numbers]
    access.daemon.stop()
    config = [line for line in access.bench.config.splitlines()
              if line.split()[0] not in ("allow", "deny")]
    started = time.monotonic()
    access.daemon = access.bench.start("\n".join([*config, *rules(77), "allow "
                                                 + SENTINEL % access.serial, ""]))
    print("# start with 100,001 rules: %.2f s" % (time.monotonic() - started))
    access.bench.wait_quiet()
    access.expect([net + ".76" for net in nets], [net + ".77" for net in nets] + ["19.1.1.1"])
    sizes = []
    for number in range(13):
        started = time.monotonic()
        access.set(*rules(76 + number % 2))
        took = time.monotonic() - started
        sizes.append(resident_kb(access.daemon))
    print("# a reload of them: %.2f s; resident %d kB after 8, %d kB after 13"
          % (took, sizes[7], sizes[12]))
    check(sizes[12] - sizes[7] < 3 << 10, "resident memory grows: %r kB" % sizes)
    access.expect([net + ".77" for net in nets], [net + ".76" for net in nets] + ["19.1.1.1"])
    access.set("allow 192.168.1.0/24")
    access.expect(["192.168.1.11"], [nets[0] + ".77"])


@case("L3-stop", "an end while a reload is under way is an end like any other")
def stop_while_reloading(access):
    # So many that they are still being read when the process ends.
    lines = access.bench.config.splitlines()
    lines += ["deny 20.%d.%d.%d" % (number >> 16, number >> 8 & 255, number & 255)
              for number in range(400000)]
    for number in range(3):
        access.daemon.stop()
        access.daemon = access.bench.start(access.bench.config)
        access.write_file(lines)
        access.daemon.reload()
        time.sleep(0.1 * number)
        equal(access.daemon.stop(), 0, "exit status; log:\n" + access.daemon.story())
    access.daemon = access.bench.start(access.bench.config)
    access.bench.wait_quiet()


@case("A8", "without local: LI 3, stratum 0, root delay and dispersion 1 s, and still an answer")
def unsynchronised(access):
    bench = access.bench
    bench.daemon.stop()
    bench.start("\n".join(line for line in bench.config.splitlines()
                          if not line.startswith(("local", "allow"))) + "\nallow\n")
    bench.wait_quiet()
    for source in "192.168.1.11", "fd00:1::11":
        answer = bench.answered(bench.request(source=source))
        equal((answer.leap, answer.mode, answer.stratum, answer.refid, answer.reference),
              (3, 4, 0, bytes(4), 0), "LI, mode, stratum, refid, reference time")
        equal((answer.delay_s, answer.dispersion_s), (1.0, 1.0), "root delay and dispersion")


def start_with_hosts(access, hosts, resolver, *rules):
    """A daemon that sees files of ours in the place of /etc/hosts and /etc/resolv.conf."""
    if not can_mount_privately():
        raise Skip("the root directory is no mount point: no private mounts")
    files = {"/etc/hosts": hosts, "/etc/resolv.conf": resolver}
    for path in files:
        if not os.path.exists(path):
            raise Skip("no %s to put another file over" % path)
    paths = {path: access.bench.lab.file("etc", text) for path, text in files.items()}

    def mount():
        private_mounts()
        for target, source in paths.items():
            bind_mount(source, os.path.realpath(target))
    access.bench.daemon.stop()
    config = "\n".join([line for line in access.bench.config.splitlines()
                        if not line.startswith("allow")] + [*rules, ""])
    access.daemon = access.bench.start(config, before_exec=mount)


@case("A9", "host names stand for their address, IPv4 and IPv6, at the start and on reload")
def host_names(access):
    start_with_hosts(access, "192.168.1.77 client-four\nfd00:1::77 client-six\n", "",
                     "allow 192.168.1.0/24", "deny client-four", "allow client-six",
                     "allow " + SENTINEL % access.serial)
    access.expect(["192.168.1.76", "fd00:1::77"], ["192.168.1.77", "fd00:1::76"])
    access.set("allow client-four")
    access.expect(["192.168.1.77"], ["192.168.1.76", "fd00:1::77"])
    start = len(access.daemon.log())
    access.write("allow nobody-knows.invalid", "allow 0/0")
    access.daemon.reload()
    access.daemon.wait_log("reload: .*nobody-knows.invalid", start=start, seconds=30)
    access.expect(["192.168.1.77"], ["192.168.1.76"])


@case("A10", "a name server that never answers does not stop the clock while a reload waits for it")
def slow_resolver(access):
    start_with_hosts(access, "127.0.0.1 localhost\n", "nameserver 192.0.2.53\n",
                     "allow 192.168.1.0/24", "allow " + SENTINEL % access.serial)
    # A route on which questions get lost.
    access.bench.server.ip("route", "add", "192.0.2.53/32", "dev", "lo")
    equal(access.bench.ask().leap, 0, "LI before")
    start = len(access.daemon.log())
    access.write("allow 192.168.1.0/24", "allow slow.example.net")
    access.daemon.reload()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        equal(access.bench.ask().leap, 0, "LI while the reload waits")
        time.sleep(0.05)
    check(access.daemon.running(), "the daemon ended")
    check("reload" not in access.daemon.log()[start:], "the name server was not waited for")
    equal(access.bench.daemon.stop(within=2), 0, "exit status")


if __name__ == "__main__":
    lab.main(Access)
