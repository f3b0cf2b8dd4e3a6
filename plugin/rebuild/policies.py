"""Policies of endpoints as the sets show them, so that a lost store opens nothing.

Names of groups and of hosts are not in the kernel: groups get names that have the same numbers, and names of hosts are
lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import summarize_address_range
from typing import Any

from netlink.nft_elements import NamedSet
from plugin.firewall import sets
from plugin.options.network import EndpointSettings
from plugin.options.policy import ANY, ICMP, TCP, UDP, Entries, Entry, Group, Peer, Ports
from plugin.protocol.messages import Address

Elements = Mapping[NamedSet, Sequence[tuple[Any, ...]]]
_NAMES = {1: ICMP, 58: ICMP, 6: TCP, 17: UDP}
_ALL_PORTS = (0, 65535)


def policy_options(elements: Elements, port: str, own: Sequence[Address]) -> dict[str, str]:
    """Return the options of policy of the endpoint with ``port`` and the addresses ``own``."""
    found: dict[str, str] = {}
    groups = [
        str(Group.numbered(number)) for of in sets.GROUPS for link, number in elements.get(of, ()) if link == port
    ]
    if groups:
        found[EndpointSettings.groups.key] = ",".join(groups)
    if (port,) in elements.get(sets.EGRESS_PORTS, ()):
        found[EndpointSettings.egress.key] = "deny"
        found[EndpointSettings.allow_out.key] = _text(elements, [*sets.PORT_OUT.values(), (sets.OUT_GROUPS,)], [port])
    if (port,) in elements.get(sets.FROM_PORTS, ()):
        found[EndpointSettings.allow_from.key] = _text(
            elements, [*sets.PORT_FROM.values(), (sets.FROM_GROUPS,)], [port]
        )
    if any((address,) in elements.get(of, ()) for address in own for of in sets.PUBLISH_FROM.values()):
        found[EndpointSettings.publish_from.key] = _text(elements, list(sets.ALLOW_PUBLISH.values()), own)
    return found


def _text(elements: Elements, lists: Sequence[Sequence[NamedSet]], keys: Sequence[object]) -> str:
    """Return the entries of ``keys``; in a set of long lists the peer is before them."""
    shown = [values for few, *_ in lists for values in elements.get(few, ())]
    shown += [(own, peer, *rest) for _, *many in lists for of in many for peer, own, *rest in elements.get(of, ())]
    entries = (entry for values in shown if values[0] in keys for entry in _entries(*values[1:]))
    return str(Entries(tuple(dict.fromkeys(entries))))


def _entries(peer: Any, protocol: Any, ports: Any) -> Iterator[Entry]:
    """Yield the entries of an element; each part is one value or has the first and the last."""
    name = ANY if isinstance(protocol, tuple) else _NAMES[protocol]
    first, last = ports if isinstance(ports, tuple) else (ports, ports)
    some = None if (first, last) == _ALL_PORTS else Ports(first, last)
    for one in _peers(peer):
        yield Entry(name, some, one)


def _peers(peer: Any) -> Iterator[Peer]:
    match peer:
        case int():
            yield Group.numbered(peer)
        case (first, last):
            yield from summarize_address_range(first, last)
        case _:
            yield from summarize_address_range(peer, peer) if hasattr(peer, "packed") else (peer,)
