# SPDX-License-Identifier: BSD-3-Clause
"""How often clients are answered: ratelimit through the daemon, the kiss of death, victims of
spoofers, prefixes, reloads; and where the memory for it comes from."""

import math
import os
import random
import re
import struct
import subprocess
import time

import lab
from lab import (Namespace, Skip, case, check, connect, equal, peer, serve_config, wait_until,
                 without_clock_rights)
from packets import Answer, answer_origin, ntp, set_be16, udp_payload
from wire_bench import ANSWER_PATIENCE, WINDOW, WireBench

# No token comes back while a test runs: one an hour.
SLOW = "ratelimit interval 12 "
UDP4_CHECKSUM = 14 + 20 + 6
TRANSMIT4 = 14 + 20 + 8 + 40
KISSES_PER_SECOND = 1000


def within_sigmas(got, trials, share, what, sigmas=4):
    wanted, spread = trials * share, math.sqrt(trials * share * (1 - share))
    check(abs(got - wanted) <= sigmas * spread, "%s: %d of %d, wanted %.0f, give or take %.0f"
          % (what, got, trials, wanted, sigmas * spread))


class Limits:
    def __init__(self, lab, stack):
        self.lab = lab
        self.stack = stack
        random.seed(int(os.environ.get("SEED", random.randrange(1 << 32))))
        self.bench = WireBench(lab, start=False)
        self.marks = 0

    def start(self, *more, **options):
        if self.bench.daemon:
            self.bench.daemon.stop()
        self.config = serve_config(self.bench.serve, more=more)
        return self.bench.start(self.config, **options)

    def requests(self, source, count, **fields):
        """So many requests from an address; those over IPv4 made fast, without a UDP checksum."""
        frame = self.bench.request(ntp(**fields), source=source)
        if ":" in source:
            return [self.bench.request(ntp(**fields), source=source) for _ in range(count)]
        frame = set_be16(frame, UDP4_CHECKSUM, 0)
        return [frame[:TRANSMIT4] + random.randbytes(8) for _ in range(count)]

    def mark(self):
        """A request that no limit stops: its address is new, and its prefix too."""
        self.marks += 1
        return self.bench.request(ntp(), source="100.%d.%d.1" % divmod(self.marks, 256))

    def ask(self, frames):
        """Sends requests without overrunning anybody; returns for each its answer's frame or
        None. Every answer has its request and comes once."""
        found = {}
        for start in range(0, len(frames), WINDOW):
            for frame in frames[start:start + WINDOW]:
                self.bench.wire.send(frame)
            mark = self.mark()
            self.bench.wire.send(mark)
            reply, others = self.bench.wire.wait_for(
                lambda it: answer_origin(it) == udp_payload(mark)[40:48], ANSWER_PATIENCE)
            check(reply, "a client of its own is not answered; log:\n" + self.bench.daemon.story())
            for other in others:
                origin = answer_origin(other)
                check(origin not in found, "two answers to one request")
                if origin:
                    found[origin] = other
        replies = [found.pop(udp_payload(frame)[40:48], None) for frame in frames]
        equal(len(found), 0, "answers to nothing")
        return replies

    def kinds(self, replies):
        """How many answers, kisses and silences; each kiss looked into."""
        kisses = [reply for reply in replies if reply and udp_payload(reply)[12:16] == b"RATE"]
        answers = [reply for reply in replies if reply and udp_payload(reply)[12:16] != b"RATE"]
        return len(answers), len(kisses), len(replies) - len(answers) - len(kisses)


@case("R1", "so many answers as burst says, then none but the leak's; each address for itself")
def bucket(limits):
    for burst, sources in ((1, ("192.168.1.20", "fd00:1::20")), (8, ("192.168.1.20", "fd00:1::20")),
                           (255, ("192.168.1.20",))):
        daemon = limits.start(SLOW + "burst %d leak 4" % burst)
        before = daemon.settled_ledger()
        total = 0
        for source in sources:
            replies = limits.ask(limits.requests(source, burst + 40))
            equal(None in replies[:burst], False, "silence within a burst of %d" % burst)
            check(None in replies[burst:], "40 answers beyond a burst of %d" % burst)
            total += burst + 40
        others = [limits.bench.request(source="192.168.1.%d" % number) for number in range(21, 61)]
        equal(limits.ask(others).count(None), 0, "silences for others")
        ledger = daemon.settled_ledger(before["received"] + total + len(others))
        equal(ledger["answered"] + ledger["ntp_limited"] + ledger["arp_answered"],
              ledger["received"], "answered and limited; all is %r" % ledger.counters)


