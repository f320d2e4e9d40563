# SPDX-License-Identifier: BSD-3-Clause
"""A server with upstream servers: what it claims while they come, go, move and lie, watched on the wire at
1000 requests a second."""

import contextlib
import socket
import threading
import time

import lab
from lab import Namespace, case, check, connect, equal, serve_config, wait_until
from packets import ntp, unix_time, udp_payload, answer_origin, Answer
from timeserver import TimeServer
from wire_bench import WireBench

RATE = 1000
UPSTREAMS = ["10.66.0.1", "10.66.0.3", "10.66.0.4"]
UPSTREAM = UPSTREAMS[0]
OURS = "10.66.0.2"
FAST = "iburst minpoll -2 maxpoll -2"
LOCAL = b"\x7f\x7f\x01\x01"
# Between our reading of the machine's clock and a frame's way, on a busy machine.
SLACK = 0.05


class UpstreamBench(WireBench):
    """The daemon serves on one wire; its upstream is at the end of another, an ordinary one."""

    def __init__(self, test, stack):
        super().__init__(test, start=False)
        self.servers = stack.enter_context(contextlib.ExitStack())
        self.upstream = Namespace()
        connect(self.upstream, "up0", self.server, "host0", [OURS + "/24"])
        for address in UPSTREAMS:
            lab.give_address(self.upstream, "up0", address + "/24")

    def server_at(self, address=UPSTREAM, **claims):
        return self.servers.enter_context(TimeServer(self.upstream, address, **claims))

    def clear(self):
        """For the next case."""
        self.servers.close()
        if self.daemon:
            self.daemon.stop()

    def serve_with(self, *more, local=True):
        config = serve_config(self.serve, more=more)
        if not local:
            config = config.replace("local stratum 10\n", "")
        self.start(config)


def upstream_case(name, summary):
    def register(function):
        def run(bench):
            try:
                function(bench)
            finally:
                bench.clear()
        return case(name, summary)(run)
    return register


