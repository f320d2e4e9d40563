# SPDX-License-Identifier: BSD-3-Clause
"""PCI cards, in a guest: bind-nic.sh takes them from the kernel and gives them back, launch.sh serves
on them, through vfio-pci where there is an IOMMU and through uio_pci_generic where there is none.
Cables and cards are pulled while it serves."""

import os
import re
import subprocess
import time

import lab
from guest import SCRIPTS, Guest, build_archive
from lab import BUILD, case, check, equal, serve_config, wait_until
from packets import (ARP, Answer, Ether, ICMPv6ND_NA, answer_origin, arp, ntp, solicitation,
                     udp_payload)
from wire_bench import WireBench

BIND = "/timeball/scripts/bind-nic.sh"
LAUNCH = "/timeball/scripts/launch.sh"
REQUESTS = 20
PULLED = "pulled"  # QEMU's name of that card
# The guest's clock starts from an emulated one that counts seconds.
CLOCK_SLACK = 5

IOMMU = ("-machine", "q35", "-device", "intel-iommu,intremap=on,aw-bits=48")
TWO_NODES = tuple(word for node in (0, 1) for word in (
    "-object", "memory-backend-ram,id=m%d,size=512M" % node,
    "-numa", "node,nodeid=%d,cpus=%d,memdev=m%d" % (node, node, node)))
FAR_BUS = ("-device", "pxb-pcie,id=far,bus_nr=128,numa_node=1,bus=pcie.0",
           "-device", "pcie-root-port,id=far-port,bus=far,chassis=1")
OLD_BUS = ("-device", "pcie-pci-bridge,id=old,bus=pcie.0")
VIRTIO = "virtio-net-pci,disable-legacy=on,iommu_platform=on,romfile="


class CardBench(WireBench):
    """A card of a guest instead of one end of a veth pair. `number` is that of its `serve` line."""

    def __init__(self, guest, name, number=1):
        self.guest = guest
        self.net4, self.net6 = "192.168.%d." % number, "fd00:%d::" % number
        self.wire = guest.wires[name]
        self.wire.drain()
        self.daemon = self
        self.mac = wait_until(self.resolve, "an answer to ARP")
        wait_until(self.solicit, "an answer to a multicast solicitation")

    def story(self):
        return self.guest.log("/launch.log")

    def resolve(self):
        self.wire.send(arp(sender=self.net4 + "11", target=self.net4 + "10"))
        reply, _ = self.wire.wait_for(lambda it: ARP in Ether(it) and Ether(it).op == 2, 0.3)
        return reply and Ether(reply).src

    def solicit(self):
        """Whether the card's filter lets the solicited-node group in."""
        self.wire.send(solicitation(self.net6 + "10", self.net6 + "11"))
        reply, _ = self.wire.wait_for(lambda it: ICMPv6ND_NA in Ether(it)
                                      and Ether(it)[ICMPv6ND_NA].S, 0.3)
        return reply

    def announced(self):
        """Waits until both addresses have been announced."""
        for wanted in (lambda it: ARP in it and it[ARP].psrc == it[ARP].pdst,
                       lambda it: ICMPv6ND_NA in it and not it[ICMPv6ND_NA].S):
            found, others = self.wire.wait_for(lambda it: wanted(Ether(it)))
            check(found, "not announced, but %r; log:\n%s" % (others, self.story()))

    def ask_many(self):
        """All of a series of requests are answered, with the guest's time."""
        for _ in range(REQUESTS):
            frame = self.request(ntp(), source=self.net4 + "11", destination=self.net4 + "10")
            origin = udp_payload(frame)[40:48]
            sent = time.time()
            self.wire.send(frame)
            # Announcements may come between.
            reply, _ = self.wire.wait_for(lambda it: answer_origin(it) == origin)
            check(reply, "no answer; log:\n" + self.story())
            self.verify_turned(frame, reply)
            answer = Answer(udp_payload(reply))
            equal((answer.leap, answer.version, answer.mode, answer.stratum), (0, 4, 4, 10),
                  "leap, version, mode, stratum")
            answer.check_times(sent, time.time(), CLOCK_SLACK)


