# SPDX-License-Identifier: BSD-3-Clause
"""What the lab tests share: namespaces, wires, the daemon under test, peers, bounded waiting.

A test is a script with functions marked @case and a last line lab.main(prepare). Everything it
makes lives in a process namespace of its own and in network namespaces without a name, so the
kernel takes it all down with the test, however the test ends. Exit status 77 means skipped.
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("TIMEBALL_BUILD") or os.path.join(HERE, "..", "..", "build")
BUILD = os.path.abspath(BUILD)
DAEMON = os.path.join(BUILD, "app", "timeballd", "timeballd")
# What that becomes where there are `serve` lines.
SERVER = DAEMON + "-serve"
PEERS = os.environ.get("TIMEBALL_PEERS") or os.path.join(BUILD, "peers", "bin")

# The machines are small and shared: a wait is long, what is promised is checked by its own limit.
PATIENCE = 20.0

# VLAN tags that all frames are to travel behind. The kernel takes the outermost off what a socket
# receives, so there are none or two.
TAGS = bytes.fromhex(os.environ.get("LAB_TAGS", ""))

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
CLONE_NEWPID = 0x20000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
CAP_SYS_TIME = 25

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def system_call(function, *arguments):
    result = function(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (function.__name__, os.strerror(error)))
    return result


class Skip(Exception):
    """This cannot be tried here; the text says why."""


def check(truth, message):
    if not truth:
        raise AssertionError(message)


def equal(got, wanted, what):
    check(got == wanted, "%s: got %r, wanted %r" % (what, got, wanted))


def wait_until(condition, what, seconds=PATIENCE, every=0.02):
    """Polls until condition() is true and returns what it returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError("waited %.1f s in vain: %s" % (seconds, what))
        time.sleep(every)


class Namespace:
    """A network namespace; `with` it, and what this thread opens or starts is inside."""

    def __init__(self):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            system_call(libc.unshare, CLONE_NEWNET)
            self.fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        finally:
            system_call(libc.setns, home, CLONE_NEWNET)
            os.close(home)
        self.homes = []
        self.ip("link", "set", "lo", "up")

    def __enter__(self):
        self.homes.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        system_call(libc.setns, self.fd, CLONE_NEWNET)
        return self

    def __exit__(self, *_):
        home = self.homes.pop()
        system_call(libc.setns, home, CLONE_NEWNET)
        os.close(home)

    def run(self, *command, timeout=PATIENCE, **options):
        """Runs to the end; returns the completed process with both outputs as text."""
        with self:
            return subprocess.run(command, capture_output=True, text=True, timeout=timeout,
                                  stdin=subprocess.DEVNULL, **options)

    def ip(self, *arguments):
        with self:
            result = subprocess.run(("ip",) + arguments, capture_output=True, text=True,
                                    timeout=PATIENCE, close_fds=False)
        check(result.returncode == 0, "ip %s: %s" % (" ".join(arguments), result.stderr.strip()))
        return result.stdout

    def silence_kernel(self, name):
        """The kernel sends nothing of its own on this link."""
        self.ip("link", "set", "dev", name, "addrgenmode", "none")
        with self, open("/proc/sys/net/ipv6/conf/%s/disable_ipv6" % name, "w") as switch:
            switch.write("1")

    def silence_new_links(self):
        """Likewise for links that are yet to come."""
        with self, open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as switch:
            switch.write("1")

    def statistic(self, name, counter):
        with self, open("/proc/net/dev") as table:
            for line in table:
                if line.split(":")[0].strip() == name:
                    values = line.split(":")[1].split()
                    return int(values[{"rx_packets": 1, "tx_packets": 9}[counter]])
        raise AssertionError("no interface %s" % name)

    def mac(self, name):
        with self, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as query:
            query.bind((name, 0))
            return query.getsockname()[4]


def connect(server, server_name, client, client_name, addresses=()):
    """A veth pair. The server's end is DPDK's: no address, no IPv6. The client's end gets
    `addresses`, and without any the kernel is silent on it."""
    server.ip("link", "add", server_name, "type", "veth", "peer", "name", client_name)
    os.set_inheritable(client.fd, True)
    # By descriptor: the namespaces have no name.
    server.ip("link", "set", client_name, "netns", "/proc/self/fd/%d" % client.fd)
    server.silence_kernel(server_name)
    if not any(":" in address for address in addresses):
        client.silence_kernel(client_name)
    for address in addresses:
        give_address(client, client_name, address)
    for namespace, name in (client, client_name), (server, server_name):
        namespace.ip("link", "set", name, "mtu", str(1500 + len(TAGS)), "up")
    with client:
        wait_until(lambda: "LOWER_UP" in client.ip("link", "show", client_name), "link up")


def give_address(namespace, name, address):
    # nodad: usable at once.
    extra = ("nodad",) if ":" in address else ()
    namespace.ip("address", "add", address, "dev", name, *extra)


SOL_PACKET = 263
PACKET_IGNORE_OUTGOING = 23
ETH_P_ALL = 3
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33