@case("R1-exact", "not one more than the burst")
def exact(limits):
    for burst in 1, 3:
        limits.start(SLOW + "burst %d leak 4" % burst)
        sources = ["10.3.0.%d" % number for number in range(1, 201)]
        replies = limits.ask([limits.bench.request(source=source) for source in sources
                              for _ in range(burst + 1)])
        over = replies[burst::burst + 1]
        equal(replies.count(None), over.count(None), "silences, and those of them over the limit")
        within_sigmas(len(over) - over.count(None), len(over), 1 / 16, "answers to one more")


@case("R1-refill", "a token comes back after each interval")
def refill(limits):
    limits.start("ratelimit interval 0 burst 4 leak 4")
    limits.ask(limits.requests("192.168.1.20", 24))
    # However slow the machine is: waiting long enough fills the bucket, and not beyond.
    time.sleep(4.5)
    replies = limits.ask(limits.requests("192.168.1.20", 40))
    equal(None in replies[:4], False, "silence within the burst that came back")
    check(replies[4:].count(None) >= 18, "%d silences of 36" % replies[4:].count(None))


@case("R2", "1 in 2^leak of the requests over the limit is answered")
def leak_share(limits):
    for leak in 1, 2, 4:
        limits.start(SLOW + "burst 1 leak %d" % leak)
        for source, count in ("192.168.1.20", 4000), ("fd00:1::20", 400):
            answers, kisses, _ = limits.kinds(limits.ask(limits.requests(source, count)))
            within_sigmas(answers - 1, count - 1, 2.0**-leak, "answers with leak %d" % leak)
            equal(kisses, 0, "kisses without kod")


@case("R3", "the kiss of death: its shape, its share, and no more than 1000 a second")
def kiss(limits):
    daemon = limits.start(SLOW + "burst 1 leak 2 kod 1")
    for source, count in ("192.168.1.20", 1200), ("fd00:1::20", 300):
        requests = limits.requests(source, count, poll=4)
        before = daemon.settled_ledger()
        replies = limits.ask(requests)
        answers, kisses, silences = limits.kinds(replies)
        within_sigmas(kisses, count - 1, 0.75 * 0.5, "kisses")
        within_sigmas(answers - 1, count - 1, 0.25, "answers")
        marks = math.ceil(count / WINDOW)
        limits.bench.counted(before, {"answered": answers + marks, "kissed": kisses,
                                      "ntp_limited": silences})
        for frame, reply in zip(requests, replies):
            if not reply or udp_payload(reply)[12:16] != b"RATE":
                continue
            limits.bench.verify_turned(frame, reply)
            said = Answer(udp_payload(reply))
            equal((said.leap, said.version, said.mode, said.stratum, said.refid),
                  (3, 4, 4, 0, b"RATE"), "LI, version, mode, stratum, code")
            equal((said.delay, said.dispersion, said.reference), (0, 0, 0),
                  "root delay, root dispersion, reference time")
            equal(said.poll, 12, "poll, that of the limit")
    limits.start(SLOW + "burst 1 leak 4 kod 1")
    # Another second may begin on the way.
    requests = limits.requests("192.168.1.20", 8000)
    started = time.monotonic()
    kisses = limits.kinds(limits.ask(requests))[1]
    seconds = math.floor(time.monotonic() - started) + 2
    print("# %d kisses in %.2f s" % (kisses, time.monotonic() - started))
    check(kisses <= seconds * KISSES_PER_SECOND, "%d kisses in %d s" % (kisses, seconds))
    check(kisses >= min(3750 * 0.9, KISSES_PER_SECOND), "%d kisses" % kisses)