class Bench:
    """One guest at a time, for there are two processors."""

    def __init__(self, test, stack):
        self.test = test
        self.files = build_archive(test.path("files"))
        self.guest = self.kind = None
        stack.callback(self.stop)

    def boot(self, kind, cards, **options):
        self.stop()
        self.guest = Guest(self.test, self.files, cards, **options)
        self.kind = kind
        return self.guest

    def with_iommu(self):
        """Two nodes, an Intel card on the far one, a virtio interface eth0 on the near one, and two
        virtio cards that an IOMMU cannot tell apart."""
        if self.guest and self.kind == "iommu":
            return self.guest
        guest = self.boot("iommu", ["e1000e,netdev=far,bus=far-port,romfile=,id=" + PULLED,
                                    VIRTIO + ",netdev=near,bus=pcie.0",
                                    VIRTIO + ",bus=old,addr=1", VIRTIO + ",bus=old,addr=2"],
                          machine=IOMMU + TWO_NODES + FAR_BUS + OLD_BUS,
                          arguments="intel_iommu=on")
        guest.must("modprobe virtio_pci && modprobe virtio_net")
        return guest

    def stop(self):
        if self.guest:
            self.guest.close()
        self.guest = None

    def launch(self, *cards, arguments="", cores="control 1 workers 0"):
        """Starts launch.sh in the guest and waits until it serves, in a net of its own on each card."""
        serves = "".join("serve %s address 192.168.%d.10/24 address fd00:%d::10/64\\n"
                         % (card, number, number) for number, card in enumerate(cards, 1))
        config = serves + "allow\\nlocal stratum 10\\ncores %s\\n" % cores
        self.guest.must("printf '%s' >/timeball.conf" % config)
        self.guest.must("%s -c /timeball.conf --no-build %s -- -x >/launch.log 2>&1 & "
                        "echo $! >/launch.pid" % (LAUNCH, arguments))
        wait_until(self.serving_or_ended, "launch.sh serves", 40, every=0.5)
        check("serving" in self.guest.log("/launch.log"), self.guest.log("/launch.log"))

    def serving_or_ended(self):
        return self.guest.run("grep -q serving /launch.log || ! kill -0 $(cat /launch.pid)")[0] == 0

    def end_launch(self):
        self.guest.must("kill $(cat /launch.pid); for i in {1..100}; do "
                        "kill -0 $(cat /launch.pid) 2>/dev/null || break; sleep 0.1; done; "
                        "! kill -0 $(cat /launch.pid) 2>/dev/null")
        return self.guest.log("/launch.log")

    def said(self, words, times=1):
        """Waits until the daemon has said it so often."""
        wait_until(lambda: self.guest.log("/launch.log").count(words) >= times, words, every=0.5)
        equal(self.guest.log("/launch.log").count(words), times, "times that it said " + words)

    def is_there(self, card):
        return self.guest.run("test -e /sys/bus/pci/devices/%s/class" % card)[0] == 0

    def pull(self, card):
        """Pulls the card that is for it, and waits until the guest's kernel has let go of it."""
        self.guest.monitor.must("device_del", id=PULLED)
        wait_until(lambda: not self.is_there(card), card + " is gone", every=0.5)

    def put_back(self, card, **where):
        # QEMU keeps the old card's name until no emulated processor can still see it. One that spins may
        # keep it for minutes; a refusal has QEMU interrupt it.
        wait_until(lambda: "return" in self.guest.monitor.run(
            "device_add", driver="e1000e", id=PULLED, romfile="", **where), "another card", every=0.5)
        wait_until(lambda: self.is_there(card), card + " is back", every=0.5)

    def driver(self, address):
        link = self.guest.run("readlink /sys/bus/pci/devices/%s/driver" % address)[1]
        return link.strip().rpartition("/")[2]

    def address_of(self, identity):
        """The PCI address of the only card with this vendor and device."""
        found = self.guest.must("cd /sys/bus/pci/devices; for i in *; do echo $i "
                                "$(cat $i/vendor) $(cat $i/device); done")
        addresses = re.findall(r"(\S+) %s\b" % identity, found)
        check(addresses, "no %s among\n%s" % (identity, found))
        return addresses


