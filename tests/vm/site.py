"""Hosts with an encrypted network on one switch, in namespaces of a guest."""

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from plugin.cluster.secrecy.records import HostKeys
from plugin.store.base import Store
from tests.kernel.container import Container, sh
from tests.kernel.hosts import OverlayHost
from tests.kernel.namespaces import Elsewhere
from tests.overlay_fakes import overlay
from tests.unit import requests as rq
from tests.vm.segment import Frame, Segment

BLUE, DUAL, FAR = rq.NETWORK_ID, ("10.9.0.1/24", "fd00:9::1/64"), "10.9.0.3"
PREFIX = "192.0.2."
WORD = "70796e6574"  # "pynet", which pings carry
ENCRYPTED = overlay(BLUE, *DUAL, vni="70", encrypt="wireguard")


@dataclass(slots=True)
class Site:
    """Three hosts with an encrypted network, VNI 70, on one switch; containers .2 on the first, .3 on the second."""

    switch: Elsewhere
    store: Store
    hosts: list[OverlayHost]
    boxes: list[Container]

    def records(self) -> list[HostKeys]:
        """Return what the hosts tell each other."""
        return [item.record for item in self.switch.do(lambda: self.store.list(HostKeys))]

    def carriers(self, host: int = 0) -> list[str]:
        """Return the WireGuard links of a host."""
        return carriers(self.hosts[host])

    @contextmanager
    def heard(self) -> Iterator[list[Frame]]:
        """Fill a list with what passes the cable of the second host meanwhile."""
        frames: list[Frame] = []
        with self.switch.do(lambda: Segment("h2")) as segment:
            yield frames
            frames += segment.frames()

    def mend(self) -> None:
        """Do at once what the first host does regularly."""
        self.hosts[0].do(self.hosts[0].pynet.reconciler.reconcile)
        self.hosts[0].do(self.hosts[0].pynet.secrecy.sync)

    def dropped(self, host: int) -> str:
        """Return the counts of dropped packets of a host."""
        return self.hosts[host].sh("nft list set inet pynet drops")


def make_site(open_store: Callable[[], Store], count: int, prepare: Callable[[], object] = lambda: None) -> Site:
    """Return ``count`` hosts, each with a store of its own to the same records.

    ``prepare`` is called on the switch, at address .254, before there is a host.
    """
    switch = Elsewhere("switch")
    switch.do(add_switch)
    switch.do(lambda: sh(f"ip addr add {PREFIX}254/24 dev sw0"))
    switch.do(prepare)
    hosts = [switch.do(partial(OverlayHost, open_store(), number, PREFIX, 1500)) for number in range(1, count + 1)]
    for host in hosts:
        host.create(ENCRYPTED)
    boxes = [hosts[number - 2].run(BLUE, number) for number in (2, 3)]
    assert later(lambda: boxes[0].reaches(FAR))
    return Site(switch, open_store(), hosts, boxes)


def add_switch() -> None:
    """Make a switch of this namespace, on which hosts can be made."""
    sh("ip link add sw0 type bridge mcast_snooping 0; ip link set sw0 up; ip link set lo up")


def end_site(site: Site) -> None:
    """End the hosts, and close a store of the site."""
    for host in site.hosts:
        host.end()
    site.switch.do(site.store.close)
    site.switch.end()


def carriers(host: OverlayHost) -> list[str]:
    """Return the WireGuard links of a host."""
    return re.findall(r"pnw[0-9a-f]+", host.sh("ip -br link show type wireguard"))


def changed(records: Iterable[HostKeys]) -> bool:
    """Say whether all hosts have and use their second key alone."""
    return all(keys.newest == keys.sends == 2 and len(keys.keys) == 1 for keys in records)


def later(condition: Callable[[], bool]) -> bool:
    """Say whether something comes true that takes as long as this machine likes."""
    end = time.monotonic() + 40
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


@contextmanager
def pinging(box: Container, address: str = FAR) -> Iterator[list[int]]:
    """Send 20 pings a second with ``WORD`` meanwhile; fill a list with the numbers of those that were not answered."""
    command = ["nsenter", "-n", "-t", str(box.pid), "--", "ping", "-O", "-i", "0.05", "-p", WORD, address]
    lost: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as ping:
        try:
            yield lost
            time.sleep(1)
        finally:
            ping.send_signal(signal.SIGINT)
            told = ping.communicate()[0]
    answered = {int(number) for number in re.findall(r"bytes from .* icmp_seq=(\d+)", told)}
    assert len(answered) > 20, told
    lost += sorted(set(range(1, max(answered))) - answered)  # later ones are on their way
