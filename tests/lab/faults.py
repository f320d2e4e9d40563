# SPDX-License-Identifier: BSD-3-Clause
"""Faults: the control thread hangs, the process is suspended, killed, ended, cannot start (F1, F12,
F13, F14, F16; L1, L2, L4, L8)."""

import os
import shutil
import signal
import time

import lab
from lab import (DAEMON, Skip, can_mount_privately, case, check, equal, libc, private_mounts,
                 system_call)
from packets import Answer, answer_origin, ntp, udp_payload
from wire_bench import ADDRESSES, WireBench

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_DETACH = 17
WAIT_THREAD_ALL = 0x40000000

# The page lives a second at most; the rest is for a machine that is busy with something else.
EXPIRED_AFTER = 2.5
HANG = 4.5


def prepare(lab, stack):
    return WireBench(lab)


def check_unsynchronised(answer):
    equal((answer.leap, answer.stratum, answer.refid), (3, 0, bytes(4)), "LI, stratum, refid")
    equal((answer.delay, answer.dispersion), (1 << 16, 1 << 16), "root delay and dispersion")
    equal(answer.mode, 4, "mode")


def poll_until(bench, end, every=0.05):
    """Asks again and again; yields (moment of sending, Answer). Every answer that claims the time
    has it right."""
    while time.monotonic() < end:
        started = time.monotonic()
        found = bench.exchange(bench.request())
        check(found, "no answer")
        _, answer, sent, got = found
        if answer.leap != 3:
            answer.check_times(sent, got)
        yield started, answer
        time.sleep(every)


@case("F1", "the control thread stopped: workers turn to LI 3 by themselves, and back after it")
def control_hangs(bench):
    # The process id is the main thread's id, and that thread is control; the others run on.
    system_call(libc.ptrace, PTRACE_SEIZE, bench.daemon.pid, None, None)
    try:
        system_call(libc.ptrace, PTRACE_INTERRUPT, bench.daemon.pid, None, None)
        os.waitpid(bench.daemon.pid, WAIT_THREAD_ALL)
        stopped = time.monotonic()
        claims, last = [], None
        for moment, answer in poll_until(bench, stopped + HANG):
            if answer.leap == 3:
                check_unsynchronised(answer)
            else:
                check(moment < stopped + EXPIRED_AFTER, "still claims to know the time after %.2f s"
                      % (moment - stopped))
                claims.append(answer)
            last = answer
        equal(last.leap, 3, "LI at the end")
        check(claims, "no answer with the time right after the stop: too hasty")
        dispersions = [answer.dispersion for answer in claims]
        equal(dispersions, sorted(dispersions), "root dispersions while nobody vouches")
    finally:
        libc.ptrace(PTRACE_DETACH, bench.daemon.pid, None, None)
    resumed = time.monotonic()
    for moment, answer in poll_until(bench, resumed + 10):
        if answer.leap == 0:
            break
    equal((answer.leap, answer.stratum), (0, 10), "LI and stratum after the recovery")
    check(moment - resumed < 5, "recovery took %.2f s" % (moment - resumed))


@case("F16", "the process suspended for 10 s: no wrong answer, then or after")
def suspended(bench):
    asked = {}

    def ask():
        payload = ntp()
        asked[payload[40:48]] = time.time()
        bench.wire.send(bench.request(payload))

    def take(frame, got):
        sent = asked.pop(answer_origin(frame))
        answer = Answer(udp_payload(frame))
        if answer.leap == 3:
            check_unsynchronised(answer)
        else:
            answer.check_times(sent, got)
        return answer

    os.kill(bench.daemon.pid, signal.SIGSTOP)
    end = time.monotonic() + 10
    try:
        while time.monotonic() < end:
            ask()
            if frame := bench.wire.receive(time.monotonic() + 0.25):
                take(frame, time.time())
    finally:
        os.kill(bench.daemon.pid, signal.SIGCONT)
    waiting = len(asked)
    last = None
    for _ in range(40):
        ask()
        pause = time.monotonic() + 0.1
        while frame := bench.wire.receive(pause):
            last = take(frame, time.time())
    check(waiting > 20, "only %d requests waited for the process" % waiting)
    # What was in the ring is answered late, and truly: its stamps are from now.
    deadline = time.monotonic() + 5
    while asked and (frame := bench.wire.receive(deadline)):
        last = take(frame, time.time())
    equal(len(asked), 0, "requests without an answer")
    equal(last.leap, 0, "LI after the recovery")


@case("F13", "killed: the next start works with the same configuration")
def killed(bench):
    pidfile = bench.lab.path("killed.pid")
    config = bench.config.replace("pidfile /", "pidfile " + pidfile)
    bench.daemon.kill()
    for _ in range(3):
        bench.start(config)
        equal(bench.ask().leap, 0, "LI")
        with open(pidfile) as file:
            equal(int(file.read()), bench.daemon.pid, "the pidfile")
        bench.daemon.kill()
        check(os.path.exists(pidfile), "the pidfile is gone, which only a clean end removes")
    bench.start(config)
    bench.ask()
    equal(bench.daemon.stop(), 0, "exit status")
    check(not os.path.exists(pidfile), "the pidfile is left behind")