def without_tags(frame):
    inner = TAGS[4:]
    if frame[12:12 + len(inner)] == inner:
        return frame[:12] + frame[12 + len(inner):]
    # Announcements are untagged, answers are not.
    check(frame[0] & 1, "an answer without its question's tags: " + frame.hex())
    return frame


class Wire:
    """Whole frames in and out of an interface, TAGS put in and taken out on the way."""

    def __init__(self, namespace, name):
        with namespace:
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        # First the options, then the protocol: nothing outgoing may slip in.
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20)
        self.socket.bind((name, ETH_P_ALL))

    def close(self):
        self.socket.close()

    def send(self, frame):
        self.socket.settimeout(PATIENCE)
        self.socket.send(frame[:12] + TAGS + frame[12:] if len(frame) > 12 else frame)

    def receive(self, deadline):
        """The next frame, or None at the deadline (of time.monotonic())."""
        while True:
            try:
                self.socket.settimeout(max(0, deadline - time.monotonic()))
                return without_tags(self.socket.recv(65536))
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                # Told once when the link went down; what comes after is heard again.
                if error.errno != errno.ENETDOWN:
                    raise

    def drain(self):
        frames = []
        while (frame := self.receive(0)) is not None:
            frames.append(frame)
        return frames

    def wait_for(self, wanted, seconds=PATIENCE):
        """Receives until wanted(frame) is true; returns that frame and those before it, or
        (None, all) in time."""
        deadline = time.monotonic() + seconds
        others = []
        while (frame := self.receive(deadline)) is not None:
            if wanted(frame):
                return frame, others
            others.append(frame)
        return None, others


class Ledger:
    """What the daemon says it received and what became of it: one port at one moment."""

    def __init__(self, counters, port):
        self.counters = counters
        self.port = port

    def __getitem__(self, name):
        return self.counters.get(name, 0)

    def verdicts(self):
        return {name: count for name, count in self.counters.items()
                if name not in ("received", "announced")}

    def since(self, before):
        """The verdicts that grew, by how much."""
        names = set(self.counters) | set(before.counters)
        growth = {name: self[name] - before[name] for name in names}
        return {name: count for name, count in growth.items() if count}


def parse_pairs(text):
    return {name: int(count) for name, count in re.findall(r"([a-z_]+)=(\d+)", text)}


class Daemon:
    """timeballd in the foreground with the software clock."""

    def __init__(self, lab, namespace, config, arguments=(), wait=True, before_exec=None):
        self.namespace = namespace
        self.config_path = lab.file("timeball.conf", config)
        self.ports = len(re.findall("(?m)^serve ", config))
        self.log_path = lab.path("log")
        command = (DAEMON, "-d", "-x", "-f", self.config_path) + tuple(arguments)
        with namespace, open(self.log_path, "w") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, preexec_fn=before_exec)
        self.pid = self.process.pid
        lab.daemons.append(self)
        if wait:
            self.wait_serving()

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def story(self):
        """The log without the ledgers asked for on the way, which would fill pages."""
        lines = [line for line in self.log().splitlines()
                 if "ipackets=" not in line and "received=" not in line]
        return "\n".join(lines[-100:])

    def running(self):
        return self.process.poll() is None

    def wait_serving(self):
        wait_until(lambda: "serving" in self.log() or not self.running(),
                   "the daemon serves; its log:\n" + self.log())
        check(self.running(), "the daemon ended with %s:\n%s"
              % (self.process.returncode, self.log()))

    def wait_log(self, pattern, seconds=PATIENCE, start=0):
        try:
            return wait_until(lambda: re.search(pattern, self.log()[start:]), pattern, seconds)
        except AssertionError as error:
            raise AssertionError("%s\nlog:\n%s" % (error, self.story())) from None

    def ledgers(self, start=None):
        """All ports' ledgers as in the log from `start` on; without, the daemon is asked."""
        if start is None:
            start = len(self.log())
            os.kill(self.pid, signal.SIGUSR1)
            wait_until(lambda: self.ledger_complete(start) or not self.running(),
                       "the ledger of all ports")
            check(self.running(), "the daemon ended with %s:\n%s"
                  % (self.process.returncode, self.story()))
        text = self.log()[start:]
        ports = {name: parse_pairs(rest)
                 for name, rest in re.findall(r"port (\S+): (.*ipackets=.*)", text)}
        return {name: Ledger(parse_pairs(rest), ports.get(name, {}))
                for name, rest in re.findall(r"counters (\S+): (.*)", text)}

    def ledger_complete(self, start):
        # A port's own line follows its line of counters.
        counts = len(re.findall(r"counters \S+: .*\n", self.log()[start:]))
        own = len(re.findall(r"port \S+: .*ipackets=.*\n", self.log()[start:]))
        return own == counts and own >= self.ports

    def settled_ledgers(self, received=0):
        """All ports' ledgers once they hold `received` frames, each in a verdict: an answer may
        be here before it is counted."""
        found = {}

        def settled():
            found.clear()
            found.update(self.ledgers())
            return (sum(ledger["received"] for ledger in found.values()) >= received
                    and all(sum(ledger.verdicts().values()) == ledger["received"]
                            for ledger in found.values()))
        try:
            wait_until(settled, "the ledger settles", 5)
        except AssertionError as error:
            raise AssertionError("%s: wanted %d frames, each in one verdict; got %r" % (
                error, received, [ledger.counters for ledger in found.values()])) from None
        return found

    def settled_ledger(self, received=0):
        """The only port's."""
        ledgers = self.settled_ledgers(received)
        equal(len(ledgers), 1, "ports in the ledger")
        return next(iter(ledgers.values()))

    def reload(self):
        os.kill(self.pid, signal.SIGHUP)

    def stop(self, within=None):
        """Stops it with SIGTERM; returns its exit status. `within`: seconds it may take."""
        if not self.running():
            return self.process.returncode
        started = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        took = time.monotonic() - started
        check(within is None or took < within, "stopping took %.2f s" % took)
        return status

    def kill(self):
        self.process.kill()
        self.process.wait(PATIENCE)


