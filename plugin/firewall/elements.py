"""What stands in the sets and maps of ``plugin.firewall.ruleset``: for networks, endpoints, ports, Docker's bridges."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv6Address

from plugin.model.elements import Elements
from plugin.model.names import host_link_name, vxlan_name
from plugin.model.records import Endpoint, Network, Overlay, Published
from plugin.options.network import (
    NAT,
    ROUTED,
    UNPROTECTED,
    NetworkSettings,
)
from plugin.protocol.messages import Address, Subnet

PROTOCOLS = {6: "tcp", 17: "udp", 132: "sctp"}  # IANA's numbers, as nft and Docker write them
_NF = {4: "ipv4", 6: "ipv6"}
_ICMP = {4: "icmp", 6: "icmpv6"}


def network_elements(network: Network) -> Elements:
    """Return what stands in the sets for ``network``."""
    settings = network.settings
    link = f'"{network.link}"'
    found: dict[str, list[str]] = defaultdict(list, links=[link])
    if settings.icc:
        found["inside"].append(f"{link} . {link}")
    if network.overlay:
        _add_tunnel(found, network, network.overlay, settings)
    for subnet in network.subnets:
        found[f"homes{subnet.pool.version}"].append(f"{link} . {subnet.pool}")
    if network.internal:
        _add_inner(found, link, network)
        return found
    for version in sorted({subnet.pool.version for subnet in network.subnets}):
        _add_family(found, link, version, settings)
    found["trusted"] += [f'"{trusted}" . {link}' for trusted in settings.trusted]
    return found


def _add_inner(found: dict[str, list[str]], link: str, network: Network) -> None:
    """Close the network; a bridge that a user made may be the host's own way to its LAN, and its input stays open."""
    found["internal"].append(link)
    if not network.owns_link:
        found["shared"].append(link)
        return
    for address in network.gateway_addresses:
        found[f"inner{address.version}"].append(str(address.ip))


def _add_family(found: dict[str, list[str]], link: str, version: int, settings: NetworkSettings) -> None:
    mode, family = settings.gateway_mode(version), f"{link} . {_NF[version]}"
    source = settings.source_address(version)
    if settings.masquerade and mode in {NAT, UNPROTECTED}:
        if source is not None:
            found[f"source{version}"].append(f"{link} : {source}")
        else:
            found["outbound"].append(family)
    if mode == UNPROTECTED:
        found["unprotected"].append(family)
    if mode == ROUTED:
        found["direct"].append(f"{family} . {_ICMP[version]}")


def _add_tunnel(found: dict[str, list[str]], network: Network, overlay: Overlay, settings: NetworkSettings) -> None:
    """Let nobody on another host be the gateway, which every host has under the same addresses.

    Nothing is let in from other hosts at all until ``member_elements`` name them.
    """
    found["vnis"].append(f"{overlay.port} . {overlay.vni}")
    port = f'"{vxlan_name(network.id)}"'
    found["tunnels"].append(port)
    if not settings.icc:
        found["closed"].append(port)
    addresses = [subnet.gateway.ip for subnet in network.subnets if subnet.gateway]
    for name, values in _ours(port, network.mac, addresses).items():
        found[name] += values


def member_elements(port: int, vni: int, hosts: Iterable[Address]) -> Elements:
    """Return what lets the frames of a network in from ``hosts``; ``port`` is the UDP port of its VXLAN."""
    found: dict[str, list[str]] = {"members4": [], "members6": []}
    for host in hosts:
        found[f"members{host.version}"].append(f"{host} . {port} . {vni}")
    return found


def _ours(port: str, mac: str, addresses: Iterable[Address]) -> Elements:
    """Return what may not come in by ``port`` because this host has it."""
    found: dict[str, list[str]] = defaultdict(list, ours=[f"{port} . {mac}"])
    for address in addresses:
        found[f"ours{address.version}"].append(f"{port} . {address}")
        if address.version == 6:
            found["advertised"].append(f"{port} . {_target(address)}")
    return found


