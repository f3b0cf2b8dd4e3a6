"""Reports on networks and endpoints for ``pynet network`` and ``pynet endpoint``, from the records."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from plugin.dhcp.model import FOREVER, Lease4
from plugin.dhcp.record import DhcpLease
from plugin.ipam.sticky import NamedAddress
from plugin.model.names import host_end
from plugin.model.records import Endpoint, Network
from plugin.modes.registry import has_rules
from plugin.network.leased_addresses import by_dhcp
from plugin.protocol.messages import InterfaceAddress
from plugin.protocol.own_messages import EndpointReport, LeaseReport, NetworkReport, ReservedAddress, SubnetReport

Made = Mapping[str, Sequence[InterfaceAddress]]  # addresses by the key of an endpoint

_NO_LEASES: Mapping[str, DhcpLease] = {}
_NONE_MADE: Made = {}
Look = Callable[[Collection[str]], Iterable[tuple[str, Sequence[InterfaceAddress]]]]  # netlink.far_addresses
_NONE: Mapping[str, Sequence[ReservedAddress]] = {}


def reserved_by_subnet(names: Iterable[NamedAddress]) -> Mapping[str, Sequence[ReservedAddress]]:
    """Return reserved addresses by address space and subnet, with which the ids of their pools begin."""
    found: dict[str, list[ReservedAddress]] = defaultdict(list)
    for each in names:
        if each.reserved:
            found["/".join(each.pool_id.split("/")[:3])].append(ReservedAddress(each.name, each.address))
    return found


def nothing_made(macs: Collection[str]) -> Iterable[tuple[str, Sequence[InterfaceAddress]]]:
    """Stand in for ``netlink.far_addresses`` where nobody looks into containers."""
    del macs
    return ()


def made_addresses(networks: Iterable[Network], endpoints: Iterable[Endpoint], look: Look) -> Made:
    """Return the addresses that containers of the LAN have beside the given ones; without such, ask nobody.

    Containers of ipvlan have one MAC, so the given addresses tell them apart.
    """
    beyond = {network.id for network in networks if not network.host_gateway}
    wanted = [endpoint for endpoint in endpoints if endpoint.network_id in beyond]
    found = look({endpoint.mac for endpoint in wanted}) if wanted else ()
    made: dict[str, Sequence[InterfaceAddress]] = {}
    for endpoint in wanted:
        given = {address.ip for address in (endpoint.ipv4, endpoint.ipv6) if address is not None}
        for mac, addresses in found:
            if mac == endpoint.mac and given <= {address.ip for address in addresses}:
                made[endpoint.key] = [address for address in addresses if address.ip not in given]
    return made


def network_report(
    network: Network,
    endpoints: Iterable[Endpoint],
    reserved: Mapping[str, Sequence[ReservedAddress]] = _NONE,
    leases: Mapping[str, DhcpLease] = _NO_LEASES,
    made: Made = _NONE_MADE,
) -> NetworkReport:
    """Return the report on a network, with ``leases`` by the keys of endpoints.

    An option that this version cannot read counts as its default.
    """
    settings, overlay = network.readable_settings, network.overlay
    return NetworkReport(
        id=network.id,
        mode=network.mode,
        link=network.link,
        internal=network.internal,
        mtu=network.mtu,
        guarded=settings.guard and has_rules(network.mode),
        shared_as=overlay.network if overlay else "",
        vni=overlay.vni if overlay else 0,
        subnets=[SubnetReport(one.pool, network.router(one.pool.version)) for one in network.subnets],
        reserved=[each for one in network.subnets for each in reserved.get(f"{one.space}/{one.pool}", ())],
        options=network.options,
        changes=network.changes,
        endpoints=[_endpoint_report(network, each, leases.get(each.key), made.get(each.key, ())) for each in endpoints],
        dhcp=by_dhcp(network),
    )


def _endpoint_report(
    network: Network, endpoint: Endpoint, held: DhcpLease | None, made: Sequence[InterfaceAddress]
) -> EndpointReport:
    own, of_network = endpoint.readable_settings.guard, network.readable_settings.guard
    return EndpointReport(
        id=endpoint.id,
        network=endpoint.network_id,
        link=host_end(endpoint) or network.link,
        mac=endpoint.mac,
        ipv4=endpoint.ipv4,
        ipv6=endpoint.ipv6,
        sandbox=endpoint.sandbox,
        guarded=(of_network if own is None else own) and has_rules(network.mode),
        ports=len(endpoint.published),
        options=endpoint.driver_opts,
        changes=endpoint.changes,
        lease=_lease_report(held, held.lease) if held and held.lease else None,
        made=made,
    )


def _lease_report(held: DhcpLease, lease: Lease4) -> LeaseReport:
    ends = 0 if lease.lasts == FOREVER else lease.taken + lease.lasts
    return LeaseReport(lease.address, lease.server, lease.router, ends, held.moved, held.lost)