def prepare(test, stack):
    return Bench(test, stack)


E1000E = "0x8086 0x10d3"
VIRTIO_NET = "0x1af4 0x1041"


@case("refused", "what the host needs is refused, for a reason; an interface goes and comes back")
def refused(bench):
    guest = bench.with_iommu()
    near, first, second = bench.address_of(VIRTIO_NET)
    guest.refused(BIND + " lo", "virtual")
    guest.refused(BIND + " eth7", "eth7")
    guest.refused(BIND + " 00:00.0", "0000:00:00.0 is no network card")
    guest.refused("%s %s" % (BIND, first), first, second, "group", "virtio-pci")

    guest.must("ip link set eth0 up && ip address add 10.0.0.1/24 dev eth0")
    guest.refused(BIND + " eth0", near, "10.0.0.1/24", "ip address flush dev eth0")
    guest.must("ip route add default via 10.0.0.2")
    guest.refused(BIND + " eth0", near, "default route")
    guest.refused("%s %s" % (BIND, near), "eth0", "default route")
    # A bad one among good ones: none is taken.
    card, = bench.address_of(E1000E)
    guest.refused("%s %s eth0" % (BIND, card), "default route")
    equal(bench.driver(card), "", "driver of a card named beside one refused")
    guest.must("ip address flush dev eth0 && ip route add default via fe80::1 dev eth0")
    guest.refused(BIND + " eth0", "default route")
    guest.must("ip route delete default dev eth0 via fe80::1")
    guest.must("ip route add 10.9.9.9 dev eth0")
    guest.refused("SSH_CONNECTION='10.9.9.9 40000 10.0.0.1 22' %s eth0" % BIND, "10.9.9.9", "ssh")
    guest.must("ip link set eth0 down")

    for again in "driver virtio-pci", "already":
        check(again in guest.must(BIND + " eth0"), "bound without a word of " + again)
        equal(bench.driver(near), "vfio-pci", "driver")
    check(guest.run("ip link show eth0")[0] != 0, "the interface is still there")
    check(re.search(near + ".* vfio-pci +virtio-pci", guest.must(BIND + " status")), "status")
    for _ in range(2):
        guest.must(BIND + " undo")
        equal(bench.driver(near), "virtio-pci", "driver after undo")
    guest.must("ip link show eth0")


@case("vfio", "behind an IOMMU, on the far node: launch.sh takes the card, serves, gives it back")
def vfio(bench):
    guest = bench.with_iommu()
    card, = bench.address_of(E1000E)
    bench.launch(card)
    equal(bench.driver(card), "vfio-pci", "driver while it serves")
    check(re.search(card + ".*NUMA node 1.*CPU 0 .*node 0", guest.log("/launch.log")),
          "no warning that names both nodes:\n" + guest.log("/launch.log"))
    CardBench(guest, "far").ask_many()
    guest.refused(BIND + " undo " + card, "in use")
    bench.end_launch()
    equal(bench.driver(card), "", "driver afterwards")
    equal(guest.must("cat /proc/sys/vm/nr_hugepages").strip(), "0", "hugepages afterwards")


@case("taken-before", "a card that the operator took stays taken when launch.sh ends; no warning here")
def taken_before(bench):
    guest = bench.with_iommu()
    near = bench.address_of(VIRTIO_NET)[0]
    guest.must(BIND + " eth0")
    bench.launch(near)
    check("NUMA" not in guest.log("/launch.log"), guest.log("/launch.log"))
    CardBench(guest, "near").ask_many()
    bench.end_launch()
    equal(bench.driver(near), "vfio-pci", "driver afterwards")
    guest.must("%s undo %s" % (BIND, near))
    equal(bench.driver(near), "virtio-pci", "driver after undo")


@case("cable", "a cable pulled and plugged in: each said once, announced again, answers again")
def cable(bench):
    guest = bench.with_iommu()
    card, = bench.address_of(E1000E)
    bench.launch(card)
    far = CardBench(guest, "far")
    for flap in 1, 2:
        guest.monitor.must("set_link", name="far", up=False)
        bench.said(card + ": link down", flap)
        far.wire.drain()
        guest.monitor.must("set_link", name="far", up=True)
        bench.said(card + ": link up", flap + 1)
        far.announced()
        far.ask_many()
    story = bench.end_launch()
    check("restarts=0" in story, "opened again for the sake of a cable:\n" + story)


