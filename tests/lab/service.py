# SPDX-License-Identifier: BSD-3-Clause
"""timeballd as a service: what systemd would hear from it, with the rights that our unit leaves it;
and the files that install.sh puts in place and takes out."""

import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import lab
from lab import (BUILD, HERE, PR_CAPBSET_DROP, Skip, case, check, equal, libc, serve_config,
                 system_call)
from wire_bench import ADDRESSES, SERVER_LINK, WireBench

ROOT = os.path.join(HERE, "..", "..")
UNIT = os.path.join(ROOT, "config", "systemd", "timeball.service")
PR_SET_NO_NEW_PRIVS = 38
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
PTRACE_DETACH = 17
WAIT_THREAD_ALL = 0x40000000
WATCHDOG_S = 1.0
# Numbers of capability.h.
CAPABILITIES = {"SETGID": 6, "SETUID": 7, "NET_ADMIN": 12, "NET_RAW": 13, "IPC_LOCK": 14,
                "SYS_RAWIO": 17, "SYS_ADMIN": 21, "SYS_NICE": 23, "SYS_TIME": 25, "BPF": 39}
LAST_CAPABILITY = 40


def unit_capabilities():
    with open(UNIT) as unit:
        names = re.search(r"(?m)^CapabilityBoundingSet=(.*)$", unit.read()).group(1).split()
    return {CAPABILITIES[name.removeprefix("CAP_")] for name in names}


