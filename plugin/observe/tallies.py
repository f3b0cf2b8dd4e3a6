"""Adds up the packets that pynet's tables dropped, by reason, sender and receiver, as far as these are known.

The kernel forgets a count some minutes after its last packet, and all of them when the tables are written anew.
"""

import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address

from netlink.counters import Counted
from netlink.errors import Missing
from netlink.values import dataclass
from plugin.firewall.reasons import BY_NUMBER, Reason
from plugin.interfaces import Counters
from plugin.model.names import BRIDGE, HOST_END, TUNNEL, host_end, vxlan_name
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import has_rules
from plugin.protocol.messages import Address, Subnet

SETS = (("bridge", "drops"), ("inet", "drops"), ("inet", "drops4"), ("inet", "drops6"))
MOST = 10_000  # tallies that are kept; parts go first, and those without packets for longest
_HEAD = struct.Struct("=I16s")  # the mark in the order of the host, and the link by which the packet came
OURS = (BRIDGE, HOST_END, TUNNEL)  # beginnings of links that only networks have
Nobody = ("", "")


@dataclass(frozen=True, slots=True)
class Owners:
    """Who has which link and address: ``bridges`` leads to networks, ``ports`` to networks and endpoints, by ids."""

    bridges: Mapping[str, str]
    ports: Mapping[str, tuple[str, str]]
    addresses: Mapping[Address, tuple[str, str]]
    subnets: Sequence[tuple[Subnet, str]] = ()

    def is_past(self, link: str) -> bool:
        """Return whether a link was one of a network or an endpoint that is gone."""
        return link.startswith(OURS) and link not in self.bridges and link not in self.ports

    def of_address(self, address: Address) -> tuple[str, str]:
        """Return the owner of an address, without an endpoint if no container has it."""
        found = self.addresses.get(address)
        if found is None:
            found = next((network for subnet, network in self.subnets if address in subnet), ""), ""
        return found


def owners(networks: Iterable[Network], endpoints: Iterable[Endpoint]) -> Owners:
    """Return the owners; a tunnel belongs to a network and to no endpoint."""
    ends, known = list(endpoints), list(networks)
    tunnels = {vxlan_name(network.id): (network.id, "") for network in known}
    addresses: dict[Address, tuple[str, str]] = {
        own.ip: (end.network_id, end.id) for end in ends for own in (end.ipv4, end.ipv6) if own
    }
    ports = tunnels | {host_end(end): (end.network_id, end.id) for end in ends if host_end(end)}
    own = [network for network in known if has_rules(network.mode) and (network.host_gateway or network.owns_link)]
    subnets = [(subnet.pool, network.id) for network in own for subnet in network.subnets]
    links = {network.link: network.id for network in own}  # other links and subnets are the LAN's
    return Owners(links, ports, addresses, subnets)


@dataclass(slots=True)
class Tally:
    """Packets dropped for one reason, ``since`` one second of 1970 and for the ``last`` time at another.

    With addresses it is a part of what a tally without them counts. ``network`` is the one whose rules decided.
    """

    reason: Reason
    link: str
    out: str
    source: Address | None
    target: Address | None
    since: float
    last: float
    packets: int = 0
    network: str = ""
    sender: str = ""  # endpoint ids
    receiver: str = ""

    @property
    def is_part(self) -> bool:
        """Whether another tally counts these packets too."""
        return self.source is not None

    @property
    def owners(self) -> tuple[str, str, str]:
        """The network and both endpoints."""
        return self.network, self.sender, self.receiver

    def find(self, known: Owners) -> None:
        """Fill in the owners of links and addresses, as far as they are known."""
        came, went = (known.ports.get(link, (known.bridges.get(link, ""), "")) for link in (self.link, self.out))
        if self.is_part:
            came = known.addresses.get(self.source, came) if self.source else came
            went = known.of_address(self.target) if self.target else Nobody
        first, second = (went, came) if self.reason.by_target else (came, went)
        self.network, self.sender, self.receiver = first[0] or second[0], came[1], went[1]


