# SPDX-License-Identifier: BSD-3-Clause
"""A machine of its own: QEMU's emulation of a PC with PCI network cards, Debian's kernel, and in its
initial file system no more than busybox, bash, our scripts and the daemon. Whole frames go in and out
of each card through a pair of UDP ports on loopback."""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys

import lab
from lab import BUILD, DAEMON, HERE, SERVER, Skip, Wire, check, wait_until

SCRIPTS = os.path.join(HERE, "..", "..", "scripts")
LINUX = os.path.join(BUILD, "peers", "linux")
QEMU = "qemu-system-x86_64"
# The emulated processor shares the machine with everything else.
BOOT_PATIENCE = 60
COMMAND_PATIENCE = 40
FIRST_UDP_PORT = 29900

PROGRAMS = ("bash", "flock", "ip", "realpath", "setpriv")  # busybox lacks these, or what the scripts ask of them
MODULES = ("uio_pci_generic", "vfio-pci", "vfio_iommu_type1", "virtio_net", "virtio_pci")
LOCALE = "/usr/lib/locale/C.utf8"
PMDS = ("bus_pci", "bus_vdev", "mempool_ring", "net_e1000", "net_virtio")

INIT = r"""#!/bin/bash
export PATH=/bin
mkdir -p /proc /sys /dev /run /tmp /var/run
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
ln -s /proc/self/fd /dev/fd
ip link set lo up
exec <>/dev/ttyS1 >&0 2>&1
stty raw -echo
echo "up with $(nproc) processors"
while IFS= read -r line; do
	bash -c "$line" </dev/null
	echo "status=$?"
done
"""


def files_of_linux():
    """Unpacks the kernel's package where that has not been done; returns its release."""
    result = subprocess.run([os.path.join(SCRIPTS, "peers.sh"), "linux"], capture_output=True,
                            text=True, stdin=subprocess.DEVNULL, env={**os.environ, "BUILD": BUILD})
    if result.returncode:
        raise Skip("no kernel for the guest: " + (result.stderr or "?").strip().splitlines()[-1])
    return os.listdir(os.path.join(LINUX, "lib", "modules"))[0]


def libraries(path):
    listing = subprocess.run(["ldd", path], capture_output=True, text=True).stdout
    return re.findall(r"(?:=> |^\s)(/\S+) \(0x", listing, re.MULTILINE)


