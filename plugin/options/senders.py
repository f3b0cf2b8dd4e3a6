"""Senders: addresses and MACs beside its own from which the guard lets a container send."""

import re
from ipaddress import collapse_addresses, ip_network

from netlink.values import dataclass
from plugin.options.unicast import is_machines_mac
from plugin.protocol.messages import Subnet

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Senders:
    """MACs in lower case, and subnets that do not overlap, in the order of their addresses."""

    macs: tuple[str, ...] = ()
    subnets: tuple[Subnet, ...] = ()

    def __or__(self, other: "Senders") -> "Senders":
        if not other.macs and not other.subnets:
            return self  # as for most endpoints; to order and join nothing takes 5 us
        return _senders([*self.macs, *other.macs], [*self.subnets, *other.subnets])

    def __str__(self) -> str:
        return ",".join([*self.macs, *map(str, self.subnets)])


NOBODY = Senders()


def senders(text: str) -> Senders:
    """Read addresses, subnets and MACs with commas between them; raises ValueError for anything else."""
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    macs = [word for word in words if _MAC.fullmatch(word)]
    subnets = [_subnet(word) for word in words if word not in macs]
    if not all(map(is_machines_mac, macs)):
        raise ValueError(text)
    return _senders(macs, subnets)


def _senders(macs: list[str], subnets: list[Subnet]) -> Senders:
    ordered: list[Subnet] = []
    for version in (4, 6):
        ordered += collapse_addresses(subnet for subnet in subnets if subnet.version == version)  # type: ignore[type-var]
    return Senders(tuple(sorted(set(macs))), tuple(ordered))


def _subnet(word: str) -> Subnet:
    subnet = ip_network(word) if "%" not in word else None
    if subnet is None or subnet.is_multicast or subnet.is_loopback:
        raise ValueError(word)
    return subnet
