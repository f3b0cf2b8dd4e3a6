"""Judges a new connection by the policies of its two ends, as the rules do (``plugin.firewall.policy_rules``).

Within a network an entry's peer is an address, a subnet or a group. What is routed, or meets the host, has addresses
alone: a group is of one network. Names count where the container opens a connection.
"""

from collections.abc import Callable, Collection, Mapping
from enum import StrEnum

from netlink.values import dataclass
from plugin.model.policy import Policy
from plugin.options.network import EndpointSettings
from plugin.options.policy import ANY, ICMP, TCP, UDP, Entries, Entry, Group, HostName, Ports
from plugin.protocol.messages import Address

Resolve = Callable[[str], Collection[Address]]  # the addresses of a name
Groups = Mapping[Address, Collection[str]]  # of containers by address
FarGroups = Callable[[str], Groups]  # of containers of other hosts, in an overlay network as hosts know it
OPTIONS = tuple(
    option.key
    for option in (
        EndpointSettings.groups,
        EndpointSettings.allow_from,
        EndpointSettings.egress,
        EndpointSettings.allow_out,
        EndpointSettings.publish_from,
    )
)
_DNS = (Entry(UDP, Ports(53, 53)), Entry(TCP, Ports(53, 53)))


def nobody_far(_network: str) -> Groups:
    """Know no container of another host."""
    return {}


class PolicyPart(StrEnum):
    """The part of a policy that judges, by the option that it is written in."""

    OUT = "egress"
    IN = "from"
    PUBLISHED = "publish_from"


@dataclass(frozen=True, slots=True)
class Meeting:
    """The other end of a connection, as a policy sees it, and the protocol with its port.

    ``address`` is None for any machine outside. ``groups`` are those of the other end, if both are in one network.
    ``also`` is an address that counts for it too: that of a published port on the host.
    """

    address: Address | None
    protocol: str
    port: int = 0
    groups: Collection[str] = ()
    also: Address | None = None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a part of a policy says: the entry that allows the connection, or none."""

    part: PolicyPart
    entries: Entries
    entry: Entry | None

    @property
    def allowed(self) -> bool:
        """Whether the connection is allowed."""
        return self.entry is not None


def leaving(policy: Policy, meeting: Meeting, resolve: Resolve, resolvers: Collection[Address] = ()) -> Ruling | None:
    """Return what a container's policy says of a connection that it opens; None if it allows everything.

    With any name among the entries, DNS questions to ``resolvers`` are allowed too.
    """
    allowed = policy.allow_out
    if allowed is None:
        return None
    found = _first(allowed, meeting, resolve)
    if found is None and allowed.host_names and meeting.address in resolvers:
        found = next((entry for entry in _DNS if _matches(entry, meeting)), None)
    return Ruling(PolicyPart.OUT, allowed, found)


def entering(policy: Policy, meeting: Meeting) -> Ruling | None:
    """Return what a container's policy says of a connection to it; None if it allows everything."""
    allowed = policy.allow_from
    return None if allowed is None else Ruling(PolicyPart.IN, allowed, _first(allowed, meeting, _nobody))


def using_port(policy: Policy, meeting: Meeting) -> Ruling | None:
    """Return what a container's policy says of a client of its published port; None if it allows everybody.

    The port of ``meeting`` is the container's.
    """
    allowed = policy.publish_from
    return None if allowed is None else Ruling(PolicyPart.PUBLISHED, allowed, _first(allowed, meeting, _nobody))


def _first(entries: Entries, meeting: Meeting, resolve: Resolve) -> Entry | None:
    return next((entry for entry in entries if _matches(entry, meeting) and _is_peer(entry, meeting, resolve)), None)


def _matches(entry: Entry, meeting: Meeting) -> bool:
    known = meeting.protocol in (ICMP, TCP, UDP)
    return entry.matches(meeting.protocol if known else ANY, meeting.port)


def _is_peer(entry: Entry, meeting: Meeting, resolve: Resolve) -> bool:
    peer = entry.peer
    if peer is None:
        return True
    if isinstance(peer, Group):
        return peer.name in meeting.groups
    if isinstance(peer, HostName):
        return meeting.address in resolve(peer.name)
    places = [address for address in (meeting.address, meeting.also) if address is not None]
    return any(address.version == peer.version and address in peer for address in places)


def _nobody(_name: str) -> Collection[Address]:
    return ()