@case("pulled", "a card pulled: said once, closed, the other port serves on; back and bound it serves, counts go on")
def pulled(bench):
    guest = bench.with_iommu()
    card, near = bench.address_of(E1000E)[0], bench.address_of(VIRTIO_NET)[0]
    slot = {"netdev": "far", "bus": "far-port"}
    guest.must(BIND + " eth0")
    bench.launch(card, near)
    CardBench(guest, "far").ask_many()
    ways = ((lambda: bench.pull(card), lambda: bench.put_back(card, **slot)),
            (lambda: guest.must("echo 1 >/sys/bus/pci/devices/%s/remove" % card),
             lambda: guest.must("echo 1 >/sys/bus/pci/rescan")))
    for times, (remove, restore) in enumerate(ways, 1):
        # Did the daemon not close it, the kernel would wait.
        remove()
        bench.said(card + ": the device is taken away", times)
        CardBench(guest, "near", 2).ask_many()
        bench.said(card + ": not found", times)
        restore()
        guest.must("%s %s" % (BIND, card))
        bench.said(card + ": back", times)
        far = CardBench(guest, "far")
        far.announced()
        far.ask_many()
    # And it ends as ever while the card is away.
    bench.pull(card)
    bench.said(card + ": the device is taken away", 3)
    story = bench.end_launch()
    counts = re.search(r"counters %s:.* answered=(\d+)" % card, story)
    equal(int(counts[1]), 3 * REQUESTS, "answers counted over three openings\n" + story)
    check(re.search(r"port %s: .*restarts=2" % card, story), story)
    check("%s: is not there any more" % card in story, story)
    bench.put_back(card, **slot)
    equal(bench.driver(card), "", "driver of the card that came last")
    guest.must("%s undo %s" % (BIND, near))


@case("uio", "without an IOMMU: vfio-pci is refused with what to do; uio_pci_generic serves, on an isolated CPU")
def uio(bench):
    config = bench.test.file("conf", serve_config("0000:00:02.0 address 192.168.1.10/24"))
    arguments = subprocess.run([os.path.join(SCRIPTS, "kernel-args.sh"), "--line", config],
                               capture_output=True, text=True, env={**os.environ, "BUILD": BUILD})
    equal(arguments.returncode, 0, "status of kernel-args.sh: " + arguments.stderr)
    guest = bench.boot("plain", ["e1000e,netdev=card,romfile=,id=" + PULLED],
                       arguments=arguments.stdout.strip())
    equal(guest.must("cat /sys/devices/system/cpu/isolated").strip(), "1", "CPUs isolated")
    card, = bench.address_of(E1000E)
    guest.refused("%s %s" % (BIND, card), "IOMMU is off", "uio_pci_generic", "intel_iommu=on"
                  if guest.run("grep -q GenuineIntel /proc/cpuinfo")[0] == 0 else "AMD-Vi")
    equal(bench.driver(card), "", "driver of a card refused")
    bench.launch(card, arguments="--driver uio_pci_generic", cores="control 0 workers 1")
    equal(bench.driver(card), "uio_pci_generic", "driver while it serves")
    CardBench(guest, "card").ask_many()
    # Here the kernel waits for nobody, and e1000's PMD takes 10 s to find that the card is not there.
    bench.pull(card)
    bench.said(card + ": the device is taken away")
    bench.said(card + ": not found")
    bench.put_back(card, netdev="card", addr="2")
    guest.must("%s --driver uio_pci_generic %s" % (BIND, card))
    bench.said(card + ": back")
    CardBench(guest, "card").ask_many()
    bench.end_launch()
    equal(bench.driver(card), "", "driver afterwards")
    guest.must("rm -f /lib/modules/*/kernel/drivers/uio/uio_pci_generic.ko; rmmod uio_pci_generic")
    guest.refused("%s --driver uio_pci_generic %s" % (BIND, card), "no module uio_pci_generic")


if __name__ == "__main__":
    lab.main(prepare)
