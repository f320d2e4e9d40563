# SPDX-License-Identifier: BSD-3-Clause
"""The `system` clock driver, where it can do no harm: timeballd steers the clock of a guest, as a client
of a server on this side, whose clock is the truth. The guest's clock is made wrong, and asked over UDP
what it shows and what its kernel says of it. chronyd goes through the same, for comparison: what is
asked for here is what it does."""

import glob
import json
import os
import re
import socket
import subprocess
import time

import lab
from guest import Guest, build_archive
from lab import BUILD, Namespace, Skip, case, check, equal, peer, wait_until

HOST, GUEST, NOBODY = "10.0.0.1", "10.0.0.2", "10.0.0.9"
CLOCK_PORT = 9999
COMMANDS = {
    "chronyd": "chronyd -u root",
    "timeballd": "/timeball/build/app/timeballd/timeballd",
}
# Of what either says, what the other need not: coming and going, and what is no verdict.
OWN_LINES = (r"starting|stopping|exiting|Running with root privileges|Initial frequency"
             r"|Disabled control of system clock|^server ")

STA_UNSYNC = 0x40
# adjtimex(2): the bits that have the kernel do something by itself, PLL, PPS, leap seconds, FLL.
STA_KERNEL_STEERS = 0x01 | 0x02 | 0x04 | 0x10 | 0x20 | 0x08
UNSYNCHRONISED_US = 16_000_000
MS = 1_000_000

STEP_MS, SLEW_MS = 500, 100
STEP_THRESHOLD_S = 0.3
SPOILED_PPM = 300
SLEW_PPM = 5000
FREQUENCY_LIMIT_PPM = 100
EARLY_LIMIT_PPM = 1000
# A bound that is worth something, here where a request takes about 2 ms.
USEFUL_BOUND_MS = 50
WATCH_S = 12
WATCH_AFTER_S = 4
ASK_PATIENCE = 5

CONFIG = """server %s iburst minpoll 0 maxpoll 1
makestep %%s 3
maxslewrate %%d
rtcsync
driftfile /drift
pidfile /client.pid
port 0
cmdport 0
""" % HOST


class Sample:
    """What the guest's clock showed at some moment between two of ours, and what its kernel said."""

    def __init__(self, before_ns, fields, after_ns):
        self.at_ns = (before_ns + after_ns) // 2
        self.trip_ns = after_ns - before_ns
        self.offset_ns = fields["ns"] - self.at_ns
        self.raw_ns = fields["raw_ns"] - self.at_ns
        # Steps, and nothing else, change it.
        self.ahead_ns = fields["ahead_ns"]
        self.status, self.bound_us = fields["status"], fields["maxerror"]
        self.pending = fields["offset"], fields["adjtime"]
        self.set_ppm = (fields["tick"] - 10000) * 100 + fields["freq"] / 65536

    def synchronised(self):
        return not self.status & STA_UNSYNC and self.bound_us < UNSYNCHRONISED_US

    def beyond_us(self):
        """By how much it is more wrong than its kernel claims, as far as can be told from here."""
        return (abs(self.offset_ns) - self.trip_ns / 2) / 1e3 - self.bound_us

    def drift_since(self, other, of="offset_ns"):
        """By how many ppm it ran fast since that sample; and how far that may be wrong."""
        seconds = (self.at_ns - other.at_ns) / 1e9
        return ((getattr(self, of) - getattr(other, of)) / 1e3 / seconds,
                (self.trip_ns + other.trip_ns) / 2e3 / seconds)

    def __str__(self):
        return "off %.2f ms +- %.2f, bound %.2f ms, status %#x, set %+.1f ppm" % (
            self.offset_ns / MS, self.trip_ns / 2 / MS, self.bound_us / 1e3, self.status,
            self.set_ppm)


class Client:
    """A daemon in the guest, in the foreground with its log in a file. `with` it: a failure shows the
    log, and it does not outlive its case."""

    def __init__(self, bench, name, config):
        self.guest = bench.guest
        self.log_path = "/%s.log" % name
        # What the other promises is not ours to answer for.
        self.slack_us = 0 if name == "timeballd" else 5000
        self.guest.must("printf '%s' >/client.conf; rm -f /status" % config.replace("\n", "\\n"))
        self.guest.must("{ %s -d -f /client.conf & echo $! >/pid; wait $!; echo $? >/status; } "
                        ">%s 2>&1 &" % (COMMANDS[name], self.log_path))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind and issubclass(kind, AssertionError):
            raise AssertionError("%s\nlog:\n%s" % (error, self.log())) from error
        self.guest.run("[ -e /status ] || kill -9 $(cat /pid)")

    def log(self):
        return self.guest.log(self.log_path)

    def check_bounds(self, samples):
        for sample in samples:
            check(sample.synchronised(), "not synchronised: %s" % sample)
            check(sample.beyond_us() <= self.slack_us, "beyond its bound by %.0f us: %s" % (
                sample.beyond_us(), sample))

    def status(self):
        status, said = self.guest.run("cat /status")
        return said.strip() if status == 0 else None

    def end(self):
        """Ends it as an operator does; it must have run until then, and say that all is well."""
        equal(self.status(), None, "exit status before its time")
        self.guest.must("kill $(cat /pid)")
        equal(wait_until(self.status, "the end", every=0.1), "0", "exit status")


