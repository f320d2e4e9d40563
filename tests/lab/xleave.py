# SPDX-License-Identifier: BSD-3-Clause
"""Interleaved mode (RFC 9769): whole frames that ask for it rightly and wrongly, and chronyd."""

import os
import random
import re
import statistics
import subprocess
import time

import lab
from lab import Namespace, case, check, connect, equal, peer, serve_config, wait_until
from lab import without_clock_rights
from packets import CLIENT6, Answer, ntp, udp_payload, unix_time
from wire_bench import ANSWER_PATIENCE, WireBench

SLACK = 0.05
BASIC, INTERLEAVED = "basic", "interleaved"


class Xleave:
    def __init__(self, lab, stack):
        self.lab = lab
        self.stack = stack
        self.bench = WireBench(lab, start=False)
        self.start()
        self.bench.wait_quiet()

    def start(self, *more, bench=None):
        bench = bench or self.bench
        if self.bench.daemon:
            self.bench.daemon.stop()
        bench.start(serve_config(bench.serve, more=more))
        self.bench = bench
        return bench.daemon

    def client(self, source="192.168.1.11", port=40000):
        return Client(self.bench, source, port)


def any_stamp(odd=None):
    stamp = random.getrandbits(64)
    return stamp if odd is None else stamp & ~1 | odd


class Client:
    """One that keeps all it sees, and holds every answer against it."""

    def __init__(self, bench, source, port):
        self.bench = bench
        self.source = source
        self.port = port
        self.answers = []
        self.arrived = {}  # when the answer with this receive timestamp came

    def ask(self, origin=None, receive=None, transmit=None, version=4, lose=False):
        """A request that refers to our last answer unless told otherwise. Returns the mode of the
        answer; `lose`: the client never sees it."""
        last = self.answers[-1] if self.answers else None
        origin = origin if origin is not None else last.receive if last else 0
        receive = receive if receive is not None else any_stamp() if origin else 0
        transmit = any_stamp() if transmit is None else transmit
        frame = self.bench.request(ntp(version, origin=origin, receive=receive,
                                       transmit=transmit), source=self.source, port=self.port)
        sent = time.time()
        self.bench.wire.send(frame)
        reply = self.bench.wire.wait_for(
            lambda it: answers(it, receive, transmit), ANSWER_PATIENCE)[0]
        got = time.time()
        check(reply, "no answer; log:\n" + self.bench.daemon.story())
        self.bench.verify_turned(frame, reply)
        answer = Answer(udp_payload(reply))
        equal((answer.mode, answer.version), (4, version), "mode and version")
        mode = self.judge(answer, origin, receive, transmit, sent, got)
        if not lose:
            self.answers.append(answer)
        self.arrived[answer.receive] = got, answer
        return mode

    def judge(self, answer, origin, receive, transmit, sent, got):
        equal((answer.receive & 1, answer.transmit & 1), (1, 0), "low bits of receive, transmit")
        check(answer.receive not in self.arrived, "a receive timestamp twice")
        check(sent - SLACK <= unix_time(answer.receive) <= got + SLACK, "receive timestamp")
        if answer.origin == transmit and answer.origin != receive:
            answer.check_times(sent, got)
            return BASIC
        equal(answer.origin, receive, "origin")
        if receive == transmit:
            answer.check_times(sent, got)
            return BASIC
        # It tells when the answer left that the request refers to, more exactly than that did.
        check(origin in self.arrived, "interleaved with an answer that is not the client's")
        before, that = self.arrived[origin]
        check(that.receive < answer.transmit < answer.receive, "the transmit timestamp %#x is not "
              "between the receive timestamps %#x and %#x"
              % (answer.transmit, that.receive, answer.receive))
        check(unix_time(answer.transmit) <= before, "left after it arrived")
        return INTERLEAVED

    def settle(self):
        """Until it is in interleaved mode."""
        modes = [self.ask(), self.ask(), self.ask()]
        equal(modes[-1], INTERLEAVED, "mode of the third answer, after %s" % modes[:2])


def answers(frame, receive, transmit):
    payload = udp_payload(frame)
    return (payload is not None and len(payload) >= 48
            and int.from_bytes(payload[24:32], "big") in (receive, transmit))


@case("I1", "the first answers are basic: there is nothing yet to tell")
def first(xleave):
    for number, source in enumerate(("192.168.1.21", "fd00:1::21")):
        client = xleave.client(source)
        equal(client.ask(), BASIC, "mode of the first")
        equal(client.ask(), BASIC, "mode of the second")
        other = xleave.client("192.168.1.%d" % (22 + number))
        equal(other.ask(origin=any_stamp(odd=1)), BASIC, "mode with an origin nobody gave out")


