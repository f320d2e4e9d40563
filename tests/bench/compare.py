#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures timeball beside testpmd and chronyd, and prints one table with what was promised.

Each row compares arms that were measured in turn, in the same rounds, in an order that rotates;
its figure is the median over the rounds. A figure below its floor is told and is no failure; an arm
that could not be measured is one. Root.
"""
import argparse
import datetime
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile

import polled
import veth

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
TRIES = 3
NULL_BAND = 0.05
QUIET_LOAD = 0.5

# Programs that print lines of {"arm": NAME, "ticks_per_frame": NUMBER}, by their place in the build folder.
PROGRAMS = [["tests/bench/bench_ring", "-l", "0,1", "--main-lcore", "1", "--no-pci", "--no-telemetry", "-m", "1800",
             "--", "--json"]]

# How a row is judged: the cost of `theirs` in those of `ours` must reach the floor; or the cost of
# `ours`, in ticks, must stay within it; or both must be the same.
RATIO, LIMIT, SAME = "x", "ticks", "same"
# number, what, kind, ours, theirs, floor, goal. Where there is no floor yet, the figure alone is printed.
ROWS = [
    ("1", "net_ring, checksum given / testpmd 5tswap", RATIO, "plain", "ring 5tswap", 0.85, 1.0),
    ("2", "net_pcap, checksum verified / testpmd csum", RATIO, "pcap timeballd", "pcap csum", 1.3, 1.6),
    ("3", "net_ring, everything on, 1 M clients", LIMIT, "all-1M", None, 95, 60),
    ("3b", "the same / a plain request", RATIO, "all-1M", "plain", 0.4, 0.5),
    ("4", "net_ring, everything on, 16 M clients", LIMIT, "all-16M", None, 130, 90),
    ("5", "100,000 prefixes / 10,000, everything on", RATIO, "all-1M-100k", "all-1M", 0.9, 0.97),
    ("6", "IPv6 / IPv4, plain request", RATIO, "plain-ipv6", "plain", 0.75, 0.9),
    ("6b", "IPv6 / IPv4, everything on", RATIO, "all-1M-ipv6", "all-1M", 0.75, 0.9),
    ("7", "denied request / its answer", RATIO, "plain-denied", "plain", 1 / 0.6, 1 / 0.4),
    ("8", "full input, 90 % denied: answered of the allowed", SAME, "mixed granted", "all", None, None),
    ("9", "veth, 64 on their way, AF_XDP / chronyd", RATIO, "w64 af_xdp", "w64 chronyd", 3.5, 4.5),
    ("10", "veth, 64 on their way, AF_PACKET / chronyd", RATIO, "w64 af_packet", "w64 chronyd", 1.8, 2.1),
    ("11", "veth, one on its way, round trip, chronyd / AF_XDP", RATIO, "w1 af_xdp", "w1 chronyd", 2.8, 3.3),
    ("12", "net_ring, two workers / one", RATIO, "plain-two-workers", "plain", 1.85, 1.95),
    ("13", "null arm: AF_XDP against itself", SAME, "w64 af_xdp again", "w64 af_xdp", None, None),
    ("13a", "null arm: net_ring against itself", SAME, "plain-again", "plain", None, None),
    ("13b", "null arm: net_pcap against itself", SAME, "pcap timeballd again", "pcap timeballd", None, None),
]


# Arms that are no costs.
SHARES = {"mixed granted", "all"}


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.pcap = os.path.join(folder, "requests.pcap")
        self.tsc_hz = polled.tsc_hz(options.build)
        self.rounds = []  # of each what its arms cost
        self.details = {}
        self.failures = {}
        self.measured = set()  # names of sources
        polled.write_requests(self.pcap, options.clients)

    def ticks(self, cpu_ns):
        return cpu_ns * self.tsc_hz / 1e9

    def pcap_timeballd(self):
        return self.ticks(polled.run_timeballd(self.options.build, self.folder, self.pcap, self.options.seconds))

    def testpmd(self, mode, port):
        return self.ticks(polled.run_testpmd(mode, port, self.folder, self.options.seconds))

    def on_veth(self, arm, server, window):
        result = veth.run(server, self.options, window)
        self.details.setdefault(arm, []).append(result)
        return result["trip_ns"] / window

    def sources(self):
        """Name: a function that measures once and returns the cost of each arm it has measured."""
        port = polled.pcap_port(self.pcap)
        one_arm = {
            "ring 5tswap": lambda: self.testpmd("5tswap", polled.RING),
            "pcap timeballd": self.pcap_timeballd,
            "pcap csum": lambda: self.testpmd("csum", port),
            "pcap 5tswap": lambda: self.testpmd("5tswap", port),
            "pcap timeballd again": self.pcap_timeballd,
        }
        for window in 64, 1:
            for server in veth.SERVERS:
                arm = "w%d %s" % (window, server)
                one_arm[arm] = lambda arm=arm, server=server, window=window: self.on_veth(arm, server, window)
        one_arm["w64 af_xdp again"] = lambda: self.on_veth("w64 af_xdp again", "af_xdp", 64)
        result = {arm: (lambda arm=arm, measure=measure: {arm: measure()}) for arm, measure in one_arm.items()}
        for program in PROGRAMS:
            result[os.path.basename(program[0])] = lambda program=program: self.run_program(program)
        return {name: source for name, source in result.items() if re.search(self.options.only, name)}

    def run_program(self, program):
        path = os.path.join(self.options.build, program[0])
        memory = polled.memory_arguments()
        result = subprocess.run(["nice", "-n", "-19", path, *memory, *program[1:]], capture_output=True, text=True,
                                stdin=subprocess.DEVNULL)
        if result.returncode != 0:
            raise RuntimeError("%s: %s" % (path, result.stderr.strip()))
        lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
        costs_of = {line["arm"]: line["ticks_per_frame"] for line in lines}
        granted = {"mixed granted": line["granted"] for line in lines if line["arm"] == "plain-mixed"}
        return costs_of | granted | {"all": 1}  # SHARES

    def measure(self, name, source):
        for _ in range(TRIES if name not in self.failures else 1):
            try:
                signal.alarm(int(self.options.seconds) + 240)
                self.rounds[-1].update(source())
                self.measured.add(name)
                return
            except Exception as problem:  # the other arms are measured all the same
                reason = "%s: %s" % (type(problem).__name__, problem)
                print("%s: %s" % (name, reason), file=sys.stderr)
            finally:
                signal.alarm(0)
        self.failures[name] = reason

    def run(self):
        sources = list(self.sources().items())
        for number in range(self.options.rounds):
            start = number * len(sources) // self.options.rounds
            self.rounds.append({})
            for name, source in sources[start:] + sources[:start]:
                self.measure(name, source)
            print("round %d of %d done" % (number + 1, self.options.rounds), file=sys.stderr)


def costs(rounds, arm):
    return [costs[arm] for costs in rounds if arm in costs]


def figures_of(rounds, row):
    """The row's figure in each round that has all of its arms."""
    _, _, kind, ours, theirs, _, _ = row
    if kind == LIMIT:
        return costs(rounds, ours)
    return [costs[theirs] / costs[ours] for costs in rounds if ours in costs and theirs in costs]