@case("R3-chronyd", "chronyd hears the kiss of death, and slows down")
def chronyd_backs_off(limits):
    path = peer("chronyd")
    server, client = Namespace(), Namespace()
    connect(server, "srv0", client, "cli0", ("192.168.1.11/24",))
    limits.bench.daemon.stop()
    daemon = limits.lab.daemon(server, serve_config(
        "net_af_packet0,iface=srv0 address 192.168.1.10/24",
        more=(SLOW + "burst 8 leak 4 kod 1",)))
    log_path = limits.lab.path("chronyd.log")
    config = limits.lab.file("chrony.conf", "\n".join([
        "server 192.168.1.10 minpoll -2 maxpoll -2", "port 0", "cmdport 0", "bindcmdaddress /",
        "pidfile " + limits.lab.path("pid"), ""]))
    with client, open(log_path, "w") as log:
        process = subprocess.Popen([path, "-d", "-x", "-f", config], stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, preexec_fn=without_clock_rights)
    limits.stack.callback(process.kill)

    def said():
        with open(log_path) as log:
            return log.read()
    wait_until(lambda: "KoD RATE" in said(), "chronyd hears of it; its log:\n%s" % said(), 60)
    asked = daemon.settled_ledger()
    requests = asked["answered"] + asked["kissed"] + asked["ntp_limited"]
    time.sleep(6)
    later = daemon.settled_ledger()
    more = later["answered"] + later["kissed"] + later["ntp_limited"] - requests
    print("# chronyd asked %d times until the kiss, %d in the six seconds after it, four times a "
          "second before" % (requests, more))
    check(asked["kissed"] >= 1, "ledger %r" % asked.counters)
    # At its own pace it would have asked 24 times.
    check(more < 12, "it asked %d times in the 6 s after the kiss" % more)
    process.kill()
    daemon.stop()


@case("prefix", "who shares a prefix shares the limit, nobody else does")
def prefix(limits):
    limits.start(SLOW + "burst 20 leak 4 ipv4mask /28 ipv6mask 64")
    for ours, theirs in ((["192.168.1.%d" % number for number in range(16, 32)],
                          ["192.168.1.15", "192.168.1.32", "192.168.2.16"]),
                         (["fd00:1::%x:1" % number for number in range(16)],
                          ["fd00:1:0:1::1", "fd00:0:0:1::1", "fd00:1:1::1"])):
        # Ten each of two addresses fill it, then all of the prefix are over the limit.
        replies = limits.ask(limits.requests(ours[0], 10) + limits.requests(ours[15], 10))
        equal(None in replies, False, "silence within the burst of the prefix")
        over = [frame for source in ours for frame in limits.requests(source, 10)]
        answered = len(over) - limits.ask(over).count(None)
        within_sigmas(answered, len(over), 1 / 16, "answers over the limit of the prefix")
        for source in theirs:
            equal(None in limits.ask(limits.requests(source, 20)), False, "silence for " + source)


@case("R4", "a victim whose address is spoofed still gets the leak's share of answers")
def spoofed(limits):
    limits.start(SLOW + "burst 8 leak 2 kod 2")
    genuine, frames = [], []
    for flood in limits.requests("192.168.1.77", 30000):
        frames.append(flood)
        if random.random() < 0.02:
            genuine.append(len(frames))
            frames.append(limits.bench.request(source="192.168.1.77", port=123))
    replies = limits.ask(frames)
    answers = limits.kinds([replies[place] for place in genuine])[0]
    # The first ones may have been answered within the burst.
    check(answers >= len(genuine) / 4 - 4 * math.sqrt(len(genuine) * 3 / 16),
          "%d answers to the victim's %d requests" % (answers, len(genuine)))
    print("# the victim got %d answers to %d requests in a flood of %d"
          % (answers, len(genuine), len(frames)))
    sent = sum(len(frame) for frame in frames)
    got = sum(len(reply) for reply in replies if reply)
    check(got < sent / 2, "%d octets sent to the victim for %d" % (got, sent))


@case("F19", "one who asks far too often takes nothing from a thousand others")
def hot_client(limits):
    limits.start(SLOW + "burst 8 leak 4")
    others = [limits.bench.request(source="10.2.%d.%d" % divmod(number, 250))
              for number in range(1000)]
    hot = limits.requests("192.168.1.20", 10000)
    frames = [frame for number, other in enumerate(others)
              for frame in (*hot[10 * number:10 * number + 10], other)]
    replies = limits.ask(frames)
    equal(replies[10::11].count(None), 0, "silences for the others")
    within_sigmas(10000 - 8 - sum(reply is None for number, reply in enumerate(replies)
                                  if number % 11 < 10), 9992, 1 / 16, "answers to the hot one")