class Bench:
    def __init__(self, lab, stack):
        self.net = Namespace()
        self.make_tap()
        files = build_archive(lab.path("files"), [
            *self.files_of_chronyd(), (os.path.join(BUILD, "tests/lab/guest_clock"), "bin/guest_clock")])
        self.serve(lab, stack)
        with self.net:
            # On a busy machine the guest's kernel mistakes its TSC's frequency, by a factor of 4 as seen.
            self.guest = Guest(lab, files, (), arguments="timeball.guest clocksource=hpet", machine=(
                "-netdev", "tap,id=net,ifname=tap0,script=no,downscript=no",
                "-device", "virtio-net-pci,netdev=net,romfile="))
            stack.callback(self.guest.close)
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.socket.connect((GUEST, CLOCK_PORT))
        stack.callback(self.socket.close)
        self.guest.must("modprobe virtio_pci && modprobe virtio_net && ip link set eth0 up && "
                        "ip address add %s/24 dev eth0" % GUEST)
        self.guest.must("mkdir -p /etc && echo root:x:0:0::/:/bin/bash >/etc/passwd")
        self.guest.must("guest_clock answer %d >/dev/null 2>&1 &" % CLOCK_PORT)
        self.questions = 0
        self.first = self.ask(30)

    def make_tap(self):
        try:
            self.net.ip("tuntap", "add", "dev", "tap0", "mode", "tap")
        except AssertionError as error:
            raise Skip("no TAP device for the guest: %s" % error)
        self.net.ip("address", "add", HOST + "/24", "dev", "tap0")
        self.net.ip("link", "set", "tap0", "up")

    @staticmethod
    def files_of_chronyd():
        folder = os.path.join(os.path.dirname(peer("chronyd")), "..", "chrony")
        libraries = glob.glob(folder + "/lib/*/*.so*") + glob.glob(folder + "/usr/lib/*/*.so*")
        return [(os.path.join(folder, "usr/sbin/chronyd"), "bin/chronyd"),
                *((path, "usr/lib/" + os.path.basename(path)) for path in libraries)]

    def serve(self, lab, stack):
        config = lab.file("server.conf", "local stratum 8\nallow\ncmdport 0\nbindcmdaddress /\n"
                          "pidfile %s\n" % lab.path("server.pid"))
        with self.net, open(lab.path("server.log"), "w") as log:
            server = subprocess.Popen([peer("chronyd"), "-x", "-d", "-f", config], stdout=log,
                                      stderr=log, stdin=subprocess.DEVNULL)
        stack.callback(server.kill)

    def ask_once(self):
        self.questions += 1
        self.socket.settimeout(ASK_PATIENCE)
        before_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        try:
            self.socket.send(b"%d" % self.questions)
            while (fields := json.loads(self.socket.recv(4096)))["question"] != self.questions:
                pass
        except (TimeoutError, ConnectionRefusedError):
            return None
        return Sample(before_ns, fields, time.clock_gettime_ns(time.CLOCK_REALTIME))

    def ask(self, times=10):
        """The quickest answer of several."""
        samples = [wait_until(self.ask_once, "the guest's clock answers")]
        samples += [self.ask_once() for _ in range(times - 1)]
        return min(filter(None, samples), key=lambda sample: sample.trip_ns)

    def watch(self, seconds, until=lambda sample: False):
        """Samples for so long, or until one is as wanted."""
        samples = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not (samples and until(samples[-1])):
            time.sleep(0.1)
            samples.append(self.ask(3))
        return samples

    def spoil(self, milliseconds):
        """Makes the guest's clock so wrong, and run wrong."""
        self.guest.must("guest_clock spoil %d %d" % (milliseconds * MS - self.ask().offset_ns,
                                                    SPOILED_PPM))
        spoiled = self.ask()
        check(abs(spoiled.offset_ns - milliseconds * MS) < 5 * MS + spoiled.trip_ns, str(spoiled))
        check(not spoiled.synchronised(), str(spoiled))
        return spoiled

    def natural_ppm(self):
        """By how much the guest's undisturbed clock is fast, to a fraction of what is asked for."""
        def measured():
            ppm, error_ppm = self.ask().drift_since(self.first, "raw_ns")
            return error_ppm < FREQUENCY_LIMIT_PPM / 2 and (ppm,)
        return wait_until(measured, "the guest answers soon enough to tell its frequency", 60)[0]

    def check_left_sane(self, client, limit_ppm=FREQUENCY_LIMIT_PPM):
        """Nobody steers: the kernel's clock runs on right, and nothing is still to come."""
        samples = self.watch(WATCH_AFTER_S)
        client.check_bounds(samples)
        first, last = samples[0], samples[-1]
        natural_ppm = self.natural_ppm()
        error_ppm = last.set_ppm + natural_ppm
        print("  left: %s; natural %+.1f ppm, remaining %+.1f ppm" % (
            last, natural_ppm, error_ppm))
        check(abs(error_ppm) < limit_ppm, "frequency left wrong: %s" % last)
        drift_ppm, drift_error_ppm = last.drift_since(first)
        check(abs(drift_ppm) < limit_ppm + drift_error_ppm, "the clock runs away by %.0f "
              "+- %.0f ppm: %s" % (drift_ppm, drift_error_ppm, last))
        for sample in samples:
            equal(sample.status & STA_KERNEL_STEERS, 0, "bits of the kernel's own steering")
            equal(sample.pending, (0, 0), "offset still to be slewed by the kernel")
            equal(sample.set_ppm, last.set_ppm, "frequency, ppm")