def verdict_of(row, figure):
    _, _, kind, _, _, floor, goal = row
    if kind == SAME:
        return "ok" if abs(figure - 1) <= NULL_BAND else "TOO FAR FROM 1"
    if floor is None:
        return "-"
    if figure >= goal if kind == RATIO else figure <= goal:
        return "goal"
    if figure >= floor if kind == RATIO else figure <= floor:
        return "floor"
    return "BELOW FLOOR" if kind == RATIO else "ABOVE LIMIT"


def judge(rounds):
    result = []
    for row in ROWS:
        number, what, kind, ours, theirs, floor, goal = row
        figures = figures_of(rounds, row)
        entry = {"row": number, "what": what, "kind": kind, "ours": ours, "theirs": theirs, "floor": floor,
                 "goal": goal, "rounds": len(figures)}
        if figures:
            figure = statistics.median(figures)
            entry.update(figure=round(figure, 3), least=round(min(figures), 3), most=round(max(figures), 3),
                         verdict=verdict_of(row, figure))
        else:
            entry["verdict"] = "NOT MEASURED"
        result.append(entry)
    return result


def output_of(*command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        return (result.stdout or result.stderr).strip().split("\n")[0]
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"


def describe(bench):
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"model name\s*: (.*)", cpuinfo.read())
    options = bench.options
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "cpu": model.group(1) if model else "unknown",
        "cores": os.cpu_count(),
        "tsc_mhz": round(bench.tsc_hz / 1e6, 3),
        "syscall_ns": round(veth.system_call_ns(), 0),
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "memory": "hugepages" if polled.memory_arguments() == ["--in-memory"] else "no hugepages",
        "dpdk": output_of("pkg-config", "--modversion", "libdpdk"),
        "chrony": output_of(os.path.join(options.peers, "chronyd"), "-v").split(" (+")[0],
        "timeball": output_of("git", "-c", "safe.directory=*", "-C", ROOT, "describe", "--always", "--dirty"),
        "rounds": options.rounds, "seconds": options.seconds, "pcap_clients": options.clients,
    }


def number(value):
    return "-" if value is None else "%g" % value