@case("I2", "from the third on they tell when the one before left, and the ledger says so")
def third(xleave):
    before = xleave.bench.daemon.settled_ledger()
    for source in "192.168.1.31", "fd00:1::31":
        client = xleave.client(source)
        equal([client.ask() for _ in range(12)], [BASIC] * 2 + [INTERLEAVED] * 10, "modes")
        for that, answer in zip(client.answers[2:], client.answers[3:]):
            # The reply before, when it was interleaved itself, could not say when it left.
            check(answer.transmit > that.receive, "departure")
        basic, told = client.answers[1], client.answers[2]
        check(told.transmit >= basic.transmit, "the departure told later is before the one told "
              "at once, which is never late")
    xleave.bench.counted(before, {"answered": 4, "interleaved": 20})


@case("I3", "a replay is answered in basic mode and does not hurt the client")
def replay(xleave):
    client = xleave.client("192.168.1.41")
    client.settle()
    origin = client.answers[-1].receive
    equal(client.ask(), INTERLEAVED, "mode")
    for _ in range(3):
        equal(client.ask(origin=origin, lose=True), BASIC, "mode of a replay")
    equal(client.ask(), INTERLEAVED, "mode after the replays")


@case("I4", "receive and transmit equal: basic")
def equal_stamps(xleave):
    client = xleave.client("192.168.1.42")
    client.settle()
    stamp = any_stamp()
    equal(client.ask(receive=stamp, transmit=stamp), BASIC, "mode")


@case("I5", "the origin is a transmit timestamp of the server: basic")
def transmit_origin(xleave):
    for source in "192.168.1.43", CLIENT6:
        client = xleave.client(source)
        client.ask()
        client.ask()
        equal(client.ask(origin=client.answers[-1].transmit), BASIC, "mode")
        equal(client.ask(origin=client.answers[-1].receive ^ 1), BASIC, "mode")


@case("I6", "another address asks with a client's origin: basic, and the client does not notice")
def other_address(xleave):
    for source, others in (("192.168.1.44", ("192.168.1.45", "192.169.1.44", "fd00:1::44")),
                           ("fd00:1::46", ("fd00:1::47", "fd00:2::46", "192.168.1.46"))):
        client = xleave.client(source)
        client.settle()
        for other in others:
            equal(xleave.client(other).ask(origin=client.answers[-1].receive), BASIC,
                  "mode for " + other)
        equal(client.ask(), INTERLEAVED, "mode for the client itself")


@case("I7", "the origin is zero: basic")
def zero_origin(xleave):
    client = xleave.client("192.168.1.48")
    client.settle()
    equal(client.ask(origin=0, receive=any_stamp()), BASIC, "mode")


@case("I8", "version 3 and lower: basic")
def old_versions(xleave):
    for version in 1, 2, 3:
        client = xleave.client("192.168.1.%d" % (50 + version))
        client.settle()
        equal(client.ask(version=version), BASIC, "mode in version %d" % version)


@case("I9", "an answer or a request is lost: basic for once, then interleaved again")
def losses(xleave):
    client = xleave.client("192.168.1.55")
    client.settle()
    for _ in range(5):
        equal(client.ask(lose=True), INTERLEAVED, "mode of the answer that gets lost")
        equal(client.ask(), BASIC, "mode after the loss")
        equal(client.ask(), INTERLEAVED, "mode of the one after")


