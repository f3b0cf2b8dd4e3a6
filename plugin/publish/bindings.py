"""Where a port is to be published: which addresses of the host lead to which address of the container."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from plugin.errors import InvalidRequest
from plugin.firewall.elements import PROTOCOLS
from plugin.model.records import Endpoint, Published
from plugin.options.network import NAT, ROUTED, UNPROTECTED, NetworkSettings
from plugin.options.unicast import is_unicast
from plugin.protocol.messages import Address, PortBinding

EVERYWHERE = (IPv4Address(0), IPv6Address(0))
EPHEMERAL_TRIES = 10  # a port that is free for one family may be taken for the other


@dataclass(frozen=True, slots=True)
class HostBinding:
    """An address of the host that leads to an address of the container."""

    host: Address
    target: Address

    @property
    def relayed(self) -> bool:
        """Whether nftables cannot translate: IPv6 to IPv4, and the host's ::1 (there is no route_localnet for IPv6)."""
        if self.host.version == 4:
            return False
        return self.target.version == 4 or self.host.is_unspecified or self.host.is_loopback


@dataclass(frozen=True, slots=True)
class Reachability:
    """How a port of a container can be reached: through the host, or by its own addresses in routed mode."""

    places: tuple[HostBinding, ...] = ()
    routed: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class PortRequest:
    """What to publish of an endpoint, and on host addresses of which IP versions; routed mode needs none of them."""

    bindings: tuple[PortBinding, ...]
    families: tuple[int, ...] = (4, 6)


def sockets_for(places: Sequence[HostBinding]) -> list[tuple[HostBinding, bool]]:
    """Return the places that need a socket, and whether it is for both families: all addresses of the host need one."""
    everywhere = [place for place in places if place.host in EVERYWHERE]
    if len(everywhere) < len(EVERYWHERE):
        return [(place, False) for place in places]
    return [(place, place in everywhere) for place in places if place.host != EVERYWHERE[0]]


def together(published: Sequence[Published]) -> dict[tuple[int, int, int], list[HostBinding]]:
    """Return the places of each protocol, port of the container and port of the host; routed mode has none."""
    found: dict[tuple[int, int, int], dict[HostBinding, None]] = defaultdict(dict)
    for port in published:
        if port.host is not None:
            found[port.proto, port.port, port.host_port][HostBinding(port.host, port.target)] = None
    return {port: list(places) for port, places in found.items()}


def reach(endpoint: Endpoint, settings: NetworkSettings, binding: PortBinding, families: Sequence[int]) -> Reachability:
    """Return where ``binding`` is published, families in order.

    Without a host address that is every IPv4 and IPv6 address of the host, or the network's own choice (moby
    drivers/bridge/port_mapping_linux.go). An IPv6 address leads to a container without IPv6 as well. ``families`` are
    the IP versions of host addresses; of the others another network of the container takes care. That may be one that
    it joins later, so a host address of a family that this one does not have leads nowhere and is no mistake.

    Raises:
        InvalidRequest: an unknown protocol, or a group's address for a host's.
    """
    if binding.proto not in PROTOCOLS:
        raise InvalidRequest(f"publish port {binding.port}: protocol {binding.proto} is none of tcp, udp and sctp")
    own = {address.version: address.ip for address in (endpoint.ipv4, endpoint.ipv6) if address is not None}
    hosts = _hosts(settings, binding)
    pairs = [(host, own.get(host.version) or (own.get(4) if host.version == 6 else None)) for host in hosts]
    reached = [(host, target, settings.gateway_mode(target.version)) for host, target in pairs if target]
    return Reachability(
        tuple(
            HostBinding(host, target)
            for host, target, mode in reached
            if mode in {NAT, UNPROTECTED} and host.version in families
        ),
        tuple(target for host, target, mode in reached if mode == ROUTED and host.version == target.version),
    )


def candidates(binding: PortBinding, before: Sequence[Published]) -> Iterator[int]:
    """Yield the host ports to try, 0 for any free one; what the endpoint had ``before`` comes first."""
    if binding.host_port_end <= binding.host_port and binding.host_port:
        yield binding.host_port
        return
    wanted = range(binding.host_port, binding.host_port_end + 1)
    had = [old.host_port for old in before if (old.proto, old.port) == (binding.proto, binding.port) and old.host]
    yield from (port for port in dict.fromkeys(had) if not binding.host_port or port in wanted)
    yield from wanted if binding.host_port else [0] * EPHEMERAL_TRIES


def _hosts(settings: NetworkSettings, binding: PortBinding) -> Sequence[Address]:
    if binding.host_ip:
        host = ip_address(binding.host_ip)
        if not host.is_unspecified and not is_unicast(host):
            raise InvalidRequest(f"publish port {binding.port}: '{host}' is no address that a host can have")
        return (host,)
    chosen = settings.host_binding
    return EVERYWHERE if chosen is None else (chosen,)