def print_table(machine, rows, rounds):
    print("%(cpu)s, %(cores)d cores, TSC %(tsc_mhz).3f MHz, a system call %(syscall_ns).0f ns, "
          "kernel %(kernel)s" % machine)
    print("timeball %(timeball)s, DPDK %(dpdk)s, %(chrony)s; %(memory)s" % machine)
    print("medians of %(rounds)d rounds of %(seconds)g s, in brackets the least and the most" % machine)
    if machine["load"] > QUIET_LOAD:
        print("NOT QUIET: load average %(load).1f before, trust no row further than the null arms allow" % machine)
    print()
    print("%-4s %-51s %6s %6s  %-22s %s" % ("row", "what", "floor", "goal", "measured", "verdict"))
    for row in rows:
        if "figure" in row:
            form = "%.1f [%.1f-%.1f]" if row["kind"] == LIMIT else "%.2f [%.2f-%.2f]"
            measured = form % (row["figure"], row["least"], row["most"])
        else:
            measured = "-"
        print("%-4s %-51s %6s %6s  %-22s %s" % (row["row"], row["what"], number(row["floor"]), number(row["goal"]),
                                               measured, row["verdict"]))
    print("\n%-22s %s" % ("arm", "cost of a request [least-most]"))
    for arm in (arm for arm in arms_of(rounds) if arm not in SHARES):
        own = costs(rounds, arm)
        if arm in veth_arms():
            text = "%.0f ns [%.0f-%.0f], %.0f a second" % (
                statistics.median(own), min(own), max(own), 1e9 / statistics.median(own))
        else:
            text = "%.1f ticks [%.1f-%.1f]" % (statistics.median(own), min(own), max(own))
        print("%-22s %s" % (arm, text))


def arms_of(rounds):
    return sorted({arm for costs in rounds for arm in costs})


def veth_arms():
    return ["w%d %s%s" % (window, server, again) for window in (1, 64) for server in veth.SERVERS
            for again in ("", " again")]


def write_plots(folder, rows, bench):
    """Data beside the pictures, so that others can be made of it."""
    def write(name, lines):
        with open(os.path.join(folder, name), "w") as file:
            file.writelines("\t".join(map(str, line)) + "\n" for line in lines)

    write("ratios.tsv", [(row["row"], "%(row)s: %(ours)s / %(theirs)s" % row, row["figure"], row["least"], row["most"],
                          row["floor"] or "NaN", row["goal"] or "NaN")
                         for row in rows if "figure" in row and row["kind"] == RATIO])
    for name, on_veth in ("ticks.tsv", False), ("veth.tsv", True):
        own = {arm: costs(bench.rounds, arm) for arm in arms_of(bench.rounds)
               if (arm in veth_arms()) == on_veth and arm not in SHARES}
        write(name, [(arm, statistics.median(cost), min(cost), max(cost)) for arm, cost in own.items()])
    for server in veth.SERVERS:
        details = bench.details.get("w1 " + server, [])
        write("round-trip-%s.tsv" % server, [
            (part, statistics.median(dict(detail["quantiles_ns"])[part] for detail in details))
            for part, _ in (details[0]["quantiles_ns"] if details else [])])
    return subprocess.run(["gnuplot", os.path.join(HERE, "plots.gp")], cwd=folder).returncode


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", help="the build folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="for one arm in one round")
    # The port keeps a buffer for each, of the 4095 that timeballd gives it, and needs some more.
    parser.add_argument("--clients", type=int, default=3500, help="of the requests on net_pcap")
    parser.add_argument("--only", default="", help="sources whose names match this expression")
    parser.add_argument("--output", help="folder for the results (BUILD/bench)")
    parser.add_argument("--peers", help="folder of chronyd (BUILD/peers/bin)")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.output = options.output or os.path.join(options.build, "bench")
    options.peers = options.peers or os.path.join(options.build, "peers", "bin")
    return options


def time_out(*_):
    raise TimeoutError("no end")


def main():
    options = parse_arguments()
    os.makedirs(options.output, exist_ok=True)
    signal.signal(signal.SIGALRM, time_out)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with all that was started
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        bench = Bench(options, folder)
        machine = describe(bench)
        bench.run()
    rows = judge(bench.rounds)
    with open(os.path.join(options.output, "compare.json"), "w") as file:
        json.dump({"machine": machine, "rows": rows, "rounds": bench.rounds, "veth": bench.details,
                   "failures": bench.failures}, file, indent=1)
        file.write("\n")
    print_table(machine, rows, bench.rounds)
    plotted = write_plots(options.output, rows, bench)
    missing = sorted(bench.sources().keys() - bench.measured)
    missing += ["row " + row["row"] for row in rows if row["verdict"] == "NOT MEASURED" and not options.only]
    if missing:
        print("not measured: " + ", ".join(missing), file=sys.stderr)
    return 1 if missing or plotted != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
