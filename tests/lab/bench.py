# SPDX-License-Identifier: BSD-3-Clause
"""timeball-bench against servers that are right, timeballd and chronyd, and against one that is wrong in
every way that it has a name for. How fast anything is, is not judged."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import lab
from lab import Namespace, Skip, case, check, connect, equal, give_address, peer, serve_config
from lab import wait_until, without_clock_rights
from reflector import EVERY, Reflector, Reply, stamp

BENCH = os.path.join(lab.BUILD, "app", "timeball-bench", "timeball-bench")
SERVER4, SERVER6 = "192.168.1.10", "fd00:1::10"
CLIENTS = ("--clients", "198.18.0.0/24", "--clients", "2001:2::/64", "--count", "20",
           "--address", "192.168.1.2", "--address", "fd00:1::2")
RINGS = ",blocksz=65536,framecnt=8192,framesz=2048"
# The machine may be busy: nothing is late so soon, and stamps are of one clock all the same.
PATIENT = ("--timeout", "5", "--same-clock", "--tolerance", "100")




class Bench:
    """A namespace with timeball-bench's end of a wire; tests put a server at the other end."""

    def __init__(self, lab, stack):
        check(os.access(BENCH, os.X_OK), "%s is not built" % BENCH)
        self.lab = lab
        self.stack = stack

    def wire(self, addresses=()):
        """(server's namespace, bench's namespace), connected; the server's end has addresses."""
        server, client = Namespace(), Namespace()
        connect(client, "cli0", server, "srv0", addresses)
        if not addresses:
            server.silence_kernel("srv0")
        return server, client

    def command(self, *arguments, servers=(SERVER4, SERVER6)):
        return (BENCH, "--ealarg=--no-huge", "--cpu", "0", *arguments,
                "net_af_packet0,iface=cli0" + RINGS, *servers)

    def start(self, client, *arguments):
        """The generator, running."""
        with client:
            process = subprocess.Popen(self.command(*arguments), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.stack.callback(process.kill)
        return process

    def run(self, client, *arguments, timeout=120, **options):
        """The completed process, and the report that it wrote as JSON."""
        path = self.lab.path("report.json")
        result = client.run(*self.command("--json", path, *CLIENTS, *arguments, **options),
                            timeout=timeout)
        report = None
        if os.path.exists(path):
            with open(path) as file:
                report = json.load(file)
        return result, report


def adds_up(report):
    """Of every trial, requests sent = good + failures by name + lost."""
    strays = ("duplicate", "expired", "unasked", "unreachable", "neighbor", "foreign")
    for trial in report["trials"]:
        ends = sum(count for name, count in trial["outcomes"].items() if name not in strays)
        equal(ends, trial["sent"], "requests that ended, of those sent")
        equal(sum(trial["requests"].values()), trial["sent"], "requests by mode")
        equal(sum(trial["good"].values()), trial["outcomes"]["good"], "good replies by mode")


def total(report, name):
    return sum(trial["outcomes"][name] for trial in report["trials"])


def sent(report):
    return sum(trial["sent"] for trial in report["trials"])


def is_clean(result, report):
    equal(result.returncode, 0, "exit status; %s%s" % (result.stdout, result.stderr))
    adds_up(report)
    equal(total(report, "good"), sent(report), "good replies; " + result.stdout)
    equal(report["failures"], 0, "failures")


@case("timeball", "timeballd's replies are right in both families, and all are accounted for")
def timeball(bench):
    server, client = bench.wire()
    daemon = bench.lab.daemon(server, serve_config(
        "net_af_packet0,iface=srv0%s address 192.168.1.10/24 address fd00:1::10/64" % RINGS))
    result, report = bench.run(client, *PATIENT, "--rate", "500,2000", "--duration", "0.5",
                               "--gaps", "exponential", "--interleaved", "50")
    is_clean(result, report)
    ledger = daemon.settled_ledger()
    equal(ledger["answered"] + ledger["interleaved"], sent(report), "what timeballd has answered")
    check(ledger["interleaved"] > 0, "no interleaved reply was had")
    equal(sum(trial["good"]["interleaved"] for trial in report["trials"]), ledger["interleaved"],
          "interleaved replies")
    equal([trial["purpose"] for trial in report["trials"]], ["warm_up", "rate", "rate"], "trials")
    for trial in report["trials"][1:]:
        latency = trial["latency_us"]
        check(0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["p99.9"]
              <= latency["max"], "latencies %r" % latency)
        offset = trial["transmit_offset_ns"]["basic"]
        check(offset["min"] <= offset["mean"] <= offset["max"] < 0, "offsets %r" % offset)
    daemon.stop()


@case("tagged", "the same behind a VLAN tag")
def tagged(bench):
    server, client = bench.wire()
    daemon = bench.lab.daemon(server, serve_config(
        "net_af_packet0,iface=srv0%s address 192.168.1.10/24 address fd00:1::10/64 vlan 5" % RINGS))
    is_clean(*bench.run(client, *PATIENT, "--rate", "1000", "--duration", "0.3", "--vlan", "5"))
    check(daemon.settled_ledger()["answered"] > 0, "timeballd has answered nothing")
    result, _ = bench.run(client, "--vlan", "6", "--rate", "1000")
    equal(result.returncode, 2, "exit status in another VLAN")
    check("192.168.1.10 does not answer to ARP" in result.stderr, result.stderr)
    daemon.stop()


def start_chronyd(bench, server):
    config = bench.lab.file("chrony.conf", "\n".join([
        "allow", "local stratum 10", "cmdport 0", "bindcmdaddress /",
        "pidfile " + bench.lab.path("pid"), ""]))
    with server:
        process = subprocess.Popen([peer("chronyd"), "-d", "-x", "-f", config],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=without_clock_rights)
    bench.stack.callback(process.kill)

    def listens():
        with server, open("/proc/net/udp") as sockets:
            return ":007B " in sockets.read() or process.poll() is not None
    wait_until(listens, "chronyd listens")
    equal(process.poll(), None, "chronyd's exit status")
    return process


@case("chronyd", "chronyd's replies are right in both modes; its kernel asks where each client is")
def chronyd(bench):
    server, client = bench.wire((SERVER4 + "/24", SERVER6 + "/64"))
    server.ip("route", "add", "198.18.0.0/24", "dev", "srv0")
    server.ip("route", "add", "2001:2::/64", "dev", "srv0")
    process = start_chronyd(bench, server)
    # On a busy machine all may come at once, and its socket holds some 270.
    result, report = bench.run(client, *PATIENT, "--rate", "100,250", "--duration", "0.8",
                               "--interleaved", "50")
    is_clean(result, report)
    check(total(report, "neighbor") >= 40, "only %d neighbours' questions" % total(
        report, "neighbor"))
    last = report["trials"][-1]
    check(last["good"]["interleaved"] > 0 and last["good"]["basic"] > 0, "modes %r" % last["good"])
    for mode in "basic", "interleaved":
        offset = last["transmit_offset_ns"][mode]
        check(offset["min"] <= offset["mean"] <= offset["max"] < 0, "offsets %r" % offset)
        check(last["residence_ns"][mode]["min"] > 0, "residence %r" % last["residence_ns"])
    process.terminate()
    process.wait(lab.PATIENCE)


@case("unreachable", "where nobody listens, all is lost and the kernel's word for it is counted")
def unreachable(bench):
    server, client = bench.wire((SERVER4 + "/24", SERVER6 + "/64"))
    server.ip("route", "add", "198.18.0.0/24", "via", "192.168.1.2")
    server.ip("route", "add", "2001:2::/64", "via", "fd00:1::2")
    result, report = bench.run(client, "--rate", "200", "--duration", "0.2")
    equal(result.returncode, 0, "exit status: lost is not wrong; " + result.stderr)
    adds_up(report)
    equal(total(report, "lost"), sent(report), "lost")
    check(total(report, "unreachable") > 0, "no ICMP was counted")


def single(**fields):
    """Spoils an answer by other fields."""
    def spoil(answer, _):
        for name, value in fields.items():
            setattr(answer, name, value)
        return [Reply(answer.seal(), 0)]
    return spoil


def wrong_origin(answer, _):
    answer.origin ^= 1
    return [Reply(answer.seal(), 0)]


def repeated(answer, reflector):
    before = reflector.last.get(answer.client)
    if before is None:
        return None
    answer.receive = before
    return [Reply(answer.seal(), 0)]


def disordered(answer, _):
    answer.transmit = answer.receive - (1 << 32)
    return [Reply(answer.seal(), 0)]


def shifted(seconds, which):
    def spoil(answer, _):
        for name in which:
            setattr(answer, name, stamp(seconds))
        return [Reply(answer.seal(), 0)]
    return spoil


def elsewhere(answer, _):
    """To a port of the client's that has asked nothing."""
    right = answer.seal()
    answer.client_port = 1000
    return [Reply(answer.seal(), 0), Reply(right, 0)]


def without_checksum(answer, _):
    if answer.ipv4:
        return None
    answer.no_checksum = True
    return [Reply(answer.seal(), 0)]


def only_ipv4(**fields):
    return lambda answer, reflector: single(**fields)(answer, reflector) if answer.ipv4 else None


def from_another(answer, _):
    answer.server = answer.server[:-1] + bytes([answer.server[-1] ^ 1])
    return [Reply(answer.seal(), 0)]


# (what is wrong, as what it is counted, whether the request is answered well besides)
FAULTS = [
    ("wrong origin", "origin", wrong_origin, False),
    ("no reply", "lost", lambda *_: [], False),
    ("the receive timestamp of before", "receive_repeated", repeated, False),
    ("wrong UDP checksum", "udp_checksum", single(break_udp=True), False),
    ("no UDP checksum on IPv6", "udp_checksum", without_checksum, False),
    ("wrong IPv4 checksum", "ip_checksum", only_ipv4(break_ip=True), False),
    ("another port", "source_port", single(server_port=1123), False),
    ("another address", "source_address", from_another, False),
    ("mode of a client", "mode", single(mode=3), False),
    ("version 3", "version", single(version=3), False),
    ("four octets more", "size", single(extra=bytes(4)), False),
    ("kiss-o'-death", "kiss", single(stratum=0, refid=b"RATE"), False),
    ("no time to give", "unsynchronised", single(leap=3, stratum=0, refid=bytes(4)), False),
    ("no transmit timestamp", "no_stamp", single(transmit=0), False),
    ("transmit before receive", "disorder", disordered, False),
    ("longer there than under way", "residence", shifted(5, ["transmit"]), False),
    ("received in the past", "receive_outside", shifted(-9, ["receive", "transmit"]), False),
    ("received in the future", "receive_outside", shifted(9, ["receive", "transmit"]), False),
    ("twice", "duplicate", lambda answer, _: [Reply(answer.seal(), 0)] * 2, True),
    ("to a port that has not asked", "unasked", elsewhere, True),
]


def run_spoiled(bench, spoil, *arguments, every=EVERY):
    """One trial against a reflector; (reflector, result, report)."""
    server, client = bench.wire()
    mac = server.mac("srv0").hex(":")
    with Reflector(server, "srv0", spoil, every) as reflector:
        result, report = bench.run(client, "--mac", mac, "--warm-up", "0", *arguments)
    check(report, "no report: " + result.stderr)
    adds_up(report)
    equal(sent(report), reflector.answered, "requests that the reflector saw, of those sent")
    return reflector, result, report


@case("reflector", "the reflector that is to be broken is right when it is not")
def reflector_is_right(bench):
    reflector, result, report = run_spoiled(bench, None, *PATIENT, "--rate", "400",
                                            "--duration", "0.5")
    is_clean(result, report)
    check(reflector.answered >= 200, "%d requests" % reflector.answered)


@case("faults", "each thing that a server does wrong is counted by its name, as often as it was done")
def faults(bench):
    for what, name, spoil, answered_besides in FAULTS:
        # A loss is waited out, so there the timeout is short; without one it does not matter.
        patience = ("--same-clock", "--timeout", "1") if name == "lost" else PATIENT
        reflector, result, report = run_spoiled(bench, spoil, *patience, "--rate", "250",
                                                "--duration", "0.8")
        check(reflector.spoiled >= 20, "%s: only %d spoiled" % (what, reflector.spoiled))
        counts = {key: count for key, count in report["trials"][0]["outcomes"].items() if count}
        good = reflector.answered - (0 if answered_besides else reflector.spoiled)
        equal(counts, {"good": good, name: reflector.spoiled}, what)
        equal(result.returncode, 0 if name == "lost" else 1, what + ": exit status")
        check(re.search(r"(?m)^%s +%d " % (name, reflector.spoiled), result.stdout),
              "%s: the report lacks it:\n%s" % (what, result.stdout))


@case("late", "replies after the timeout are late, not lost")
def late(bench):
    reflector, result, report = run_spoiled(
        bench, lambda answer, _: [Reply(answer.seal(), 1.3)], "--rate", "200", "--duration", "0.4",
        "--timeout", "1")
    equal(total(report, "late"), reflector.spoiled, "late")
    equal(total(report, "good"), reflector.answered - reflector.spoiled, "good")
    equal(result.returncode, 1, "exit status")


@case("stall", "a server that stalls shows in the latency of all that should have been answered then")
def stall(bench):
    pause = 0.5

    def once(answer, reflector):
        time.sleep(pause)
        return None
    # The 100th of 400 at 400/s: those of the half second after it wait for what is left of that.
    _, result, report = run_spoiled(bench, lambda answer, reflector: once(answer, reflector)
                                    if reflector.answered == 100 else None, *PATIENT,
                                    "--rate", "400", "--duration", "1", every=1)
    is_clean(result, report)
    latency = report["trials"][0]["latency_us"]
    check(latency["max"] >= pause * 1e6, "latencies %r" % latency)
    # A closed loop would show one slow reply of 400.
    check(latency["p99"] >= 0.9 * pause * 1e6, "latencies %r" % latency)


@case("stopped", "so it does when the generator stalls, and then it says that it did")
def stopped(bench):
    pause = 0.5
    server, client = bench.wire()
    path = bench.lab.path("report.json")
    with Reflector(server, "srv0") as reflector:
        process = bench.start(client, "--mac", server.mac("srv0").hex(":"), *PATIENT,
                              "--warm-up", "0", "--rate", "400", "--duration", "2", "--json", path)
        wait_until(lambda: reflector.answered >= 100, "some requests")
        process.send_signal(signal.SIGSTOP)
        os.waitpid(process.pid, os.WUNTRACED)
        time.sleep(pause)
        process.send_signal(signal.SIGCONT)
        output, _ = process.communicate(timeout=lab.PATIENCE)
    equal(process.returncode, 0, "exit status; " + output)
    with open(path) as file:
        report = json.load(file)
    adds_up(report)
    trial = report["trials"][0]
    equal((trial["sent"], trial["unsent"]), (800, 0), "requests; " + output)
    # A quarter of the requests was meant to leave meanwhile.
    for name in "latency_us", "lag_us":
        check(trial[name]["p99"] >= 0.8 * pause * 1e6, "%s %r" % (name, trial[name]))


@case("search", "the search finds the rate above which a server drops, and draws it")
def search(bench):
    window, limit = 0.2, 300
    times = []

    def drop(answer, reflector):
        now = time.monotonic()
        while times and times[0] < now - window:
            times.pop(0)
        times.append(now)
        return [] if len(times) > limit else None
    picture = bench.lab.path("bench.svg")
    drawing = ("--plot", picture) if shutil.which("gnuplot") else ()
    _, result, report = run_spoiled(
        bench, drop, "--search", "--rate", "400-6k", "--trials", "2", "--duration", "0.5",
        "--resolution", "25", "--timeout", "1", *drawing, every=1)
    equal(result.returncode, 0, "exit status; " + result.stderr)
    found = report["zero_loss"]
    # On a busy machine what is late comes in heaps, so it may be less than the limit.
    check(found["rate"] < 1.1 * limit / window, "zero-loss rate %r" % found)
    check(found["rate"] < found["failed_rate"] <= 6000, "zero-loss rate %r" % found)
    if found["rate"]:
        check(re.search(r"zero-loss rate: \d+ requests/s: 2 of 2 trials, 0 of \d+ requests lost, "
                        "so less than .* % at 95 % confidence", result.stdout), result.stdout)
        equal([trial["share"] for trial in report["trials"] if trial["purpose"] == "share"],
              [0.1, 0.5, 0.9], "shares of the zero-loss rate that were tried")
    if not drawing:
        raise Skip("no gnuplot to draw with; the rest is right")
    with open(picture) as file:
        content = file.read()
    check("</svg>" in content and "p99.9" in content, "the picture: " + content[:300])


@case("ntpperf", "ntpperf's columns")
def ntpperf(bench):
    server, client = bench.wire()
    with Reflector(server, "srv0"):
        for more, title in ((), "response time"), (("--correction", "1.5"), "TX timestamp offset"):
            result, _ = bench.run(client, "--mac", server.mac("srv0").hex(":"), *PATIENT, "--rate",
                                  "200-300", "--duration", "0.2", "--ntpperf", *more)
            lines = result.stdout.splitlines()
            check(title in lines[0], result.stdout)
            equal(lines[1], "rate   clients |  lost invalid   basic  xleave |"
                  "    min    mean     max stddev", "second line")
            rows = [re.fullmatch(r"(\d+) +40   0\.00%   0\.00% 100\.00%   0\.00% +([+-]\d+)"
                                 r" +([+-]\d+) +([+-]\d+) +\d+", line) for line in lines[2:]]
            check(all(rows), result.stdout)
            equal([row[1] for row in rows], ["200", "300"], "rates; " + result.stdout)
            for row in rows:
                low, mean, high = (int(row[i]) for i in (2, 3, 4))
                # Stamps are earlier than arrivals, and later than receipts.
                check(-1500 <= low <= mean <= high, result.stdout)


@case("refusals", "what cannot be done is said in one line, with status 2")
def refusals(bench):
    server, client = bench.wire()
    refused = [
        (("--rate", "x"), '--rate: "x" is not requests/s'),
        (("--mac", "02:00:00:00:00:01", "--json", "/nowhere/report", "--rate", "100", "--warm-up",
          "0", "--duration", "0.1"), "/nowhere/report: No such file or directory"),
        (("--rate", "100", "--ipv6", "0"), "192.168.1.10 does not answer to ARP"),
    ]
    for arguments, message in refused:
        result = client.run(*bench.command(*arguments), timeout=60)
        equal(result.returncode, 2, "exit status of %r" % (arguments,))
        equal([line for line in result.stderr.splitlines()],
              [line for line in result.stderr.splitlines() if message in line][:1],
              "what is said to %r" % (arguments,))
    result = client.run(*bench.command("--plot", "x.svg"), env=dict(os.environ, PATH="/nowhere"))
    equal(result.returncode, 2, "exit status without gnuplot")
    check("install gnuplot-nox" in result.stderr, result.stderr)
    result = client.run(BENCH, "--ealarg=--no-huge", "net_af_packet0,iface=nothing0", SERVER4)
    equal(result.returncode, 2, "exit status with no such interface")
    result = client.run(BENCH, "--help")
    equal((result.returncode, result.stdout[:6]), (0, "Usage:"), "--help")


@case("interrupt", "an interrupt ends the trial, and what there is is reported")
def interrupt(bench):
    server, client = bench.wire()
    path = bench.lab.path("report.json")
    with Reflector(server, "srv0") as reflector:
        process = bench.start(client, "--mac", server.mac("srv0").hex(":"), *PATIENT,
                              "--warm-up", "0", "--rate", "100", "--duration", "500", "--json", path)
        wait_until(lambda: reflector.answered >= 20, "some requests")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=lab.PATIENCE)
    equal(process.returncode, 0, "exit status; " + output)
    with open(path) as file:
        report = json.load(file)
    adds_up(report)
    check(sent(report) >= 20, "sent %d" % sent(report))


if __name__ == "__main__":
    lab.main(Bench)