@case("F12", "SIGTERM and SIGINT end it in less than 2 s, exit status 0, also under load")
def terminated(bench):
    for number in signal.SIGTERM, signal.SIGINT:
        bench.start()
        bench.ask()
        frames = [bench.request() for _ in range(64)]
        started = time.monotonic()
        os.kill(bench.daemon.pid, number)
        while bench.daemon.running() and time.monotonic() < started + 10:
            for frame in frames:
                bench.wire.send(frame)
        took = time.monotonic() - started
        equal(bench.daemon.process.poll(), 0, "exit status after " + number.name)
        check(took < 2, "took %.2f s" % took)
        check("counters net_af_packet0: received=" in bench.daemon.log(), "no ledger at the end")
        bench.wire.drain()


def refused(bench, config, *words, command=(DAEMON,), before_exec=None, lines=1):
    """A start that must fail soon, with one line that has all the words."""
    path = bench.lab.file("timeball.conf", config)
    os.chmod(path, 0o644)
    result = bench.server.run(*command, "-d", "-x", "-f", path, preexec_fn=before_exec)
    check(result.returncode > 0, "exit status %d: %s" % (result.returncode, result.stderr))
    said = result.stderr.strip().splitlines()
    check(said, "it says nothing")
    for word in words:
        check(word.format(file=path) in said[-1], "%r is not in the last line of: %s"
              % (word.format(file=path), result.stderr))
    if lines:
        equal(len(said), lines, "lines of: " + result.stderr)
    return result


@case("L1-interface", "a missing interface is named")
def missing_interface(bench):
    refused(bench, bench.config.replace("srv0", "nosuch0"), "nosuch0", lines=0)


def hide_hugepages():
    """For a child between fork and exec: a machine without any."""
    private_mounts()
    system_call(libc.mount, b"tmpfs", b"/sys/kernel/mm/hugepages", b"tmpfs", 0, None)


@case("L1-hugepages", "no hugepages: says so, and what to do")
def missing_hugepages(bench):
    with open("/proc/meminfo") as file:
        free = [int(line.split()[1]) for line in file if line.startswith("HugePages_Free")]
    if any(free) and not can_mount_privately():
        raise Skip("this machine has free hugepages, and no private mount can hide them")
    refused(bench, bench.config.replace("ealarg --no-huge", ""), "no free hugepages",
            "scripts/hugepages.sh", before_exec=hide_hugepages if any(free) else None, lines=0)


@case("L1-root", "not root: says so")
def not_root(bench):
    # The build folder may be closed to others.
    program = bench.lab.path("timeballd")
    shutil.copy(DAEMON, program)
    os.chmod(program, 0o755)
    refused(bench, bench.config, "root",
            command=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", program))


@case("L1-config", "a bad configuration: file, line, and the nearest word there is")
def bad_config(bench):
    lines = bench.config.count("\n")
    for bad, near in (("alow 192.168.1.0/24", "allow"), ("lokal stratum 10", "local"),
                      ("local stratm 10", "stratum"), ("local stratum 16", "16"),
                      ("allow 192.168.1.0/33", "192.168.1.0/33"),
                      ("serve net_af_packet9,iface=srv0 adress 192.168.1.10/24", "address"),
                      ("serve srv0 address 192.168.1.10/24", "net_af_packet0,iface=srv0")):
        refused(bench, bench.config + bad + "\n", "{file}", "line %d " % (lines + 1), near)
    missing = bench.server.run(DAEMON, "-d", "-x", "-f", bench.lab.path("no.conf"))
    check(missing.returncode > 0 and "no.conf" in missing.stderr, missing.stderr)
    equal(missing.stderr.count("\n"), 1, "lines of: " + missing.stderr)


@case("L1-same-address", "the same device twice is refused")
def twice(bench):
    refused(bench, bench.config + "serve net_af_packet0,iface=srv0 " + ADDRESSES + "\n",
            "net_af_packet0")


@case("L1-pidfile", "a pidfile that is a symbolic link is not followed (CVE-2020-14367)")
def pidfile_link(bench):
    victim = bench.lab.file("victim", "precious\n")
    link = bench.lab.path("link.pid")
    os.symlink(victim, link)
    refused(bench, bench.config.replace("pidfile /", "pidfile " + link), link, lines=0)
    with open(victim) as file:
        equal(file.read(), "precious\n", "what the link points to")
    check(os.path.islink(link), "the link was replaced")
    refused(bench, bench.config.replace("pidfile /", "pidfile /proc/nowhere/x.pid"),
            "/proc/nowhere/x.pid", lines=0)


if __name__ == "__main__":
    lab.main(prepare)