def oddities(limits):
    """Requests of every version, mode, length and header there may be."""
    for number in range(4000):
        length = random.choice((0, 1, 12, 47, 48, 48, 48, 52, 60, 68, 76, 120, 468, 1400))
        fields = {name: random.getrandbits(64) for name in ("reference", "origin", "receive")}
        head = ntp(random.choice((1, 2, 3, 4, 4, 4, random.randrange(8))),
                   mode=random.choice((3, 3, 3, random.randrange(8))),
                   leap=random.randrange(4), stratum=random.randrange(256),
                   poll=random.randrange(-128, 128), precision=random.randrange(-128, 128),
                   **fields)
        tail = bytes(1400) if number % 2 else random.randbytes(1400)
        yield limits.bench.request((head + tail)[:length],
                                   source=random.choice(("192.168.1.20", "fd00:1::20")),
                                   port=random.choice((123, 40000)))


@case("R7", "no answer is longer than its request, none comes for nothing, whatever is asked")
def no_amplification(limits):
    for more in (SLOW + "burst 60 leak 1 kod 1",), ():
        daemon = limits.start(*more)
        before = daemon.settled_ledger()
        frames = list(oddities(limits))
        lengths = {}
        for frame in frames:
            payload = udp_payload(frame)
            for stamp in payload[32:40], payload[40:48]:
                lengths[stamp] = len(payload), len(frame)
        answers = []
        for start in range(0, len(frames), WINDOW):
            for frame in frames[start:start + WINDOW]:
                limits.bench.wire.send(frame)
            mark = limits.mark()
            limits.bench.wire.send(mark)
            reply, others = limits.bench.wire.wait_for(
                lambda it: answer_origin(it) == udp_payload(mark)[40:48], ANSWER_PATIENCE)
            check(reply, "the mark is not answered")
            answers += [other for other in others if answer_origin(other)]
        check(len(answers) > 200, "only %d answers" % len(answers))
        for answer in answers:
            payload, frame = lengths[answer_origin(answer)]
            equal(len(udp_payload(answer)), 48, "octets of the answer")
            check(payload >= 48 and len(answer) <= frame,
                  "%d octets for %d" % (len(answer), frame))
        marks = math.ceil(len(frames) / WINDOW)
        ledger = daemon.settled_ledger(before["received"] + len(frames) + marks)
        grown = ledger.since(before)
        equal(sum(grown.get(name, 0) for name in ("answered", "interleaved", "kissed")),
              len(answers) + marks, "answers by the ledger; grown %r" % grown)
        check(bool(more) == bool(grown.get("kissed", 0) and grown.get("ntp_limited", 0)),
              "grown %r" % grown)


@case("ledger", "limited, kissed, interleaved and answered add up, here, there and on the wire")
def ledger(limits):
    daemon = limits.start(SLOW + "burst 255 leak 1 kod 1")
    port_before = daemon.settled_ledger()
    got_before = limits.bench.client.statistic(limits.bench.client_link, "rx_packets")
    frames, wanted = [], 0
    for _ in range(10):
        # Interleaved only once there is something to tell: the origin of the last answer.
        frame = limits.bench.request(ntp(origin=wanted, receive=random.getrandbits(64) if wanted
                                         else 0), source="192.168.1.30")
        limits.bench.wire.send(frame)
        stamps = udp_payload(frame)[32:40], udp_payload(frame)[40:48]
        reply, _ = limits.bench.wire.wait_for(lambda it: answer_origin(it) in stamps,
                                              ANSWER_PATIENCE)
        check(reply, "no answer")
        wanted = Answer(udp_payload(reply)).receive
    frames = limits.requests("192.168.1.20", 700)
    answers, kisses, silences = limits.kinds(limits.ask(frames))
    marks = math.ceil(len(frames) / WINDOW)
    after = daemon.settled_ledger(port_before["received"] + 10 + len(frames) + marks)
    grown = after.since(port_before)
    grown.pop("announced", 0)
    equal(grown, {"received": 10 + len(frames) + marks, "answered": 2 + answers + marks,
                  "interleaved": 8, "kissed": kisses, "ntp_limited": silences}, "grown")
    sent = sum(after[name] for name in ("answered", "interleaved", "kissed", "arp_answered",
                                        "announced"))
    equal(after.port["opackets"], sent, "the port's frames sent")
    equal(after.port["ipackets"], after["received"], "the port's frames received")
    equal(limits.bench.client.statistic(limits.bench.client_link, "rx_packets") - got_before,
          grown["answered"] + 8 + kisses + after["announced"] - port_before["announced"],
          "frames received by the kernel")


