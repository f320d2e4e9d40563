#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""What a plain request costs the real daemon, beside testpmd on the same virtual port.

A net_pcap port hands out the same requests for ever, so each program is measured at its own speed:
TSC ticks per frame = TSC frequency / frames per second of CPU time (somebody else may want the core). Arms are rotated, medians are printed.
Usage: compare.py BUILD [--runs N] [--seconds S] [--clients N] [--json]. Root.
"""
import argparse
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

SERVER = "198.18.123.1"
ARMS = ["timeballd", "5tswap", "csum"]


def write_requests(path, mac, clients):
    random.seed(1)
    request = b"\x23" + bytes(39) + bytes(random.randbytes(8))
    frames = []
    for _ in range(clients):
        source = "10.%d.%d.%d" % (random.randrange(256), random.randrange(256), random.randrange(1, 255))
        frames.append(Ether(dst=mac, src="02:00:00:00:00:01") / IP(src=source, dst=SERVER, ttl=64)
                      / UDP(sport=random.randrange(1024, 65536), dport=123) / request)
    wrpcap(path, frames)


def vdev(pcap):
    return "net_pcap0,rx_pcap=%s,infinite_rx=1" % pcap


def memory_arguments():
    with open("/proc/meminfo") as meminfo:
        free = int(re.search(r"HugePages_Free:\s+(\d+)", meminfo.read()).group(1))
    return ["--in-memory"] if free >= 128 else ["--no-huge"]


def line_like(process, pattern):
    """Reads the program's output up to a line that matches; the match. SIGALRM ends a wait in vain."""
    for line in process.stdout:
        match = re.search(pattern, line)
        if match:
            return match
    raise RuntimeError("no line with %r from %s" % (pattern, process.args[0]))


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def frames_per_second(process, count, seconds):
    """count() tells how many frames there were so far. Per second of CPU time."""
    count()
    time.sleep(0.5)
    first, before = count(), cpu_seconds(process.pid)
    time.sleep(seconds)
    second, after = count(), cpu_seconds(process.pid)
    return (second - first) / (after - before)


def run_timeballd(build, folder, pcap, seconds):
    path = os.path.join(folder, "timeball.conf")
    with open(path, "w") as config:
        config.write("serve %s address %s/24\nlocal stratum 10\nallow\ncores control 0 workers 1\npidfile /\n"
                     % (vdev(pcap), SERVER))
        if memory_arguments() == ["--no-huge"]:
            config.write("ealarg --no-huge\n")
    process = subprocess.Popen([os.path.join(build, "app/timeballd/timeballd"), "-d", "-x", "-f", path],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def count():
        process.send_signal(signal.SIGUSR1)
        line = line_like(process, r"counters .*").group(0)
        only_answers = re.search(r": received=(\d+) answered=\d+ announced", line)
        if not only_answers:
            raise RuntimeError("not every request was answered: " + line)
        return int(only_answers.group(1))

    try:
        frequency = line_like(process, r"counter TSC at ([\d.]+) MHz")
        line_like(process, r"serving: ")
        return frames_per_second(process, count, seconds), float(frequency.group(1)) * 1e6
    finally:
        process.terminate()
        process.communicate(timeout=10)


def run_testpmd(mode, folder, pcap, seconds):
    process = subprocess.Popen(
        # Its answers would stay in the buffer of a pipe.
        ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", "0@0,1@1", "--main-lcore", "0", "--no-pci", "--no-telemetry", "--vdev", vdev(pcap),
         "--file-prefix", "timeballbench", *memory_arguments(), "-m", "256", "--",
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
        say("start")
        return frames_per_second(process, count, seconds)
    finally:
        say("stop")
        say("quit")
        process.communicate(timeout=20)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--clients", type=int, default=2048)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ticks = {arm: [] for arm in ARMS}
    with tempfile.TemporaryDirectory() as folder:
        pcap = os.path.join(folder, "requests.pcap")
        # net_pcap's own address for its first port.
        write_requests(pcap, "02:70:63:61:70:00", options.clients)
        frequency = 0.0
        for run in range(options.runs):
            for arm in ARMS[run % 3:] + ARMS[:run % 3]:
                signal.alarm(int(options.seconds) + 30)
                if arm == "timeballd":
                    rate, frequency = run_timeballd(options.build, folder, pcap, options.seconds)
                else:
                    rate = run_testpmd(arm, folder, pcap, options.seconds)
                ticks[arm].append(rate)
    medians = {arm: statistics.median(frequency / rate for rate in rates) for arm, rates in ticks.items()}
    result = {
        "port": "net_pcap infinite_rx", "clients": options.clients, "runs": options.runs,
        "memory": memory_arguments()[0], "ticks_per_frame": {arm: round(medians[arm], 1) for arm in ARMS},
        "speed_against_5tswap": round(medians["5tswap"] / medians["timeballd"], 2),
        "speed_against_csum": round(medians["csum"] / medians["timeballd"], 2),
    }
    if options.json:
        print(json.dumps(result))
        return 0
    print("one core, %s, %d clients, %d runs, medians (fastest .. slowest)" % (
        result["port"], options.clients, options.runs))
    for arm in ARMS:
        runs = sorted(frequency / rate for rate in ticks[arm])
        print("%-10s %7.1f TSC ticks a frame (%.1f .. %.1f), %.1f M frames/s" % (
            arm, medians[arm], runs[0], runs[-1], frequency / medians[arm] / 1e6))
    print("speed: %.2f of 5tswap, %.2f of csum" % (
        result["speed_against_5tswap"], result["speed_against_csum"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