def endpoint_elements(network: Network, endpoint: Endpoint) -> Elements:
    """Return what stands in the sets for the port of ``endpoint``."""
    settings, guard = network.settings, endpoint.guard(network)
    port = f'"{host_link_name(endpoint.id)}"'
    found: dict[str, Sequence[str]] = {}
    if not settings.icc:
        found |= {"closed": [port], "doors": [f"{port} . {network.mac}"]}
    if guard.on:
        found |= _own(port, endpoint, guard.allowed.macs)
        found |= _allowed(port, [endpoint.mac, *guard.allowed.macs], guard.allowed.subnets)
    if not guard.on or guard.allowed.subnets:  # it may be a router, which reports errors about flows of others
        own_addresses = [own.ip for own in (endpoint.ipv4, endpoint.ipv6) if own]
        found |= {f"routers{address.version}": [str(address)] for address in own_addresses}
    if guard.on and network.overlay:
        addresses = [own.ip for own in (endpoint.ipv4, endpoint.ipv6) if own]
        addresses += [link_local(endpoint.mac)] if endpoint.ipv6 else []
        found |= _ours(f'"{vxlan_name(network.id)}"', endpoint.mac, addresses)
    found |= _ways(network, endpoint)
    return found


def _ways(network: Network, endpoint: Endpoint) -> Elements:
    """Return from which addresses of the endpoint others of its container may send."""
    ports = [f'"{host_link_name(way.endpoint_id)}" . {way.mac}' for way in endpoint.ways]
    addresses = endpoint.direct_addresses(network) if ports else ()
    return {f"ways{address.version}": [f"{port} . {address}" for port in ports] for address in addresses}


def _own(port: str, endpoint: Endpoint, others: Sequence[str]) -> Elements:
    """Return what the endpoint may send from: its addresses, from its MAC and from ``others`` that are behind it."""
    macs = [endpoint.mac, *others]
    local = [link_local(mac) for mac in macs] if endpoint.ipv6 else []
    addresses = [*local, *([endpoint.ipv6.ip] if endpoint.ipv6 else [])]
    return {
        "guarded": [port],
        "macs": [f"{port} . {mac}" for mac in macs],
        "pairs4": [f"{port} . {mac} . {endpoint.ipv4.ip}" for mac in macs if endpoint.ipv4],
        "pairs6": [f"{port} . {mac} . {address}" for mac in macs for address in addresses],
        "targets": [f"{port} . {_target(address)}" for address in addresses],
    }


def _allowed(port: str, macs: Sequence[str], subnets: Sequence[Subnet]) -> Elements:
    """Return what a user lets the endpoint send from besides; nft lists a subnet of one address as the address."""
    found: dict[str, list[str]] = defaultdict(list)
    for subnet in subnets:
        alone = subnet.num_addresses == 1
        text = str(subnet.network_address if alone else subnet)
        found[f"allowed{subnet.version}"] += [f"{port} . {mac} . {text}" for mac in macs]
        if subnet.version == 6:
            first, last = _target(subnet.network_address), _target(subnet.broadcast_address)
            found["allowed_targets"].append(f"{port} . {first if alone else f'{first}-{last}'}")
    return found


def _target(address: Address) -> str:
    """Write the target of a neighbour advertisement as nft writes raw payload."""
    return f"{int(address):#034x}"


def link_local(mac: str) -> IPv6Address:
    """Return the address that the kernel forms from a MAC (RFC 4291, appendix A)."""
    raw = bytes.fromhex(mac.replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([raw[0] ^ 2, *raw[1:3], 0xFF, 0xFE, *raw[3:]]))


def port_elements(network: Network, published: Sequence[Published]) -> Elements:
    """Return what publishes ports; one whose host address is of the other family is not for nftables."""
    settings = network.settings
    text = lru_cache(str)  # of the same few addresses
    found: dict[str, list[str]] = defaultdict(list)
    for target in {port.target for port in published}:
        pools = [subnet.pool for subnet in network.subnets if target in subnet.pool]
        found[f"mates{target.version}"] += [f"{pool} . {target}" for pool in pools]
    for port in published:
        version = port.target.version
        protocol = PROTOCOLS[port.proto]
        own = f"{text(port.target)} . {protocol} . {port.port}"
        if port.host is None:
            found[f"open{version}"].append(own)
        elif port.host.version == version:
            where = f"{protocol} . {port.host_port} : {text(port.target)} . {port.port}"
            if port.host.is_unspecified:
                found[f"anywhere{version}"].append(where)
            else:
                found[f"ports{version}"].append(f"{text(port.host)} . {where}")
            if settings.trusted:
                found[f"near{version}"].append(own)
        if port.host is not None and port.host.version == 6 and (version == 4 or port.host.is_unspecified):
            found["relayed"].append(f"{protocol} . {port.host_port}")
    return {name: list(dict.fromkeys(values)) for name, values in found.items()}


def docker_elements(names: Iterable[str]) -> Elements:
    """Return what stands in the sets for Docker's own bridges."""
    return {"docker": [f'"{name}"' for name in sorted(names)]}