class Watch:
    """Asks 1000 times a second; keeps of each answer when it was asked and had, and what it said."""

    def __init__(self, bench):
        self.bench = bench
        self.asked = {}
        self.answers = []
        self.stopping = False
        self.threads = [threading.Thread(target=self.ask), threading.Thread(target=self.hear)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        time.sleep(0.2)
        self.stopping = True
        for thread in self.threads:
            thread.join()

    def ask(self):
        next_at = time.monotonic()
        while not self.stopping:
            payload = ntp()
            self.asked[payload[40:48]] = time.time()
            self.bench.wire.send(self.bench.request(payload))
            next_at += 1 / RATE
            time.sleep(max(0, next_at - time.monotonic()))

    def hear(self):
        while not self.stopping:
            frame = self.bench.wire.receive(time.monotonic() + 0.1)
            got = time.time()
            sent = frame and self.asked.pop(answer_origin(frame), None)
            if sent:
                self.answers.append((sent, got, Answer(udp_payload(frame))))

    def latest(self):
        return self.answers[-1][2] if self.answers else None

    def wait(self, condition, what, seconds=lab.PATIENCE):
        return wait_until(lambda: self.latest() and condition(self.latest()), "%s; log:\n%s" % (
            what, self.bench.daemon.story()), seconds)


def error_of(sent, got, answer, offset):
    """The least that the answer's stamps must be wrong by, when right is the machine's clock + offset."""
    errors = []
    for stamp in answer.receive, answer.transmit:
        moment = unix_time(stamp) - offset
        errors.append(max(0, sent - moment, moment - got))
    return max(errors)


def claimed(answer):
    return answer.delay_s / 2 + answer.dispersion_s


def is_local(answer):
    return answer.leap == 0 and answer.stratum == 10 and answer.refid == LOCAL


def follows(address, stratum=2):
    refid = socket.inet_aton(address)
    return lambda answer: answer.leap == 0 and answer.stratum == stratum and answer.refid == refid


def is_silent(answer):
    return answer.leap == 3 and answer.stratum == 0


def judge(watch, kinds):
    """Every answer is one of `kinds`, pairs of a predicate and the offset of its time, or says leap indicator 3;
    and none is wrong by more than it claims. Returns how many there were of each, leap indicator 3 last."""
    counts = [0] * (len(kinds) + 1)
    check(len(watch.answers) > 0, "no answers")
    for sent, got, answer in watch.answers:
        check(answer.receive < answer.transmit, "receive is not before transmit")
        if is_silent(answer):
            counts[-1] += 1
            continue
        for i, (is_kind, offset) in enumerate(kinds):
            if is_kind(answer):
                error = error_of(sent, got, answer, offset)
                check(error <= claimed(answer) + SLACK, "wrong by %.6f s, claimed %.6f (stratum %d, refid %s)" % (
                    error, claimed(answer), answer.stratum, answer.refid.hex()))
                counts[i] += 1
                break
        else:
            raise AssertionError("an answer of no kind: leap %d, stratum %d, refid %s" % (
                answer.leap, answer.stratum, answer.refid.hex()))
    return counts


@upstream_case("local-only", "local alone: stratum 10 from the first answer to the last")
def local_only(bench):
    bench.serve_with()
    with Watch(bench) as watch:
        time.sleep(2)
    local, silent = judge(watch, [(is_local, 0)])
    check(local > RATE, "%d answers in 2 s" % local)
    equal(silent, 0, "answers with leap indicator 3")


@upstream_case("comes-and-goes", "local, then an upstream five seconds ahead, then it falls silent and local takes over, then "
      "it is back: never an answer that mixes them")
def comes_and_goes(bench):
    ahead = 5.0
    server = bench.server_at(offset=ahead, silent=True)
    bench.serve_with("server %s %s" % (UPSTREAM, FAST), "makestep 1 -1", "maxclockerror 20000",
                     "local stratum 10 distance 0.1")
    with Watch(bench) as watch:
        watch.wait(is_local, "local before there is an upstream")
        time.sleep(1)
        server.silent = False
        watch.wait(follows(UPSTREAM), "the upstream is followed")
        time.sleep(1)
        server.silent = True
        # Its error grows by 2 % a second, and passes the distance at which local takes over.
        watch.wait(is_local, "local once the upstream is gone", 40)
        time.sleep(1)
        server.silent = False
        watch.wait(follows(UPSTREAM), "the upstream is followed again")
        time.sleep(1)
    before = [it for it in watch.answers if is_local(it[2])]
    step = next(i for i, it in enumerate(watch.answers) if follows(UPSTREAM)(it[2]))
    early, late = watch.answers[:step], watch.answers[step:]
    watch.answers = early
    local, silent = judge(watch, [(is_local, 0)])
    check(local > 500, "%d local answers before the upstream" % local)
    watch.answers = late
    # Local went on from where the upstream had brought it.
    local, followed, silent = judge(watch, [(is_local, ahead), (follows(UPSTREAM), ahead)])
    check(local > 500 and followed > 1500, "%d local answers, %d of the upstream's" % (local, followed))
    check(before, "no local answers")


@upstream_case("cut", "without local: the stratum is kept while the upstream is silent, dispersion grows in every answer, "
      "beyond maxservedistance leap indicator 3; back again it is followed")
def cut(bench):
    server = bench.server_at()
    bench.serve_with("server %s %s" % (UPSTREAM, FAST), "maxclockerror 20000", "maxservedistance 0.2",
                     local=False)
    with Watch(bench) as watch:
        watch.wait(follows(UPSTREAM), "the upstream is followed")
        time.sleep(1)
        server.silent = True
        time.sleep(1.5)
        cut_at = len(watch.answers)
        watch.wait(is_silent, "leap indicator 3", 40)
        end = next(i for i in range(cut_at, len(watch.answers)) if is_silent(watch.answers[i][2]))
        time.sleep(0.5)
        server.silent = False
        watch.wait(follows(UPSTREAM), "the upstream is followed again")
        time.sleep(0.5)
    kept = [answer for _, _, answer in watch.answers[cut_at:end]]
    check(len(kept) > RATE, "%d answers of holdover" % len(kept))
    for earlier, later in zip(kept, kept[1:]):
        check(follows(UPSTREAM)(later), "stratum or refid changed in holdover")
        check(later.dispersion >= earlier.dispersion, "dispersion fell in holdover")
        equal(later.reference, earlier.reference, "reference time in holdover")
    check(kept[-1].dispersion_s > kept[0].dispersion_s + 0.05, "dispersion grew from %.6f to %.6f s"
          % (kept[0].dispersion_s, kept[-1].dispersion_s))
    check(max(claimed(answer) for answer in kept) <= 0.2 + 0.001, "claimed more than maxservedistance")
    judge(watch, [(follows(UPSTREAM), 0)])


@upstream_case("liar", "two agree and one is a second off: the liar is named, and nobody hears of its time")
def liar(bench):
    bench.server_at()
    bench.server_at(UPSTREAMS[1], refid=b"ALSO")
    bench.server_at(UPSTREAMS[2], refid=b"LIAR", offset=1.0)
    bench.serve_with(*("server %s %s" % (address, FAST) for address in UPSTREAMS),
                     local=False)
    with Watch(bench) as watch:
        watch.wait(lambda answer: answer.leap == 0, "an upstream is followed")
        time.sleep(3)
    bench.daemon.wait_log(r"10\.66\.0\.4.*falseticker")
    counts = judge(watch, [(follows(UPSTREAM), 0), (follows(UPSTREAMS[1]), 0)])
    check(sum(counts[:2]) > RATE, "answers: %r" % counts)


@upstream_case("steps", "the upstream steps by a second while 1000 a second are answered: no answer mixes the two sides")
def steps(bench):
    server = bench.server_at()
    bench.serve_with("server %s %s" % (UPSTREAM, FAST), "makestep 0.1 -1", local=False)
    with Watch(bench) as watch:
        watch.wait(follows(UPSTREAM), "the upstream is followed")
        time.sleep(1)
        stepped_at = time.time()
        server.offset = 1.0
        wait_until(lambda: watch.answers and follows(UPSTREAM)(watch.latest())
                   and error_of(*watch.answers[-1], 1.0) < 0.01, "the new time is served", 30)
        time.sleep(1)
    for sent, got, answer in watch.answers:
        if is_silent(answer):
            continue
        # A lone source that lies is believed; what it said before is then still served for a while.
        old, new = error_of(sent, got, answer, 0.0), error_of(sent, got, answer, 1.0)
        check(min(old, new) <= claimed(answer) + SLACK, "neither the old time (%.6f s off) nor the new (%.6f)"
              % (old, new))
        check(old <= claimed(answer) + SLACK or sent > stepped_at, "the new time before there was one")
    span = abs(unix_time(watch.latest().transmit) - unix_time(watch.latest().receive))
    check(span < 0.1, "receive and transmit %.6f s apart" % span)


def prepare(test, stack):
    return UpstreamBench(test, stack)


if __name__ == "__main__":
    lab.main(prepare)