def fence_in(left):
    """What systemd does before it starts the unit's program."""
    for capability in set(range(LAST_CAPABILITY + 1)) - left:
        system_call(libc.prctl, PR_CAPBSET_DROP, capability, 0, 0, 0)
    system_call(libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


class Manager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, test, stack):
        # A path: an abstract name would be another in the daemon's network namespace.
        name = test.path("notify")
        self.socket = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.socket.bind(name)
        os.environ["NOTIFY_SOCKET"] = name
        os.environ["WATCHDOG_USEC"] = str(int(WATCHDOG_S * 1e6))

    def heard(self, seconds):
        """The next words, or None in time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1000).decode()
        except TimeoutError:
            return None

    def drain(self):
        while self.heard(0.001):
            pass


def prepare(test, stack):
    bench = WireBench(test, start=False)
    bench.manager = Manager(test, stack)
    return bench


@case("notify", "READY once it answers, signs of life while the loop turns, STOPPING at the end; with the "
      "unit's rights only")
def notify(bench):
    left = unit_capabilities()
    config = serve_config(bench.serve, more=("lock_all",))
    daemon = bench.lab.daemon(bench.server, config, wait=False, before_exec=lambda: fence_in(left))
    words = bench.manager.heard(lab.PATIENCE)
    check(words and words.startswith("READY=1"), "%r instead of READY=1; log:\n%s"
          % (words, daemon.log()))
    bench.attach(daemon)
    bench.ask()
    bench.manager.drain()
    started = time.monotonic()
    for _ in range(4):
        equal(bench.manager.heard(WATCHDOG_S), "WATCHDOG=1", "a sign of life")
    took = time.monotonic() - started
    check(1.2 < took < 3, "four signs of life took %.2f s" % took)

    os.kill(daemon.pid, signal.SIGSTOP)
    bench.manager.drain()
    equal(bench.manager.heard(2 * WATCHDOG_S), None, "words while it is stopped")
    os.kill(daemon.pid, signal.SIGCONT)
    equal(bench.manager.heard(WATCHDOG_S), "WATCHDOG=1", "a sign of life afterwards")

    os.kill(daemon.pid, signal.SIGTERM)
    while (words := bench.manager.heard(lab.PATIENCE)) == "WATCHDOG=1":
        pass
    equal(words, "STOPPING=1", "the last words")
    equal(daemon.process.wait(lab.PATIENCE), 0, "exit status")


def worker_of(daemon):
    """The folder in /proc of its worker's thread, which is the one on CPU 1; and its number in our process
    namespace, for /proc may be of another."""
    for path in glob.glob("/proc/[0-9]*/task/*/status"):
        try:
            with open(path.split("task")[0] + "cmdline") as command, open(path) as status:
                ours, text = daemon.config_path in command.read(), status.read()
        except OSError:
            continue  # it has ended
        if ours and re.search(r"(?m)^Cpus_allowed_list:\t1$", text):
            return os.path.dirname(path), int(re.search(r"(?m)^NSpid:.*\t(\d+)$", text).group(1))
    raise AssertionError("the daemon has no thread on CPU 1")


@case("worker-hangs", "a worker that hangs is said once, and ends the signs of life until it goes on")
def worker_hangs(bench):
    daemon = bench.start()
    _, worker = worker_of(daemon)
    start = len(daemon.log())
    bench.ask()
    bench.manager.drain()
    equal(bench.manager.heard(WATCHDOG_S), "WATCHDOG=1", "a sign of life")
    system_call(libc.ptrace, PTRACE_SEIZE, worker, None, None)
    try:
        system_call(libc.ptrace, PTRACE_INTERRUPT, worker, None, None)
        os.waitpid(worker, WAIT_THREAD_ALL)
        daemon.wait_log("worker on CPU 1: hangs", start=start)
        bench.manager.drain()
        equal(bench.manager.heard(3 * WATCHDOG_S), None, "words while a worker hangs")
    finally:
        libc.ptrace(PTRACE_DETACH, worker, None, None)
    equal(bench.manager.heard(2 * WATCHDOG_S), "WATCHDOG=1", "a sign of life afterwards")
    bench.ask()
    said = daemon.log()[start:]
    equal((said.count("hangs"), said.count("goes on")), (1, 1), "times said, log:\n" + said)
    equal(daemon.stop(), 0, "exit status")


def idle_share(bench, mode):
    """What of a CPU the worker takes while nobody asks; it still answers at the first try."""
    daemon = bench.start(serve_config(bench.serve, more=("pollmode " + mode,)))
    folder, _ = worker_of(daemon)

    def taken_s():
        with open(folder + "/schedstat") as schedstat:
            return int(schedstat.read().split()[0]) / 1e9

    time.sleep(0.5)
    before, started = taken_s(), time.monotonic()
    time.sleep(2)
    share = (taken_s() - before) / (time.monotonic() - started)
    for _ in range(20):
        bench.ask()
        time.sleep(0.01)
    equal(daemon.stop(), 0, "exit status")
    return share


@case("pollmode", "pollmode adaptive: a worker with nothing to do leaves its CPU to others, and answers")
def pollmode(bench):
    busy, adaptive = idle_share(bench, "busy"), idle_share(bench, "adaptive")
    print("  idle worker: %.0f %% of a CPU busy, %.0f %% adaptive" % (100 * busy, 100 * adaptive))
    check(adaptive < busy / 2, "it takes %.2f of a CPU, busy %.2f" % (adaptive, busy))


@case("notify-failed", "a start that fails says nothing of being ready")
def notify_failed(bench):
    bench.manager.drain()
    daemon = bench.lab.daemon(bench.server, serve_config(
        bench.serve.replace(SERVER_LINK, "nosuch0").replace(ADDRESSES, "address 192.168.1.10/24")),
        wait=False)
    equal(daemon.process.wait(lab.PATIENCE), 1, "exit status")
    equal(bench.manager.heard(0.1), None, "words")


def install(folder, *arguments):
    result = subprocess.run([os.path.join(ROOT, "scripts", "install.sh"), "--no-build", *arguments],
                            capture_output=True, text=True,
                            env={**os.environ, "DESTDIR": folder, "BUILD": BUILD})
    equal(result.returncode, 0, "status of install.sh %s: %s" % (arguments, result.stderr))
    return result.stdout


def files_in(folder):
    found = glob.glob(folder + "/**", recursive=True)
    return {path[len(folder):] for path in found if os.path.isfile(path)}


@case("install", "install.sh puts all in place, twice alike; --remove leaves nothing but a changed config")
def install_and_remove(bench):
    folder = bench.lab.path("root")
    install(folder)
    found = files_in(folder)
    for name in ("/usr/local/sbin/timeballd", "/usr/local/sbin/timeballd-serve",
                 "/etc/timeball/timeball.conf", "/etc/systemd/system/timeball.service",
                 "/usr/lib/systemd/ntp-units.d/50-timeball.list"):
        check(name in found, "no %s among %r" % (name, sorted(found)))
    for name in found:
        with open(folder + name, errors="replace") as file:
            # What the files name of ours is there.
            for path in re.findall(r"(?m)^Exec\w+=\+?(/usr/local/\S+)", file.read()):
                check(os.access(folder + path, os.X_OK), "%s names %s" % (name, path))
    install(folder)
    equal(files_in(folder), found, "files after the second time")
    install(folder, "--remove")
    equal(files_in(folder), set(), "files left behind")

    install(folder, "--prefix", "/opt/other", "--without-iommu")
    with open(folder + "/etc/systemd/system/timeball.service") as unit:
        check("=/opt/other/sbin/timeballd" in unit.read(), "the unit starts another one")
    with open(folder + "/etc/timeball/timeball.conf", "a") as file:
        file.write("# mine\n")
    install(folder, "--prefix", "/opt/other")
    said = install(folder, "--prefix", "/opt/other", "--remove")
    check("stays" in said, "it says: " + said)
    equal(files_in(folder), {"/etc/timeball/timeball.conf"}, "files left behind")


@case("unit", "systemd finds no fault with the units")
def unit(bench):
    if not shutil.which("systemd-analyze"):
        raise Skip("no systemd-analyze")
    folder = bench.lab.path("units")
    os.mkdir(folder)
    paths = []
    for name in glob.glob(os.path.join(ROOT, "config", "systemd", "*.service")):
        with open(name) as file:
            # It looks for the programs.
            text = re.sub(r"(?m)^(Exec\w+=\+?)/usr/local/\S+", r"\1/bin/true", file.read())
        paths.append(os.path.join(folder, os.path.basename(name)))
        with open(paths[-1], "w") as file:
            file.write(text)
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", *paths],
                            capture_output=True, text=True)
    faults = [line for line in (result.stdout + result.stderr).splitlines() if folder in line]
    equal((result.returncode, faults), (0, []), "faults")


if __name__ == "__main__":
    lab.main(prepare)