def steps_of(samples):
    """In ms, those over one."""
    changes = [(after.ahead_ns - before.ahead_ns) / MS for before, after in zip(samples, samples[1:])]
    return [change for change in changes if abs(change) > 1]


def step_and_hold(bench, name):
    """half a second is stepped, the rest slewed; the kernel knows how right it is, and so it is"""
    bench.guest.must("rm -f /drift")
    spoiled = bench.spoil(STEP_MS)
    with Client(bench, name, CONFIG % (STEP_THRESHOLD_S, SLEW_PPM)) as client:
        samples = bench.watch(40, Sample.synchronised)
        held = bench.watch(WATCH_S)
        client.check_bounds(samples[-1:] + held)
        client.end()

        steps, last = steps_of([spoiled, *samples, *held]), held[-1]
        print("  synchronised after %.1f s, stepped by %s ms; bounds %s ms, at last %s" % (
            (samples[-1].at_ns - spoiled.at_ns) / 1e9, steps,
            " ".join("%.2f" % (sample.bound_us / 1e3) for sample in held[::10]), last))
        equal(len(steps), 1, "number of steps")
        check(abs(steps[0] + STEP_MS) < USEFUL_BOUND_MS, "stepped by %.1f ms" % steps[0])
        check(re.search(r"stepped by -0\.[45]", client.log()), "not said that it was stepped")
        check(last.bound_us < USEFUL_BOUND_MS * 1000, "a bound worth little: %s" % last)
        bench.check_left_sane(client)
        drift_ppm = float(bench.guest.must("cat /drift").split()[0])
        check(abs(drift_ppm - bench.natural_ppm()) < FREQUENCY_LIMIT_PPM,
              "driftfile: %.1f ppm" % drift_ppm)


def slew_and_leave(bench, name):
    """less than may be stepped is slewed, no faster than allowed; ended meanwhile it leaves no slew"""
    bench.guest.must("rm -f /drift")
    spoiled = bench.spoil(SLEW_MS)
    with Client(bench, name, CONFIG % (STEP_THRESHOLD_S, SLEW_PPM)) as client:
        samples = bench.watch(60, lambda sample: sample.offset_ns < SLEW_MS * MS * 0.7)
        client.end()

        equal(steps_of([spoiled, *samples, bench.ask()]), [], "steps")
        last = samples[-1]
        check(SLEW_MS * 0.3 < last.offset_ns / MS < SLEW_MS * 0.75, "not slewed: %s" % last)
        client.check_bounds([sample for sample in samples if sample.synchronised()])
        natural_ppm = bench.natural_ppm()
        fastest_ppm = max(abs(sample.set_ppm + natural_ppm) for sample in samples[1:])
        print("  slewed at up to %.0f ppm, ended at %s" % (fastest_ppm, last))
        # On top of a frequency that both have only just begun to learn.
        check(SLEW_PPM / 2 < fastest_ppm < SLEW_PPM + EARLY_LIMIT_PPM, "slewed at %.0f ppm" % fastest_ppm)
        bench.check_left_sane(client, EARLY_LIMIT_PPM)