class Tree:
    """The guest's files."""

    def __init__(self, root):
        self.root = root
        for folder in ("usr/bin", "usr/lib", "usr/lib64"):
            os.makedirs(os.path.join(root, folder))
        for name, target in (("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"),
                             ("lib64", "usr/lib64"), ("usr/sbin", "bin")):
            os.symlink(target, os.path.join(root, name))

    def path(self, name):
        path = os.path.join(self.root, name.lstrip("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def copy(self, source, name=None):
        """With the libraries it needs."""
        target = self.path(name or source)
        if not os.path.exists(target):
            shutil.copy(source, target)
            for library in libraries(source):
                self.copy(library)

    def add_busybox(self):
        busybox = os.path.join(LINUX, "bin", "busybox")
        shutil.copy(busybox, self.path("bin/busybox"))
        applets = subprocess.run([busybox, "--list"], capture_output=True, text=True).stdout.split()
        for applet in set(applets) - set(PROGRAMS) - {"busybox"}:
            os.symlink("busybox", self.path("bin/" + applet))

    def add_modules(self, release):
        folder = os.path.join("lib", "modules", release)
        needs = {}
        with open(os.path.join(LINUX, folder, "modules.dep")) as table:
            for line in table:
                module, _, others = line.partition(":")
                needs[module] = others.split()
        names = {os.path.basename(module)[:-3].replace("-", "_"): module for module in needs}
        wanted = {names[name.replace("-", "_")] for name in MODULES if name.replace("-", "_") in names}
        wanted |= {other for module in wanted for other in needs[module]}
        for module in wanted:
            shutil.copy(os.path.join(LINUX, folder, module), self.path(os.path.join(folder, module)))
        with open(self.path(os.path.join(folder, "modules.dep")), "w") as table:
            table.writelines("%s: %s\n" % (module, " ".join(needs[module])) for module in wanted)

    def add_pmds(self):
        found = glob.glob("/usr/lib/*/dpdk/pmds-*/")
        check(found, "no folder of DPDK's drivers")
        for name in PMDS:
            library, = glob.glob("/usr/lib/*/librte_%s.so.??" % name)
            self.copy(library)
            # A link: the same file by two names would register twice.
            os.symlink(library, self.path("%slibrte_%s.so" % (found[0], name)))

    def add_timeball(self):
        shutil.copytree(SCRIPTS, self.path("timeball/scripts"))
        for program in DAEMON, SERVER:
            self.copy(program, "timeball/build/app/timeballd/" + os.path.basename(program))

    def pack(self, archive):
        with open(self.path("init"), "w") as init:
            init.write(INIT)
        os.chmod(self.path("init"), 0o755)
        with open(archive, "wb") as out:
            subprocess.run("find . -print0 | cpio --null --create --quiet --format=newc", shell=True,
                           cwd=self.root, stdout=out, check=True)


def build_archive(where, more=()):
    """Makes the initial file system at `where`, with `more` files: (source, name in the guest). Returns
    (kernel, archive)."""
    for program in QEMU, "cpio":
        if not shutil.which(program):
            raise Skip("no %s: scripts/packages.sh lab installs it" % program)
    release = files_of_linux()
    tree = Tree(where + ".tree")
    tree.add_busybox()
    for name in PROGRAMS:
        tree.copy(shutil.which(name), "bin/" + name)
    if os.path.isdir(LOCALE):
        shutil.copytree(LOCALE, tree.path(LOCALE))
    tree.add_modules(release)
    tree.add_pmds()
    tree.add_timeball()
    for source, name in more:
        tree.copy(source, name)
    tree.pack(where)
    shutil.rmtree(tree.root)
    return os.path.join(LINUX, "boot", "vmlinuz-" + release), where


class CardWire(Wire):
    """What is plugged into a card."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", port))
        self.socket.connect(("127.0.0.1", port + 1))


class Monitor:
    """QEMU's, by its machine protocol: the hand that pulls cards and cables."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(COMMAND_PATIENCE)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")
        self.read()
        self.must("qmp_capabilities")

    def read(self):
        line = self.file.readline()
        check(line, "QEMU's monitor has hung up")
        return json.loads(line)

    def run(self, command, **arguments):
        """Returns what it answers; events before that are not looked at."""
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while "event" in (answer := self.read()):
            pass
        return answer

    def must(self, command, **arguments):
        answer = self.run(command, **arguments)
        check("return" in answer, "%s %r: %r" % (command, arguments, answer))

    def close(self):
        self.file.close()
        self.socket.close()


class Guest:
    """A running guest. `cards` are QEMU devices with netdev=NAME in them, which `wires` then has;
    `machine` is what else it consists of."""

    def __init__(self, test, files, cards, machine=(), arguments="", memory="1G"):
        kernel, archive = files
        self.console = test.path("console")
        monitor = test.path("monitor")
        self.wires = {}
        self.monitor = None
        command = [QEMU, "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", memory, "-nodefaults",
                   "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", archive,
                   "-append", "console=ttyS0 panic=-1 tsc=reliable no_timer_check " + arguments,
                   "-serial", "file:" + self.console, "-serial", "stdio",
                   "-qmp", "unix:%s,server=on,wait=off" % monitor, *machine]
        for number, card in enumerate(cards):
            name = re.search(r"netdev=(\w+)", card).group(1) if "netdev=" in card else None
            if name:
                port = FIRST_UDP_PORT + 2 * number
                self.wires[name] = CardWire(port)
                command += ["-netdev", "socket,id=%s,udp=127.0.0.1:%d,localaddr=127.0.0.1:%d"
                            % (name, port, port + 1)]
            command += ["-device", card]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=sys.stdout)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.said = ""
        self.await_text("up with", BOOT_PATIENCE)
        self.monitor = Monitor(monitor)

    def read(self):
        chunk = self.process.stdout.read()
        self.said += (chunk or b"").decode(errors="replace")

    def await_text(self, pattern, seconds):
        """Waits for a line in what the guest says; returns what came before it, and its match."""
        def found():
            self.read()
            return (re.search(pattern + ".*\n", self.said)
                    or (self.process.poll() is not None and "ended"))
        try:
            match = wait_until(found, pattern, seconds)
            check(match != "ended", "QEMU ended with %s" % self.process.returncode)
        except AssertionError as error:
            with open(self.console, errors="replace") as console:
                raise AssertionError("%s\nthe guest said: %s\nits console ends:\n%s" % (
                    error, self.said, console.read()[-3000:])) from None
        before, self.said = self.said[:match.start()], self.said[match.end():]
        return before, match

    def run(self, command, seconds=COMMAND_PATIENCE):
        """Runs a line of shell to its end; returns its status and what it said."""
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        said, match = self.await_text(r"status=(\d+)", seconds)
        return int(match.group(1)), said

    def must(self, command, seconds=COMMAND_PATIENCE):
        status, said = self.run(command, seconds)
        check(status == 0, "%s: status %d\n%s" % (command, status, said))
        return said

    def refused(self, command, *words):
        """The command fails and says each of the words."""
        status, said = self.run(command)
        check(status != 0, "%s was not refused\n%s" % (command, said))
        for word in words:
            check(word in said, "%s does not say %r but\n%s" % (command, word, said))

    def log(self, path):
        return self.run("cat " + path)[1]

    def close(self):
        self.process.kill()
        self.process.wait(lab.PATIENCE)
        if self.monitor:
            self.monitor.close()
        for wire in self.wires.values():
            wire.close()
