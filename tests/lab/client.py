# SPDX-License-Identifier: BSD-3-Clause
"""timeballd as a client of real servers, and of some that lie: what it says of them, what it does
when they go away, what it asks of the kernel; and the same with `serve` lines. Always with -x or -Q:
nothing here touches the clock."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import lab
from lab import (DAEMON, Namespace, Skip, case, check, connect, equal, give_address, peer,
                 serve_config, wait_until, without_clock_rights)
from packets import Answer, ntp
from timeserver import TimeServer

GOOD, ALSO_GOOD, LIAR, GONE, OWN, IPV6 = (
    "192.168.7.1", "192.168.7.2", "192.168.7.3", "192.168.7.4", "192.168.7.10", "fd00:7::1")
NAMED = ["192.168.7.%d" % number for number in range(21, 27)]
CLIENT = "192.168.7.100"
AHEAD_S = 0.3
# What the machine may lose between two readings of the clock in different processes.
SLACK_S = 0.05
# Often enough to wait for.
FAST = "iburst minpoll 0 maxpoll 0"
POLICY = ("makestep 0.1 3", "pidfile /")
WRONG_BY = r"System clock wrong by (-?\d+\.\d{6}) seconds \((ignored|step)\)$"


class Bench:
    def __init__(self, test, stack):
        self.lab, self.stack = test, stack
        self.client, self.servers = Namespace(), Namespace()
        addresses = [GOOD, ALSO_GOOD, LIAR, *NAMED]
        connect(self.client, "cli0", self.servers, "up0",
                [address + "/24" for address in addresses] + [IPV6 + "/64"])
        with self.client, open("/proc/sys/net/ipv6/conf/cli0/disable_ipv6", "w") as switch:
            switch.write("0")
        give_address(self.client, "cli0", CLIENT + "/24")
        give_address(self.client, "cli0", "fd00:7::100/64")
        self.fakes = {}
        stack.callback(self.close_fakes)
        self.chronyds = {address: self.chronyd(address) for address in (GOOD, ALSO_GOOD)}

    def chronyd(self, address, *more):
        lines = ["local stratum 5", "allow", "bindaddress " + address, "cmdport 0",
                 "bindcmdaddress /", "pidfile " + self.lab.path("pid"), *more]
        if address == GOOD:
            lines.append("bindaddress " + IPV6)
        with self.servers, open(self.lab.path("chronyd.log"), "w") as log:
            process = subprocess.Popen(
                [peer("chronyd"), "-d", "-x", "-f",
                 self.lab.file("chrony.conf", "\n".join([*lines, ""]))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=without_clock_rights)
        self.stack.callback(process.kill)
        wait_until(lambda: self.ask(address, self.client), "chronyd answers at " + address)
        return process

    def fake(self, address, **options):
        # One that a failed case left behind would answer in the name of the next.
        if address in self.fakes:
            self.fakes.pop(address).close()
        self.fakes[address] = TimeServer(self.servers, address, **{"stratum": 3, **options})
        return self.fakes[address]

    def close_fakes(self):
        while self.fakes:
            self.fakes.popitem()[1].close()

    def ask(self, address, namespace, seconds=0.5):
        """The Answer of a server, and when it was asked for and came; or None."""
        with namespace, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(seconds)
            asking.connect((address, 123))
            sent = time.time()
            try:
                asking.send(ntp())
                return Answer(asking.recv(1000)), sent, time.time()
            except OSError:
                return None

    def once(self, *arguments, program=DAEMON, namespace=None, **options):
        return (namespace or self.client).run(program, *arguments, timeout=60,
                                              preexec_fn=without_clock_rights, **options)

    def follow(self, *lines, arguments=(), **options):
        """timeballd that follows and serves nobody."""
        daemon = self.lab.daemon(self.client, "\n".join([*lines, *POLICY, ""]), arguments,
                                 wait=False, **options)
        daemon.wait_log("following")
        return daemon


def prepare(test, stack):
    return Bench(test, stack)


def measured(result):
    """The offset that -q or -Q printed."""
    equal(result.returncode, 0, "exit status; " + result.stderr)
    found = re.search("(?m)" + WRONG_BY, result.stderr)
    check(found, "it said: " + result.stderr)
    return float(found[1]), found[2]


@case("print-once", "-Q prints what chronyd -Q prints, with its exit status, over IPv4 and IPv6")
def print_once(bench):
    fake = bench.fake(LIAR, offset=AHEAD_S)
    for server, wanted in (GOOD, 0), (IPV6, 0), (LIAR, AHEAD_S):
        line = "server %s iburst" % server
        ours = measured(bench.once("-Q", line))
        theirs = measured(bench.once("-Q", line, "cmdport 0", program=peer("chronyd")))
        equal(ours[1], theirs[1], "what becomes of the offset")
        for name, (offset, _) in ("timeballd", ours), ("chronyd", theirs):
            check(abs(offset - wanted) < SLACK_S, "%s: %s is %.6f s off" % (name, server, offset))
    # One that does not answer does not keep it from an end.
    result = bench.once("-Q", "server %s iburst" % GOOD, "server %s iburst" % GONE)
    check(abs(measured(result)[0]) < SLACK_S, result.stderr)
    fake.close()


@case("set-once", "-q tells the step, and with -x does not make it")
def set_once(bench):
    fake = bench.fake(LIAR, offset=-AHEAD_S)
    before = time.time() - time.monotonic()
    offset, action = measured(bench.once("-q", "-x", "server %s iburst" % LIAR, "pidfile /"))
    equal(action, "step", "what becomes of the offset")
    check(abs(offset + AHEAD_S) < SLACK_S, "offset %.6f s" % offset)
    check(abs(time.time() - time.monotonic() - before) < 1e-3, "the machine's clock was set")
    fake.close()


@case("once-in-vain", "-Q ends with status 1 and chronyd's words where nothing is to be had")
def once_in_vain(bench):
    fake = bench.fake(LIAR, stratum=0, leap=3)
    lines = {
        "No suitable source for synchronisation": (
            ("-Q", "server %s iburst" % GONE), ("-Q", "server %s iburst" % LIAR),
            ("-Q", "local stratum 3")),
        "Timeout reached": (("-Q", "-t", "2", "server %s iburst" % GONE),
                            ("-Q", "-t", "2", "server nobody.invalid iburst")),
    }
    for words, commands in lines.items():
        for command in commands:
            for program in DAEMON, peer("chronyd"):
                result = bench.once(*command, program=program)
                equal(result.returncode, 1, "exit status of %s; %s" % (command, result.stderr))
                check(words in result.stderr, "%s said: %s" % (program, result.stderr))
    fake.close()
    with bench.client:
        process = subprocess.Popen([DAEMON, "-Q", "server %s iburst" % GONE],
                                   stderr=subprocess.PIPE, text=True)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=lab.PATIENCE)
    equal(process.returncode, 0, "exit status after SIGTERM")


@case("liar", "of two good servers and one that lies it follows a good one and names the liar")
def liar(bench):
    fake = bench.fake(LIAR, offset=AHEAD_S)
    daemon = bench.follow(*("server %s %s" % (server, FAST) for server in (LIAR, GOOD, ALSO_GOOD)))
    daemon.wait_log(r"server %s: falseticker, 0\.(29|3)" % re.escape(LIAR))
    daemon.wait_log(r"server (%s|%s): followed, stratum 5" % (re.escape(GOOD), re.escape(ALSO_GOOD)))
    time.sleep(5)
    log = daemon.log()
    check("server %s: followed" % LIAR not in log, "it followed the liar:\n" + log)
    check("stepped" not in log, "the clock was stepped:\n" + log)
    equal(daemon.stop(within=2), 0, "exit status")
    fake.close()


def samples(daemon):
    """How many samples the only server gave."""
    start = len(daemon.log())
    os.kill(daemon.pid, signal.SIGUSR1)
    return int(daemon.wait_log(r"(\d+) samples", start=start)[1])


@case("interleaved", "a server asked with xleave gives interleaved samples; the four logs tell, in chrony's columns")
def interleaved(bench):
    logs = bench.lab.path("logs")
    daemon = bench.follow("server %s %s xleave" % (GOOD, FAST), "server %s %s" % (ALSO_GOOD, FAST),
                          "logdir " + logs, "log measurements statistics tracking selection")

    def lines(name, address=""):
        path = os.path.join(logs, name + ".log")
        if not os.path.exists(path):
            return []
        with open(path) as file:
            return [line.split() for line in file if address in line and line[0] == "2"]

    wait_until(lambda: len(lines("measurements", GOOD + " ")) >= 6, "measurements")
    # Version and mode, then who stamped what was sent and what came: daemon, kernel.
    modes = [line[-3:] for line in lines("measurements", GOOD + " ")]
    equal(modes[0][0], "4B", "version and mode of the first sample")
    equal(modes[-1], ["4I", "K", "K"], "version, mode and stamps of the last sample")
    modes = [line[-3:] for line in lines("measurements", ALSO_GOOD + " ")]
    equal(modes[-1], ["4B", "K", "K"], "version, mode and stamps without xleave")
    for name, width in ("statistics", 13), ("tracking", 14), ("selection", 10):
        wait_until(lambda: lines(name), name)
        equal({len(line) for line in lines(name)}, {width}, "columns of " + name)
    equal(daemon.stop(within=2), 0, "exit status")


@case("cut", "a server that is killed is refused, said once, and followed again when it is back")
def cut(bench):
    daemon = bench.follow("server %s %s" % (ALSO_GOOD, FAST))
    daemon.wait_log("server %s: followed" % re.escape(ALSO_GOOD))
    # By then its own clock's rate is known, too.
    wait_until(lambda: samples(daemon) > 6, "samples", every=0.5)
    start = len(daemon.log())
    bench.chronyds[ALSO_GOOD].kill()
    bench.chronyds[ALSO_GOOD].wait(lab.PATIENCE)
    daemon.wait_log("server %s: Connection refused" % re.escape(ALSO_GOOD), start=start)
    time.sleep(4)
    said = daemon.log()[start:]
    equal(said.count("Connection refused"), 1, "times said:\n" + said)
    check("not synchronised" not in said, "a cut is no reason to forget the time:\n" + said)
    bench.chronyds[ALSO_GOOD] = bench.chronyd(ALSO_GOOD)
    daemon.wait_log("server %s: answers again" % re.escape(ALSO_GOOD), start=start)
    equal(daemon.stop(within=2), 0, "exit status")


@case("moved", "routes and addresses that go and come: it goes on, from the address it has then")
def moved(bench):
    daemon = bench.follow("server %s %s xleave" % (GOOD, FAST))
    daemon.wait_log("server %s: followed" % re.escape(GOOD))
    bench.client.ip("route", "add", "unreachable", GOOD + "/32")
    start = len(daemon.log())
    daemon.wait_log("server %s: (No route to host|Network is unreachable)" % re.escape(GOOD))
    bench.client.ip("route", "del", "unreachable", GOOD + "/32")
    daemon.wait_log("server %s: answers again" % re.escape(GOOD), start=start)
    before = samples(daemon)
    bench.client.ip("address", "del", CLIENT + "/24", "dev", "cli0")
    time.sleep(2.5)
    give_address(bench.client, "cli0", "192.168.7.101/24")
    wait_until(lambda: samples(daemon) > before + 3, "samples from another address", every=0.5)
    bench.client.ip("link", "set", "cli0", "down")
    time.sleep(2.5)
    bench.client.ip("link", "set", "cli0", "up")
    before = samples(daemon)
    wait_until(lambda: samples(daemon) > before + 3, "samples after the link came back", every=0.5)
    bench.client.ip("address", "del", "192.168.7.101/24", "dev", "cli0")
    give_address(bench.client, "cli0", CLIENT + "/24")
    give_address(bench.client, "cli0", "fd00:7::100/64")
    check(daemon.running(), "it ended:\n" + daemon.log())
    equal(daemon.stop(within=2), 0, "exit status")


@case("bound", "acquisitionport, bindacqaddress, bindacqdevice and dscp are on the wire")
def bound(bench):
    give_address(bench.client, "cli0", "192.168.7.102/24")
    with bench.servers:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with server:
        server.bind((LIAR, 123))
        server.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
        server.settimeout(lab.PATIENCE)
        for lines, wanted in (
                (("acquisitionport 4123", "bindacqaddress 192.168.7.102", "bindacqdevice cli0",
                  "dscp 46"), ("192.168.7.102", 4123, 46)),
                ((), (None, None, 0))):
            daemon = bench.follow("server %s %s" % (LIAR, FAST), *lines)
            heard = [server.recvmsg(1000, 100) for _ in range(3)]
            for packet, extras, _, (address, port) in heard:
                equal(len(packet), 48, "octets")
                tos = [data[0] >> 2 for _, kind, data in extras if kind == socket.IP_TOS]
                equal(tos, [wanted[2]], "DSCP")
                check(wanted[0] in (None, address), "from %s" % address)
                check(wanted[1] in (None, port), "from port %d" % port)
            ports = {client[1] for *_, client in heard}
            equal(len(ports), 1 if wanted[1] else 3, "ports of three requests")
            daemon.kill()
            # What came late is not of the next one.
            server.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while True:
                    server.recv(1000)
            server.settimeout(lab.PATIENCE)
    bench.client.ip("address", "del", "192.168.7.102/24", "dev", "cli0")


@case("dumps", "stopped and started with -r it goes on from the samples it had; SIGUSR1 opens logs anew")
def dumps(bench):
    folder, logs = bench.lab.path("dump"), bench.lab.path("logs")
    lines = ["server %s iburst minpoll 4 maxpoll 4" % GOOD, "dumpdir " + folder, "logdir " + logs,
             "log measurements"]
    file = os.path.join(folder, GOOD + ".samples")

    def followed(daemon):
        daemon.wait_log("server %s: followed" % GOOD)

    def samples(daemon):
        start = len(daemon.log())
        os.kill(daemon.pid, signal.SIGUSR1)
        return int(daemon.wait_log(r"server %s: .* (\d+) samples" % GOOD, start=start)[1])

    first = bench.follow(*lines)
    followed(first)
    wait_until(lambda: samples(first) >= 4, "the burst")
    moved = os.path.join(logs, "measurements.log")
    os.rename(moved, moved + ".1")
    check(samples(first) >= 4, "still there")
    wait_until(lambda: os.path.exists(moved), "a new log file")
    had = samples(first)
    check(not os.path.exists(file), "written while it runs")
    equal(first.stop(within=2), 0, "exit status")
    check(os.path.exists(file), "nothing in " + folder)
    second = bench.follow(*lines, arguments=("-r",))
    said = second.wait_log(r"server %s: (\d+) samples of before" % GOOD)
    check(int(said[1]) >= had, "%s samples of %d" % (said[1], had))
    followed(second)
    check(not os.path.exists(file), "the file is still there")
    check(samples(second) > had, "samples: %d, %d before" % (samples(second), had))
    # One answer suffices, as the frequency is known.
    second.wait_log("time: stratum 6")
    check(samples(second) <= had + 2, "samples: %d, %d before" % (samples(second), had))
    equal(second.stop(within=2), 0, "exit status")
    third = bench.follow(*lines)
    followed(third)
    check(not os.path.exists(file), "the file is still there")
    check(samples(third) < had, "samples without -r: %d" % samples(third))
    third.stop()


@case("pool", "a pool by name: as many as asked for, and another in the place of one that is dead")
def pool(bench):
    if not lab.can_mount_privately():
        raise Skip("no private mounts here")
    hosts = bench.lab.file("hosts", "".join("%s pool.test\n" % address for address in NAMED))
    switch = bench.lab.file("nsswitch.conf", "hosts: files\n")

    def mounts():
        lab.private_mounts()
        lab.bind_mount(hosts, "/etc/hosts")
        lab.bind_mount(switch, "/etc/nsswitch.conf")

    fakes = {address: bench.fake(address) for address in NAMED}
    daemon = bench.follow("pool pool.test %s maxsources 4" % FAST, before_exec=mounts)
    daemon.wait_log("followed")

    def asked():
        return [address for address in re.findall(r"pool pool.test: asking (\S+)", daemon.log())]
    equal(len(set(asked())), 4, "members, " + daemon.log())
    dead = asked()[0]
    fakes[dead].silent = True
    replaced = daemon.wait_log(r"pool pool.test: (\S+) is replaced", seconds=60)
    equal(replaced[1], dead, "the one replaced")
    fifth = wait_until(lambda: asked()[4:], "a replacement")[0]
    check(fifth not in asked()[:4], "%s was asked before" % fifth)
    wait_until(lambda: fakes[fifth].asked > 3, "the replacement is asked")
    threads = os.listdir("/proc/%d/task" % daemon.pid) if os.path.exists(
        "/proc/%d/task" % daemon.pid) else []
    check(len(threads) <= 1, "threads left: %r" % threads)
    equal(daemon.stop(within=2), 0, "exit status")
    for fake in fakes.values():
        fake.close()


# What a simulator that stands between us and the kernel has to know.
ALLOWED = set("""poll socket bind connect setsockopt fcntl sendmsg recvmsg close clock_gettime
    clock_adjtime clock_nanosleep getrandom write rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall exit_group
    brk mmap munmap mprotect madvise mremap""".split())
# Before the loop turns: what the dynamic loader and the C library do, and what reads the configuration.
STARTING = set("""execve access openat read pread64 newfstatat fstat lseek arch_prctl set_tid_address
    set_robust_list rseq prlimit64 readlink geteuid""".split())
OPENED = r"/etc/(ld\.so\.cache|localtime)|/\S+/lib(c|m|nettle)\.so\.\d+"


@case("system-calls", "without `serve` lines: one thread, and only what a simulator can stand in for")
def system_calls(bench):
    if not shutil.which("strace"):
        raise Skip("no strace")
    trace = bench.lab.path("trace")
    config = bench.lab.file("timeball.conf", "\n".join([
        "server %s %s" % (GOOD, FAST), "server %s %s" % (IPV6, FAST), "server %s %s" % (GONE, FAST),
        *POLICY, ""]))
    result = bench.once("-f", "-o", trace, DAEMON, "-d", "-x", "-t", "8", "-f", config,
                        program=shutil.which("strace"))
    equal(result.returncode, 0, "exit status; " + result.stderr)
    with open(trace) as file:
        lines = file.read().splitlines()
    processes = {line.split()[0] for line in lines}
    equal(len(processes), 1, "threads and processes")
    names = [found[1] for line in lines if (found := re.match(r"\d+ +(\w+)\(", line))]
    loop = names.index("socket")
    check(names.count("sendmsg") > 10, "requests sent: %d" % names.count("sendmsg"))
    check(names.count("recvmsg") > names.count("sendmsg") / 2, "recvmsg: %d" % names.count("recvmsg"))
    equal(set(names[loop:]) - ALLOWED, set(), "system calls of the loop")
    equal(set(names) - ALLOWED - STARTING, set(), "system calls of the start")
    opened = {found[1] for line in lines if (found := re.search(r'openat\(.*"(.*)".* = \d', line))}
    equal({path for path in opened if not re.fullmatch(OPENED, path)}, {config}, "files opened")
    flagged = [line for line in lines if re.search(r"socket\(.*SOCK_(CLOEXEC|NONBLOCK)", line)]
    equal(flagged, [], "sockets with flags in their type")
    adjusting = [line for line in lines if "adjtime" in line and "modes=0," not in line
                 and "modes=0x0" not in line]
    equal(adjusting, [], "adjustments of the machine's clock")


SERVED = "net_af_packet0,iface=srv0 address %s/24" % OWN


@contextlib.contextmanager
def serving(bench, *lines):
    """timeballd that follows servers on cli0 and serves on a wire of its own; yields it and who asks."""
    asker = Namespace()
    connect(bench.client, "srv0", asker, "ask0", ("192.168.7.200/24",))
    daemon = bench.lab.daemon(bench.client, serve_config(
        SERVED, more=[*lines, "makestep 0.1 3"]).replace("local stratum 10\n", ""))
    try:
        yield daemon, asker
    finally:
        daemon.stop()
        bench.client.ip("link", "del", "srv0")


@case("served", "with `serve` lines the servers' time is served: stepped to it, honest when cut off, back again")
def served(bench):
    fake = bench.fake(LIAR, offset=AHEAD_S)
    fake.silent = True
    with serving(bench, "server %s %s" % (LIAR, FAST)) as (daemon, asker):
        first, *_ = wait_until(lambda: bench.ask(OWN, asker), "an answer; log:\n" + daemon.log())
        equal((first.leap, first.stratum), (3, 0), "before any server answered")
        fake.silent = False

        def synchronised():
            asked = bench.ask(OWN, asker)
            return asked if asked and asked[0].leap == 0 else None
        wait_until(synchronised, "synchronised answers")
        daemon.wait_log("stepped by 0.(29|30)")
        time.sleep(4)
        answer, sent, got = synchronised()
        equal((answer.stratum, answer.refid), (4, bytes(map(int, LIAR.split(".")))), "reference")
        answer.check_times(sent + AHEAD_S, got + AHEAD_S, slack=0.002)
        fake.silent = True
        # The requests under way are over.
        time.sleep(2)
        early, *_ = synchronised()
        time.sleep(4)
        late, sent, got = synchronised()
        equal((late.stratum, late.refid), (4, answer.refid), "reference when cut off")
        check(late.dispersion > early.dispersion, "dispersion %.6f s, then %.6f s"
              % (early.dispersion_s, late.dispersion_s))
        late.check_times(sent + AHEAD_S, got + AHEAD_S, slack=0.002)
        fake.silent = False
        wait_until(lambda: synchronised() and synchronised()[0].dispersion < late.dispersion,
                   "dispersion shrinks again")
    fake.close()


@case("itself", "timeballd follows timeballd, and prints its offset")
def itself(bench):
    with serving(bench, "server %s %s" % (GOOD, FAST)) as (daemon, asker):
        wait_until(lambda: (asked := bench.ask(OWN, asker)) and asked[0].leap == 0, "synchronised")
        offset, _ = measured(bench.once("-Q", "server %s iburst" % OWN, namespace=asker))
        check(abs(offset) < SLACK_S, "offset %.6f s" % offset)


@case("ntpsec", "timeballd follows NTPsec's ntpd")
def ntpsec(bench):
    # In a namespace of its own: it insists on the wildcard address.
    servers, server = Namespace(), "192.168.8.1"
    connect(bench.client, "cli1", servers, "up1", (server + "/24",))
    give_address(bench.client, "cli1", "192.168.8.100/24")
    config = bench.lab.file("ntp.conf", "tos orphan 6 orphanwait 1\n")
    with servers, open(bench.lab.path("ntpd.log"), "w") as log:
        process = subprocess.Popen([peer("ntpd"), "-n", "-c", config, "-p", bench.lab.path("pid")],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   preexec_fn=without_clock_rights)
    try:
        wait_until(lambda: (asked := bench.ask(server, bench.client)) and asked[0].leap == 0,
                   "ntpd serves", seconds=60, every=0.5)
        offset, _ = measured(bench.once("-Q", "server %s iburst" % server))
        check(abs(offset) < SLACK_S, "offset %.6f s" % offset)
    finally:
        process.kill()
        process.wait(lab.PATIENCE)


if __name__ == "__main__":
    lab.main(prepare)
