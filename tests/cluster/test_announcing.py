"""Endpoints of two hosts with one address, on real stores: the first one has it."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Interface, IPv6Interface

import pytest

from plugin.cluster.addresses.outbox import Outbox
from plugin.cluster.forget import HOST_KINDS
from plugin.cluster.overlay.announcements import Announcements
from plugin.cluster.overlay.records import AddressClaim, Peer
from plugin.errors import Conflict
from plugin.store.memory import MemoryStore
from tests.cluster.conftest import Opener

pytestmark = pytest.mark.cluster

ADDRESSES = range(2, 22)


def endpoint(host: str, number: int) -> Peer:
    """Return that of ``host`` with the addresses .NUMBER and ::NUMBER."""
    four, six = IPv4Interface(f"10.9.0.{number}/24"), IPv6Interface(f"fd00:9::{number}/64")
    return Peer("blue", f"{host}{number}", host, f"02:42:0a:09:00:{number:02x}", four, six)


def test_two_hosts_that_choose_the_same_addresses_at_once(opener: Opener) -> None:
    """Neither sees the other's record yet: each address is one host's, the other is told, and nothing is left."""
    hosts = {}
    for name in "ab":
        store = opener()
        hosts[name] = Announcements(store, Outbox(MemoryStore(), store, HOST_KINDS), lambda _: True)

    def announce(peer: Peer) -> str:
        try:
            hosts[peer.host].announce(peer, [])
        except Conflict as error:
            return str(error)
        return "done"

    peers = [endpoint(name, number) for number in ADDRESSES for name in "ab"]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(announce, peers))
    there = [item.record for item in store.list(Peer)]
    assert Counter(peer.ipv4 for peer in there) == dict.fromkeys(
        [endpoint("a", number).ipv4 for number in ADDRESSES], 1
    )
    assert Counter(results)["done"] == len(ADDRESSES)
    assert all("belongs to endpoint" in result for result in results if result != "done")
    for peer in there:
        hosts[peer.host].withdraw(peer)
    assert not [*store.list(Peer), *store.list(AddressClaim)]