@case("I10", "more clients than memory: basic or right, never wrong, and the log counts it")
def table_full(xleave):
    daemon = xleave.start("clientloglimit 4096")
    clients = [xleave.client("10.1.%d.%d" % (number // 200, number % 200 + 1))
               for number in range(1000)]
    modes = [client.ask() for _ in range(3) for client in clients]
    check(BASIC in modes[2000:], "1000 clients fit into 4096 octets")
    # A few at a time have room enough.
    for client in clients[:3]:
        client.settle()
    xleave.bench.daemon.settled_ledger()
    replaced, forgotten = re.findall(r"clients: replaced=(\d+) forgotten=(\d+)", daemon.log())[-1]
    check(int(replaced) >= 700 and int(forgotten) > 0, "replaced %s, forgotten %s"
          % (replaced, forgotten))
    xleave.start()
    clients = [xleave.client("10.1.%d.%d" % (number // 200, number % 200 + 1))
               for number in range(300)]
    modes = [client.ask() for _ in range(3) for client in clients]
    equal(modes, [BASIC] * 600 + [INTERLEAVED] * 300, "modes of 300 clients with room for all")


@case("I11", "a client that meets another worker: basic or right, never wrong")
def other_worker(xleave):
    bench = WireBench.__new__(WireBench)
    bench.__dict__.update(xleave.bench.__dict__)
    bench.serve = ("net_af_packet0,iface=srv0,qpairs=2 workers 2 address 192.168.1.10/24"
                   " address fd00:1::10/64")
    bench.daemon = None
    xleave.bench.daemon.stop()
    bench.start(serve_config(bench.serve).replace("workers 1", "workers 0,1"))
    client, modes = Client(bench, "192.168.1.61", 0), []
    for number in range(60):
        # The kernel deals frames out by ports too.
        client.port = 40000 + number // 4
        modes.append(client.ask())
    check(modes.count(INTERLEAVED) >= 15, "interleaved %d times of 60" % modes.count(INTERLEAVED))
    check(BASIC in modes[2:], "no worker was left: is there but one?")
    bench.daemon.stop()
    xleave.start()


@case("nat", "many clients behind one address, each interleaved")
def many_behind_one(xleave):
    clients = [xleave.client("192.168.1.62", 41000 + number) for number in range(20)]
    modes = [client.ask() for _ in range(6) for client in clients]
    equal(modes[:40], [BASIC] * 40, "modes of the first two rounds")
    equal(modes[40:], [INTERLEAVED] * 80, "modes of the rounds after")


@case("prefix", "with a limit by prefix, stamps are still those of the very address")
def by_prefix(xleave):
    xleave.start("ratelimit interval -6 burst 255 ipv4mask /28 ipv6mask /64")
    for sources in (("192.168.1.65", "192.168.1.66", "192.168.1.67"),
                    ("fd00:1::65", "fd00:1::66", "fd00:1::1:0:65")):
        clients = [xleave.client(source) for source in sources]
        modes = [client.ask() for _ in range(4) for client in clients]
        equal(modes, [BASIC] * 6 + [INTERLEAVED] * 6, "modes")
        equal(clients[0].ask(origin=clients[1].answers[-1].receive), BASIC, "another's origin")
        equal([client.ask() for client in clients], [INTERLEAVED] * 3, "modes after that")
    xleave.start()


@case("noclientlog", "noclientlog: always basic")
def no_table(xleave):
    daemon = xleave.start("noclientlog")
    client = xleave.client("192.168.1.71")
    equal([client.ask() for _ in range(6)], [BASIC] * 6, "modes")
    check("clients: none are remembered" in daemon.log(), "it is not said:\n" + daemon.story())
    xleave.start()


def start_chronyd(xleave, namespace, options):
    """Returns the path of its socket, by which alone it says all, and of its log."""
    folder = xleave.lab.path("chronyd")
    os.mkdir(folder, 0o750)
    log_path, socket = folder + "/log", folder + "/sock"
    config = xleave.lab.file("chrony.conf", "\n".join([
        "server 192.168.1.10 iburst minpoll -2 maxpoll -2 " + options, "port 0", "cmdport 0",
        "bindcmdaddress " + socket, "pidfile " + folder + "/pid", ""]))
    with namespace, open(log_path, "w") as log:
        process = subprocess.Popen([peer("chronyd"), "-d", "-x", "-f", config],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   preexec_fn=without_clock_rights)
    xleave.stack.callback(process.kill)
    return socket, log_path


def ntpdata(namespace, socket):
    result = namespace.run(peer("chronyc"), "-n", "-h", socket, "ntpdata")
    return dict(re.findall(r"(?m)^(\S[^:]*?) *: (.*)$", result.stdout))


@case("I12", "chronyd's xleave: Interleaved: Yes; beside it one without")
def chronyd(xleave):
    peer("chronyd"), peer("chronyc")
    server, client = Namespace(), Namespace()
    connect(server, "srv0", client, "cli0", ("192.168.1.11/24",))
    xleave.bench.daemon.stop()
    daemon = xleave.lab.daemon(server, serve_config(
        "net_af_packet0,iface=srv0 address 192.168.1.10/24"))
    started = {options: start_chronyd(xleave, client, options) for options in ("xleave", "")}
    sockets = {options: socket for options, (socket, _) in started.items()}
    offsets = {options: [] for options in started}
    # What is told of the first ones may be basic: chronyd itself begins so.
    wait_until(lambda: ntpdata(client, sockets["xleave"]).get("Interleaved") == "Yes",
               "Interleaved: Yes; chronyd's log is " + started["xleave"][1], 45, every=0.5)
    equal(ntpdata(client, sockets[""]).get("Interleaved"), "No", "Interleaved without xleave")
    seen = {}
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for options, socket in sockets.items():
            data = ntpdata(client, socket)
            if data.get("Total RX") != seen.get(options):
                seen[options] = data.get("Total RX")
                offsets[options].append(float(data["Offset"].split()[0]))
        time.sleep(0.1)
    for options, values in offsets.items():
        print("# chronyd %-7s %d offsets, spread %.1f us, median %.1f us" % (
            options or "basic", len(values), 1e6 * statistics.pstdev(values),
            1e6 * statistics.median(values)))
        check(len(values) >= 5, "only %d samples with %r" % (len(values), options))
    data = ntpdata(client, sockets["xleave"])
    equal(data["Interleaved"], "Yes", "Interleaved after ten seconds")
    # The third group is about delays: the machine's affair.
    equal((data["Total RX"] == data["Total valid RX"], data["NTP tests"][:7]),
          (True, "111 111"), "all valid, tests of the last; %r" % data)
    ledger = daemon.settled_ledger()
    check(ledger["interleaved"] >= 10 and ledger["answered"] >= 10, "ledger %r" % ledger.counters)
    daemon.stop()


if __name__ == "__main__":
    lab.main(Xleave)
