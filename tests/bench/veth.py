# SPDX-License-Identifier: BSD-3-Clause
"""Servers behind the same veth pair, asked without end by bounce.bpf.c, everything on one core."""
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lab"))
import lab  # noqa: E402
from lab import Namespace, check, connect, give_address, wait_until  # noqa: E402

SERVER = "10.77.0.1"
ROUTER = "10.77.0.2"
CLIENTS = "172.18.0.0/16"
SERVER_LINK = "srv0"
CLIENT_LINK = "cli0"

CHRONYD = "chronyd"
# What follows `serve`.
PORTS = {
    "af_xdp": "net_af_xdp0,iface=%s address %s/24" % (SERVER_LINK, SERVER),
    "af_packet": "net_af_packet0,iface=%s,qdisc_bypass=1 address %s/24" % (SERVER_LINK, SERVER),
}
SERVERS = [CHRONYD, *PORTS]


class Wire:
    """The pair, in two namespaces that go when this is closed."""

    def __init__(self, build, cpu):
        self.bench = os.path.join(build, "tests", "bench")
        self.cpu = cpu
        self.server, self.client = Namespace(), Namespace()
        connect(self.server, SERVER_LINK, self.client, CLIENT_LINK)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(self.server.fd)
        os.close(self.client.fd)

    def pin(self):
        os.sched_setaffinity(0, {self.cpu})

    def start(self, command, log):
        """A server that dies with us at the latest."""
        def prepare():
            lab.libc.prctl(lab.PR_SET_PDEATHSIG, 9, 0, 0, 0)
            self.pin()

        with self.server, open(log, "w") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, preexec_fn=prepare)
        self.processes.append(process)
        return process

    def generator(self, namespace, *arguments, timeout=20):
        result = namespace.run(os.path.join(self.bench, "bounce"), "-o",
                               os.path.join(self.bench, "bounce.bpf.o"), *arguments,
                               timeout=timeout, preexec_fn=self.pin)
        check(result.returncode == 0, "bounce: " + result.stderr.strip())
        return result.stdout

    def let_pass(self):
        """Frames sent by XDP come through to the kernel only where there is a program."""
        self.generator(self.server, "-i", SERVER_LINK, "-p")

    def measure(self, server, window, seconds):
        accounts = ["-a", str(server.pid)]
        for softirq in softirq_threads(self.cpu):
            accounts += ["-a", softirq]
        text = self.generator(
            self.client, "-i", CLIENT_LINK, "-s", SERVER, "-m", self.server.mac(SERVER_LINK).hex(":"),
            "-c", CLIENTS, "-w", str(window), "-t", str(seconds), *accounts, timeout=seconds + 30)
        result = json.loads(text)
        check(result["answers"] > 0 and not result["bad"] and result["unsynchronised"] <= result["answers"] // 100
              and not result["lost"], "not every request was answered well: " + text.strip())
        result["rate"] = result["answers"] / result["cpu_seconds"]
        result["trip_ns"] = 1e9 * window / result["rate"]
        return result


def softirq_threads(cpu):
    """The kernel's own thread for what its interrupts leave undone on a core."""
    result = subprocess.run(["pgrep", "-x", "ksoftirqd/%d" % cpu], capture_output=True, text=True)
    check(result.returncode == 0, "no ksoftirqd/%d" % cpu)
    return result.stdout.split()


def text_of(path):
    with open(path, errors="replace") as file:
        return file.read()


def start_chronyd(wire, peers, folder):
    give_address(wire.server, SERVER_LINK, SERVER + "/24")
    wire.server.ip("route", "add", CLIENTS, "via", ROUTER)
    wire.server.ip("neighbour", "add", ROUTER, "lladdr", wire.client.mac(CLIENT_LINK).hex(":"),
                   "dev", SERVER_LINK, "nud", "permanent")
    wire.let_pass()
    config = os.path.join(folder, "chrony.conf")
    with open(config, "w") as file:
        file.write("allow\nlocal stratum 10\nport 123\ncmdport 0\nbindcmdaddress /\n"
                   "pidfile %s/chronyd.pid\n" % folder)
    log = os.path.join(folder, "log")
    server = wire.start([os.path.join(peers, "chronyd"), "-d", "-x", "-f", config], log)
    wait_until(lambda: listens(wire.server) or server.poll() is not None, "chronyd listens")
    check(server.poll() is None, "chronyd ended: " + text_of(log))
    return server


def listens(namespace):
    with namespace, open("/proc/thread-self/net/udp") as table:
        return ":007B " in table.read()


def start_timeballd(wire, build, folder, arm):
    if arm == "af_packet":
        wire.let_pass()
        # Or the kernel's own stack would look at each request too.
        nft = wire.server.run("nft", "add table netdev bench; add chain netdev bench ingress_all { type filter hook "
                              "ingress device %s priority 0; policy drop; }" % SERVER_LINK)
        check(nft.returncode == 0, "nft: " + nft.stderr)
    config = os.path.join(folder, "timeball.conf")
    with open(config, "w") as file:
        file.write("serve %s\nlocal stratum 10\nallow\ncores control %d workers %d\npidfile /\nealarg --no-huge\n"
                   % (PORTS[arm], wire.cpu, wire.cpu))
    log = os.path.join(folder, "log")
    server = wire.start([os.path.join(build, "app/timeballd/timeballd"), "-d", "-x", "-f", config], log)
    wait_until(lambda: "serving: " in text_of(log) or server.poll() is not None, "timeballd serves")
    check(server.poll() is None, "timeballd ended: " + text_of(log))
    return server


def run(server_name, options, window):
    """Measures one server once; what bounce.c printed, and the rate and the round trip of an
    undisturbed core: by the CPU time that the server and its interrupts had."""
    # The last core: interrupts and others tend to be on the first.
    cpu = os.cpu_count() - 1
    with tempfile.TemporaryDirectory() as folder, Wire(options.build, cpu) as wire:
        os.chmod(folder, 0o755)
        if server_name == CHRONYD:
            server = start_chronyd(wire, options.peers, folder)
        else:
            server = start_timeballd(wire, options.build, folder, server_name)
        return wire.measure(server, window, options.seconds)


def system_call_ns(count=20000):
    """The fastest of some runs: how dear this kernel is decides much of what is compared here."""
    def once():
        before = time.perf_counter_ns()
        for _ in range(count):
            os.getppid()
        return (time.perf_counter_ns() - before) / count

    return min(once() for _ in range(20))