class Lab:
    """One test's belongings."""

    def __init__(self, directory):
        self.directory = directory
        self.daemons = []
        self.number = 0

    def path(self, name):
        """A new path that ends in `name`."""
        self.number += 1
        return os.path.join(self.directory, "%d-%s" % (self.number, name))

    def file(self, name, content):
        path = self.path(name)
        with open(path, "w") as file:
            file.write(content)
        return path

    def daemon(self, namespace, config, arguments=(), **options):
        return Daemon(self, namespace, config, arguments, **options)

    def stop_daemons(self):
        for daemon in self.daemons:
            if daemon.running():
                daemon.kill()
        self.daemons.clear()


def serve_config(*serves, access=("allow",), more=()):
    """A configuration for tests; `serves` are what follows the word serve."""
    lines = ["serve " + serve for serve in serves]
    lines += ["local stratum 10", "cores control 0 workers 1", "ealarg --no-huge", "pidfile /"]
    return "\n".join([*lines, *access, *more, ""])


def peer(name):
    path = os.path.join(PEERS, name)
    if not os.access(path, os.X_OK):
        raise Skip("no %s: scripts/peers.sh fetches the peers" % name)
    return path


def without_clock_rights():
    """For a child between fork and exec: whatever it tries, the kernel will not let it touch the
    clock."""
    system_call(libc.prctl, PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0)


def private_mounts():
    """For a child between fork and exec: mounts of its own. Fails where the root directory is no
    mount point, as in a plain chroot."""
    system_call(libc.unshare, CLONE_NEWNS)
    system_call(libc.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)


def can_mount_privately():
    child = os.fork()
    if child == 0:
        try:
            private_mounts()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def bind_mount(source, target):
    system_call(libc.mount, source.encode(), target.encode(), None, MS_BIND, None)


CASES = []


def case(name, summary):
    def register(function):
        CASES.append((name, summary, function))
        return function
    return register


def run_cases(lab, prepare, chosen):
    """Runs every case, whatever became of those before. Returns the test's exit status."""
    failed = skipped = done = 0
    with contextlib.ExitStack() as stack:
        bench = prepare(lab, stack)
        for name, summary, function in CASES:
            if chosen and name not in chosen:
                continue
            started = time.monotonic()
            try:
                function(bench)
                result = "ok    "
                done += 1
            except Skip as reason:
                result = "skip  "
                summary += ": %s" % reason
                skipped += 1
            except Exception:  # a broken case must not hide the others
                result = "FAILED"
                failed += 1
                print(traceback.format_exc(), flush=True)
            print("%s %s %s (%.1f s)" % (result, name, summary, time.monotonic() - started),
                  flush=True)
        if failed:
            for daemon in lab.daemons:
                print("--- log of process %d\n%s" % (daemon.pid, daemon.story()))
        lab.stop_daemons()
    print("%d passed, %d failed, %d skipped" % (done, failed, skipped), flush=True)
    if failed:
        return 1
    return 0 if done else 77


def child_main(directory, prepare):
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    status = 1
    try:
        status = run_cases(Lab(directory), prepare, set(sys.argv[1:]))
    except Skip as reason:
        print("skipped: %s" % reason)
        status = 77
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def main(prepare):
    """prepare(lab, stack) makes what all cases use and returns it; stack closes things again."""
    if os.geteuid() != 0:
        print("skipped: namespaces and raw sockets need root")
        sys.exit(77)
    check(os.access(DAEMON, os.X_OK), "%s is not built" % DAEMON)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix="timeball-lab-")
    # A daemon that gave up root still reads its configuration.
    os.chmod(directory, 0o755)
    child = 0
    try:
        try:
            # The child is the first process of the namespace: with it all others die.
            system_call(libc.unshare, CLONE_NEWPID)
        except OSError as error:
            print("skipped: no namespaces here: %s" % error)
            sys.exit(77)
        child = os.fork()
        if child == 0:
            child_main(directory, prepare)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        child = 0
        sys.exit(status if status >= 0 else 1)
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        shutil.rmtree(directory, ignore_errors=True)
