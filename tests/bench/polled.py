# SPDX-License-Identifier: BSD-3-Clause
"""timeballd and testpmd on virtual ports without a kernel behind them: CPU time a frame.

A net_pcap port hands out the same requests for ever, a net_ring port what was sent to it, so each
program is measured at its own speed. Frames are counted for each second of CPU time, for somebody
else may want the core too.
"""
import glob
import os
import random
import re
import signal
import subprocess
import sys
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

SERVER = "198.18.123.1"
PCAP_MAC = "02:70:63:61:70:00"  # net_pcap's own for its first port
RING = "net_ring0"
BURSTS_IN_FLIGHT = 16  # of 32 frames
FRAME_SIZE = 90
WARM_UP_S = 0.5
HUGEPAGES_WANTED = 1000


def write_requests(path, clients):
    random.seed(1)
    frames = []
    for _ in range(clients):
        request = b"\x23" + bytes(39) + random.randbytes(8)
        source = "10.%d.%d.%d" % (random.randrange(256), random.randrange(256), random.randrange(1, 255))
        frames.append(Ether(dst=PCAP_MAC, src="02:00:00:00:00:01") / IP(src=source, dst=SERVER, ttl=64)
                      / UDP(sport=random.randrange(1024, 65536), dport=123) / request)
    wrpcap(path, frames)


def pcap_port(pcap):
    return "net_pcap0,rx_pcap=%s,infinite_rx=1" % pcap


def memory_arguments():
    with open("/proc/meminfo") as meminfo:
        free = int(re.search(r"HugePages_Free:\s+(\d+)", meminfo.read()).group(1))
    return ["--in-memory"] if free >= HUGEPAGES_WANTED else ["--no-huge"]


def line_like(process, pattern):
    """Reads the program's output up to a line that matches; the match. SIGALRM ends a wait in vain."""
    lines = []
    for line in process.stdout:
        match = re.search(pattern, line)
        if match:
            return match
        lines.append(line)
    raise RuntimeError("no line with %r from %s:\n%s" % (pattern, process.args[0], "".join(lines[-20:])))


def cpu_seconds(pid):
    total = 0
    for path in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with open(path) as schedstat:
            total += int(schedstat.read().split()[0])
    return total / 1e9


def cpu_ns_per_frame(process, count, seconds):
    """count() tells how many frames there were so far."""
    count()
    time.sleep(WARM_UP_S)
    first, before = count(), cpu_seconds(process.pid)
    time.sleep(seconds)
    second, after = count(), cpu_seconds(process.pid)
    if second == first:
        raise RuntimeError("no frames pass through " + process.args[0])
    return 1e9 * (after - before) / (second - first)


def stop(process):
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def run_timeballd(build, folder, pcap, seconds):
    path = os.path.join(folder, "timeball.conf")
    with open(path, "w") as config:
        config.write("serve %s address %s/24\nlocal stratum 10\nallow\nnoclientlog\n" % (pcap_port(pcap), SERVER))
        config.write("cores control 0 workers 1\npidfile /\n")
        if memory_arguments() == ["--no-huge"]:
            config.write("ealarg --no-huge\n")
    process = subprocess.Popen([os.path.join(build, "app/timeballd/timeballd"), "-d", "-x", "-f", path],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def count():
        process.send_signal(signal.SIGUSR1)
        line = line_like(process, r"counters .*").group(0)
        only_answers = re.search(r": received=(\d+)( answered=\d+)? announced", line)
        if not only_answers:
            raise RuntimeError("not every request was answered: " + line)
        return int(only_answers.group(1))

    try:
        line_like(process, r"serving: ")
        return cpu_ns_per_frame(process, count, seconds)
    finally:
        stop(process)


def run_testpmd(mode, port, folder, seconds):
    process = subprocess.Popen(
        # Its answers would stay in the buffer of a pipe.
        ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", "0@0,1@1", "--main-lcore", "0", "--no-pci", "--no-telemetry",
         "--vdev", port, "--file-prefix", "timeballbench", *memory_arguments(), "-m", "256", "--",
         "-i", "--total-num-mbufs=16384", "--forward-mode=" + mode, "--no-mlockall"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder)

    def say(line):
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def count():
        say("show port stats 0")
        return int(line_like(process, r"RX-packets:\s+(\d+)").group(1))

    try:
        if mode == "csum":
            for layer in ("ip", "udp"):
                say("csum set %s sw 0" % layer)
            say("csum parse-tunnel off 0")
        if port == RING:
            # What testpmd makes is UDP over IPv4, so 5tswap has all its work to do.
            say("set txpkts %d" % FRAME_SIZE)
            say("start tx_first %d" % BURSTS_IN_FLIGHT)
        else:
            say("start")
        # A mode it does not know would not stop it.
        line_like(process, "%s packet forwarding - ports" % mode)
        return cpu_ns_per_frame(process, count, seconds)
    finally:
        stop(process)


def tsc_hz(build):
    """The counter's frequency as timeballd measures it: what the kernel told at boot is not to be had."""
    process = subprocess.Popen(
        [os.path.join(build, "app/timeballd/timeballd"), "-d", "-x", "serve net_null0 address %s/24" % SERVER,
         "local", "pidfile /", "ealarg --no-huge"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        return float(line_like(process, r"counter TSC at ([\d.]+) MHz").group(1)) * 1e6
    finally:
        stop(process)