def reload(limits, *more, access=("allow",)):
    """A new file by SIGHUP; returns what the log said from there on."""
    daemon = limits.bench.daemon
    new = limits.lab.file("new.conf", serve_config(limits.bench.serve, access=access, more=more))
    os.rename(new, daemon.config_path)
    start = len(daemon.log())
    daemon.reload()
    daemon.wait_log("reload: .*", start=start)
    time.sleep(0.1)
    return daemon.log()[start:]


def silences(limits, source, count=60):
    return limits.ask(limits.requests(source, count)).count(None)


@case("reload", "SIGHUP puts another limit in effect, and takes it off; tables wait for a restart")
def reloads(limits):
    limits.start()
    equal(silences(limits, "192.168.1.20"), 0, "silences without a limit")
    said = reload(limits, SLOW + "burst 8 leak 4")
    check("1 access rules in effect, rate limit interval 12 burst 8 leak 4 kod 0" in said, said)
    check(silences(limits, "192.168.1.20") >= 20, "no limit after SIGHUP")
    said = reload(limits, SLOW + "burst 8 leak 4", access=("deny",))
    said = reload(limits, SLOW + "burst 8 leak 4", "noclientlog")
    check("nothing changed: " in said and "cannot be enabled with noclientlog" in said, said)
    check(re.search(r"\.conf:\d+: ratelimit", said), "no place in: " + said)
    reload(limits, SLOW + "burst 8 leak 4")
    # The bucket was emptied under the same limit and is so still.
    check(silences(limits, "192.168.1.20") >= 30, "a reload fills the buckets")
    said = reload(limits, "clientloglimit 1048576")
    check("no rate limit" in said and "clientloglimit has changed" in said, said)
    equal(silences(limits, "192.168.1.20"), 0, "silences after the limit was taken off")
    said = reload(limits, "noclientlog")
    check("noclientlog has changed: clients are still remembered" in said, said)
    limits.start("noclientlog")
    said = reload(limits, SLOW + "burst 8 leak 4")
    check("no rate limit" in said and "clients are not remembered until a restart" in said, said)
    equal(silences(limits, "192.168.1.20"), 0, "silences without a table")


def refused(limits, *more, no_huge=True):
    """The daemon does not start; returns the line that says why."""
    config = serve_config(limits.bench.serve, more=more)
    if not no_huge:
        config = config.replace("ealarg --no-huge\n", "")
    daemon = limits.lab.daemon(limits.bench.server, config, wait=False)
    equal(daemon.process.wait(lab.PATIENCE), 1, "exit status")
    return daemon.log().strip().splitlines()[-1]


@case("memory", "too little memory for clients is an error that names clientloglimit")
def memory(limits):
    limits.bench.daemon.stop()
    said = refused(limits, "ealarg -m 64", "clientloglimit 268435456")
    check("clientloglimit: no 256 MiB" in said and "-m" in said, said)
    said = refused(limits, "clientloglimit 1000")
    check("line" in said and "clientloglimit" in said and "1024" in said, said)
    said = refused(limits, SLOW, "noclientlog")
    check("Rate limiting cannot be enabled with noclientlog" in said, said)
    # The smallest that there is.
    limits.start("clientloglimit 1024", SLOW + "burst 8 leak 4")
    check(silences(limits, "192.168.1.20") >= 20, "no limit with the smallest table")
    limits.bench.daemon.stop()


def free_hugepages():
    with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") as file:
        return int(file.read())


@case("hugepages", "the tables are in hugepages, and where these are short the error says so")
def hugepages(limits):
    try:
        free = free_hugepages()
    except FileNotFoundError:
        raise Skip("no hugepages here")
    if free < 200:
        raise Skip("fewer than 200 free hugepages")
    limits.bench.daemon.stop()
    said = refused(limits, "clientloglimit %d" % (2 * free << 21), no_huge=False)
    check("clientloglimit: no %d MiB of hugepages" % (4 * free) in said, said)
    config = serve_config(limits.bench.serve, more=(SLOW + "burst 8 leak 4",))
    limits.bench.start(config.replace("ealarg --no-huge\n", ""))
    used = free - free_hugepages()
    print("# %d hugepages in use" % used)
    check(used >= 32, "64 MiB in %d hugepages" % used)
    check(silences(limits, "192.168.1.20") >= 20, "no limit with hugepages")
    limits.bench.daemon.stop()


if __name__ == "__main__":
    lab.main(Limits)
