"""Where a port is published: addresses of the host, and the container address that each leads to."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from netlink.values import dataclass
from plugin.errors import InvalidRequest
from plugin.firewall.elements import PROTOCOLS
from plugin.model.records import Endpoint, Published
from plugin.options.network import NAT, ROUTED, UNPROTECTED, NetworkSettings
from plugin.options.unicast import is_unicast
from plugin.protocol.messages import Address, PortBinding
from plugin.protocol.own_messages import PublishedPort

EVERYWHERE = (IPv4Address(0), IPv6Address(0))
EPHEMERAL_TRIES = 10  # a port that is free for one family may be taken for the other


@dataclass(frozen=True, slots=True)
class HostBinding:
    """An address of the host that leads to an address of the container."""

    host: Address
    target: Address

    @property
    def relayed(self) -> bool:
        """Whether pynet must relay: nftables cannot translate IPv6 to IPv4, nor ::1 (IPv6 has no route_localnet)."""
        if self.host.version == 4:
            return False
        return self.target.version == 4 or self.host.is_unspecified or self.host.is_loopback


@dataclass(frozen=True, slots=True)
class Reachability:
    """How a port of a container can be reached: through the host, or by its own addresses in routed mode."""

    host_bindings: tuple[HostBinding, ...] = ()
    routed: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class PortRequest:
    """The ports to publish, and the IP versions of host addresses to publish them on; routed mode uses none."""

    bindings: tuple[PortBinding, ...]
    families: tuple[int, ...] = (4, 6)


def reported(endpoint: Endpoint, ports: Iterable[Published], *, published: bool = True) -> list[PublishedPort]:
    """Return ports of an endpoint as pynet's own commands are told of them."""
    names = endpoint.id, endpoint.network_id
    return [PublishedPort(*names, PROTOCOLS[p.proto], p.host, p.host_port, p.target, p.port, published) for p in ports]


def sockets_for(host_bindings: Sequence[HostBinding]) -> list[tuple[HostBinding, bool]]:
    """Return the bindings that need a socket, and whether it serves both families, as "all addresses" does."""
    everywhere = [at for at in host_bindings if not int(at.host)]  # 0.0.0.0 or ::, of all that is compared here
    if len(everywhere) < len(EVERYWHERE):
        return [(at, False) for at in host_bindings]
    return [(at, not int(at.host)) for at in host_bindings if at.host.version == 6 or int(at.host)]


def by_port(published: Sequence[Published]) -> dict[tuple[int, int, int], list[HostBinding]]:
    """Group host bindings by (protocol, container port, host port); ports of routed mode have none."""
    found: dict[tuple[int, int, int], list[HostBinding]] = defaultdict(list)
    for port in published:
        if port.host is not None:
            there, at = found[port.proto, port.port, port.host_port], HostBinding(port.host, port.target)
            if at not in there:  # they are few, and it takes longer to hash an address than to compare it
                there.append(at)
    return dict(found)


def reachability(
    endpoint: Endpoint, settings: NetworkSettings, binding: PortBinding, families: Sequence[int]
) -> Reachability:
    """Return how ``binding`` can be reached, IPv4 first.

    A binding without a host address is published on every IPv4 and IPv6 address of the host, or on the one that the
    network names (moby drivers/bridge/port_mapping_linux.go). An IPv6 host address also leads to a container without
    IPv6. ``families`` are the IP versions of host addresses that this network publishes; another network of the
    container publishes the others. The container may join that network later, so a host address of a family that this
    network lacks is no error: it leads nowhere.

    Raises:
        InvalidRequest: an unknown protocol, or a host address that is no unicast address.
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
    """Yield the host ports to try, 0 for any free one; ports that the endpoint had ``before`` come first."""
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