for daemon in COMMANDS:
    case(daemon + "-steps", daemon + ": " + step_and_hold.__doc__)(
        lambda bench, daemon=daemon: step_and_hold(bench, daemon))
    case(daemon + "-slews", daemon + ": " + slew_and_leave.__doc__)(
        lambda bench, daemon=daemon: slew_and_leave(bench, daemon))


@case("meddled", "timeballd: a step and a change of frequency by somebody else are mended, no claim is wrong")
def meddled(bench):
    bench.guest.must("rm -f /drift")
    bench.spoil(-STEP_MS)
    with Client(bench, "timeballd", CONFIG % (STEP_THRESHOLD_S, 3 * SLEW_PPM)) as client:
        bench.watch(40, Sample.synchronised)
        client.check_bounds(bench.watch(3))
        bench.spoil(SLEW_MS)
        samples = bench.watch(40, lambda sample: sample.synchronised()
                              and abs(sample.offset_ns) < USEFUL_BOUND_MS * MS / 10)
        client.check_bounds([it for it in samples if it.synchronised()] + bench.watch(3))
        print("  mended in %d samples, the last %s" % (len(samples), samples[-1]))
        client.end()


def plain(said):
    """Without time, name and figures, and without what only one of them says."""
    lines = [re.sub(r"^\S+Z ", "", line) for line in said.splitlines()]
    return [re.sub(r"-?\d+\.\d+", "N", re.sub("chronyd|timeballd", "NAME", line))
            for line in lines if not re.search(OWN_LINES, line)]


@case("once", "-Q says how wrong the clock is, -q sets it, both in chronyd's words")
def once(bench):
    for option, stays in ("-Q", True), ("-q", False):
        told = {}
        for name, command in COMMANDS.items():
            before = bench.spoil(STEP_MS)
            status, said = bench.guest.run("%s %s 'server %s iburst' 'pidfile /p' 2>&1"
                                           % (command, option, HOST))
            equal(status, 0, "status of %s %s, which said\n%s" % (name, option, said))
            found = re.search(r"System clock wrong by (\S+) seconds", said)
            check(found, "%s %s said\n%s" % (name, option, said))
            wrong_ms = float(found[1]) * 1000
            check(abs(wrong_ms + STEP_MS) < USEFUL_BOUND_MS, "%s: wrong by %s" % (name, found[1]))
            after = bench.ask()
            stepped = steps_of([before, after])
            print("  %s %s: wrong by %.2f ms, stepped %s, then %s" % (
                name, option, wrong_ms, stepped, after))
            equal(len(stepped), 0 if stays else 1, "steps of %s %s" % (name, option))
            if not stays:
                check(abs(after.offset_ns) < USEFUL_BOUND_MS * MS, "after -q: %s" % after)
            told[name] = plain(said)
        equal(told["timeballd"], told["chronyd"], "what %s says" % option)


@case("nobody", "-Q where no server answers, as nobody: given up in chronyd's words, soon or at the -t given")
def nobody(bench):
    # Both at once, for neither touches the clock.
    for arguments in "-Q", "-Q -t 3":
        for name, command in COMMANDS.items():
            bench.guest.must("{ setpriv --reuid=65534 --clear-groups %s %s 'server %s iburst'; echo $?; } "
                             ">/tmp/%s 2>&1 &" % (command, arguments, NOBODY, name))
        told = {name: wait_until(lambda name=name: re.search(r"\n\d+\n$", bench.guest.log("/tmp/" + name))
                                 and bench.guest.log("/tmp/" + name), name + " gives up", 40, every=0.5)
                for name in COMMANDS}
        equal(plain(told["timeballd"]), plain(told["chronyd"]), "what %s says" % arguments)


@case("rival", "where chronyd steers the clock timeballd does not, says why, and names `clock follow`")
def rival(bench):
    bench.guest.must("rm -f /drift")
    with Client(bench, "chronyd", CONFIG % (STEP_THRESHOLD_S, SLEW_PPM)):
        before = bench.watch(40, Sample.synchronised)[-1]
        bench.guest.refused("%s -d -t 10 'server %s iburst' 'pidfile /' 2>&1" % (COMMANDS["timeballd"], HOST),
                            "chronyd", "clock follow")
        equal(steps_of([before, bench.ask()]), [], "steps")


if __name__ == "__main__":
    lab.main(Bench)
