"""Answers ``pynet path``: gathers the facts of this host for ``plugin.path.walk``."""

import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import Any

from netlink.errors import KernelError, Missing
from netlink.iptables_legacy import drops_forwarded
from netlink.kernel import Kernel
from netlink.nftables import Nftables, open_runner
from netlink.routes import RouteLookup
from netlink.sysctl import FORWARDING
from plugin.doctor.firewalls import BRIDGED
from plugin.model.names import BRIDGE
from plugin.model.records import Endpoint, Network
from plugin.path.foreign import OWN
from plugin.path.model import Surroundings
from plugin.path.walk import path
from plugin.policy.answers import container_resolvers, known_addresses
from plugin.policy.judge import FarGroups, nobody_far
from plugin.protocol.messages import Address
from plugin.protocol.path_messages import Answer, PathQuestion
from plugin.store.base import Store

LISTED = frozenset({"ip", "ip6", "inet"})  # families whose chains see packets between links


def answer_path(store: Store, question: PathQuestion, far_groups: FarGroups = nobody_far) -> Answer:
    """Return the steps of a packet, by the records in ``store`` and the state of this host.

    Raises:
        KernelError, PynetError: the kernel does not answer, or the question has no answer.
    """
    networks = {item.record.id: item.record for item in store.list(Network)}
    endpoints = [item.record for item in store.list(Endpoint)]
    with closing(Kernel()) as kernel, closing(Nftables(open_runner())) as nft, RouteLookup() as lookup:
        facts = Surroundings(
            networks,
            endpoints,
            addresses=kernel.addresses(link_local=True),
            forwards=[version for version, where in FORWARDING.items() if _setting(kernel, where) not in {"", "0"}],
            bridged=[version for version, where in BRIDGED.items() if _setting(kernel, where) == "1"],
            legacy=[version for version in (4, 6) if drops_forwarded(version, f"{BRIDGE}+")],
            listed=_other_rules(nft),
            towards=_towards(lookup),
            resolve=partial(known_addresses, store),
            resolvers=container_resolvers(),
            far_groups=far_groups,
        )
        return path(question, facts)


def _setting(kernel: Kernel, where: str) -> str:
    """Return a setting of the host, "" where the kernel lacks it, as one without IPv6."""
    with suppress(Missing):
        return kernel.read_setting(where)
    return ""


def _other_rules(nft: Nftables) -> Sequence[Mapping[str, Any]] | None:
    """List the tables of other programs; those of pynet have an element for each container, and need no listing."""
    found: list[Mapping[str, Any]] = []
    try:
        tables = [item["table"] for item in nft.list("tables") if "table" in item]
        for table in tables:
            if table["family"] in LISTED and not table["name"].startswith(OWN):
                found += nft.list(f"table {table['family']} {table['name']}")
    except KernelError:
        return None
    return [item for item in found if "metainfo" not in item]


def _towards(lookup: RouteLookup) -> Callable[[Address], str]:
    names = dict(socket.if_nameindex())

    def towards(address: Address) -> str:
        try:
            return names.get(lookup.link_towards(address.packed), "")
        except OSError:
            return ""

    return towards