class Tallies:
    """The caller ensures that one thread at a time uses it; ``clock`` returns seconds since 1970."""

    def __init__(self, counters: Counters, table: str, clock: Callable[[], float] = time.time) -> None:
        self._counters = counters
        self._table = table
        self._clock = clock
        self._before: dict[tuple[str, str], Mapping[bytes, int]] = {}  # packets of the last reading, by set and key
        self._found: list[Tally] = []
        self._latest: dict[tuple[str, str, bytes], Tally] = {}  # of each key: addresses get other owners

    def read(self, known: Callable[[], Owners]) -> list[tuple[Tally, int]]:
        """Add up the counts of the kernel, and return the tallies that grew, and by how many packets.

        Raises:
            KernelError: the counters cannot be read.
        """
        now, grown = self._clock(), list[tuple[Tally, int]]()
        new = [((*place, each.key), each, packets) for place in SETS for each, packets in self._new(place)]
        have = known() if new else Owners({}, {}, {})
        for key, each, packets in new:
            tally = self._tally(key, have, now - each.idle)
            if tally is not None:
                tally.packets, tally.last = tally.packets + packets, now - each.idle
                grown.append((tally, packets))
        self._forget_oldest()
        return grown

    def all(self) -> list[Tally]:
        """Return all tallies."""
        return list(self._found)

    def keep(self, networks: Iterable[str]) -> None:
        """Forget tallies of networks that are gone."""
        here = {"", *networks}
        self._leave([tally for tally in self._found if tally.network in here])

    def _new(self, place: tuple[str, str]) -> Iterator[tuple[Counted, int]]:
        """Yield new packets of each element since the last reading; a count that shrank was started anew."""
        counted: Sequence[Counted] = ()
        with suppress(Missing):  # no network, so no tables
            counted = self._counters.counted(place[0], self._table, place[1])
        before, self._before[place] = self._before.get(place, {}), {each.key: each.packets for each in counted}
        for each in counted:
            known = before.get(each.key, 0)
            if each.packets != known:
                yield each, each.packets - known if each.packets > known else each.packets

    def _tally(self, key: tuple[str, str, bytes], have: Owners, last: float) -> Tally | None:
        """Return the tally of a key and its owners, a new one if others have its addresses by now.

        While nobody has them it is the tally of the last owners. Without such a tally, packets by a link or to an
        address of a network that is gone belong to nobody.
        """
        fresh, before = _tally(key[1], key[2], last), self._latest.get(key)
        fresh.find(have)
        past = have.is_past(fresh.out if fresh.reason.by_target and not fresh.is_part else fresh.link)
        if before is not None and (past or not fresh.network or fresh.owners == before.owners):
            return before
        if past or (not fresh.network and fresh.is_part and fresh.reason.by_target):
            return None
        self._latest[key] = fresh
        self._found.append(fresh)
        return fresh

    def _forget_oldest(self) -> None:
        if len(self._found) > MOST:
            self._leave(sorted(self._found, key=lambda tally: (not tally.is_part, tally.last))[-MOST // 2 :])

    def _leave(self, tallies: list[Tally]) -> None:
        if len(tallies) < len(self._found):
            left = {id(tally) for tally in tallies}
            self._found = tallies
            self._latest = {key: tally for key, tally in self._latest.items() if id(tally) in left}


def _tally(name: str, key: bytes, now: float) -> Tally:
    """Read the key of an element; in a concatenation each part is padded to four bytes."""
    number, link = _HEAD.unpack_from(key)
    rest = key[_HEAD.size :]
    reason, came = BY_NUMBER[number], _text(link)
    if name == "drops":
        return Tally(reason, came, _text(rest[:16]), None, None, now, now)
    half = len(rest) // 2
    return Tally(reason, came, "", ip_address(rest[:half]), ip_address(rest[half:]), now, now)


def _text(name: bytes) -> str:
    return name.rstrip(b"\0").decode(errors="replace")
