"""The duties of the watcher run side by side: the rules wait for no link and no lock."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from netlink import uapi
from netlink.dump import dump
from plugin.reconcile.watcher import Watcher
from plugin.request.locks import LockName
from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

BRIDGE, OTHER = f"pn-{rq.NETWORK_ID[:12]}", f"pn-{rq.OTHER_ID[:12]}"
PATIENCE = 20.0  # seconds; a hang must not take for ever


@contextmanager
def watched(pynet: Pynet) -> Iterator[None]:
    """Let the watcher's own threads look after ``pynet``."""
    with pynet.monitor() as bell:
        watcher = Watcher(pynet.reconciler, bell)
        watcher.start()
        try:
            yield
        finally:
            watcher.stop()


def comes(is_so: Callable[[], bool]) -> bool:
    """Wait until something is so, and say whether it came to be."""
    until = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def up(bridge: str) -> bool:
    """Say whether somebody set a bridge up."""
    return "UP" in json.loads(sh(f"ip -j link show {bridge}"))[0]["flags"]


def repairs(pynet: Pynet) -> Mapping[str, int]:
    """Return what was repaired how often."""
    return pynet.reconciler.status().repairs


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # sockets of threads that end here alone
def test_rules_are_back_while_the_links_wait_for_a_lock(pynet: Pynet) -> None:
    """While a request holds the lock of a network, rules and forwarding are repaired, but not that network's bridge."""
    pynet.driver.create_network(rq.network())
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    before = sh("nft list table inet pynet")
    with watched(pynet):
        with pynet.locks.hold(LockName.network(rq.NETWORK_ID)):
            sh(f"ip link set {BRIDGE} down; sysctl -qw net.ipv4.ip_forward=0")
            assert comes(lambda: sh("sysctl -n net.ipv4.ip_forward").strip() == "2")
            sh("nft flush ruleset")
            assert comes(lambda: "pynet" in sh("nft list tables"))
            assert comes(lambda: repairs(pynet) == {"HostSettingChanged": 1, "TableChanged": 1})
            assert sh("nft list table inet pynet") == before
            assert not up(BRIDGE)
        assert comes(lambda: repairs(pynet).get("LinkDown") == 1)

    assert up(BRIDGE)


def test_the_addresses_of_one_link_are_asked_for_alone(pynet: Pynet) -> None:
    """The addresses of one link are listed in both families, link-local ones too, and none of other links."""
    for link, number in (("br7", 7), ("br8", 8)):
        sh(f"ip link add {link} type bridge; sysctl -qw net.ipv6.conf.{link}.addr_gen_mode=1; ip link set {link} up")
        for address in (f"192.0.2.{number}/24", f"2001:db8::{number}/64 nodad", f"fe80::{number}/64 nodad"):
            sh(f"ip addr add dev {link} {address}")
    asked = uapi.IFADDRMSG.pack(0, 0, 0, 0, socket.if_nametoindex("br7"))

    own = {str(address) for address in pynet.kernel.addresses_of("br7")}
    assert own == {"192.0.2.7/24", "2001:db8::7/64", "fe80::7/64"}
    assert len(dump(uapi.RTM_GETADDR, asked, strict=True)) == len(own)


def test_changes_of_others_raise_the_number_of_the_ruleset_and_our_own_do_not(
    pynet: Pynet, containers: list[Container]
) -> None:
    """Every change by others, even of one element, raises the number; our own, counted packets and listings do not."""
    pynet.driver.create_network(rq.network())
    containers.append(Container())
    numbers = [pynet.nft.generation()]
    for change in (
        "nft add table ip other",
        f"nft delete element inet pynet bridges {{ {BRIDGE} }}",
        "nft flush ruleset",
    ):
        sh(change)
        numbers.append(pynet.nft.generation())
    pynet.reconciler.reconcile()
    reference = pynet.attach(containers[0], rq.NETWORK_ID, 2)
    pynet.publish(reference, "0.0.0.0:8080")
    pynet.driver.delete_endpoint(reference)
    containers[0].sh("ip addr add 10.9.0.99/24 dev eth0; ping -c 1 -W 1 -I 10.9.0.99 10.9.0.1 || true")
    pynet.nft.list("table bridge pynet")

    assert numbers == sorted(set(numbers))
    assert pynet.nft.generation() == numbers[-1]
    assert pynet.reconciler.reconcile() == []
