"""Reports on networks and endpoints for ``pynet network`` and ``pynet endpoint``, from the records."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from plugin.dhcp.model import FOREVER, Lease4
from plugin.dhcp.record import DhcpLease
from plugin.ipam.sticky import NamedAddress
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network
from plugin.network.leased_addresses import by_dhcp
from plugin.protocol.own_messages import EndpointReport, LeaseReport, NetworkReport, ReservedAddress, SubnetReport

_NO_LEASES: Mapping[str, DhcpLease] = {}
_NONE: Mapping[str, Sequence[ReservedAddress]] = {}


def reserved_by_subnet(names: Iterable[NamedAddress]) -> Mapping[str, Sequence[ReservedAddress]]:
    """Return reserved addresses by address space and subnet, with which the ids of their pools begin."""
    found: dict[str, list[ReservedAddress]] = defaultdict(list)
    for each in names:
        if each.reserved:
            found["/".join(each.pool_id.split("/")[:3])].append(ReservedAddress(each.name, each.address))
    return found


def network_report(
    network: Network,
    endpoints: Iterable[Endpoint],
    reserved: Mapping[str, Sequence[ReservedAddress]] = _NONE,
    leases: Mapping[str, DhcpLease] = _NO_LEASES,
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
        guarded=settings.guard,
        shared_as=overlay.network if overlay else "",
        vni=overlay.vni if overlay else 0,
        subnets=[SubnetReport(one.pool, network.router(one.pool.version)) for one in network.subnets],
        reserved=[each for one in network.subnets for each in reserved.get(f"{one.space}/{one.pool}", ())],
        options=network.options,
        changes=network.changes,
        endpoints=[_endpoint_report(each, leases.get(each.key), guarded=settings.guard) for each in endpoints],
        dhcp=by_dhcp(network),
    )


def _endpoint_report(endpoint: Endpoint, held: DhcpLease | None, *, guarded: bool) -> EndpointReport:
    own = endpoint.readable_settings.guard
    return EndpointReport(
        id=endpoint.id,
        network=endpoint.network_id,
        link=host_link_name(endpoint.id),
        mac=endpoint.mac,
        ipv4=endpoint.ipv4,
        ipv6=endpoint.ipv6,
        sandbox=endpoint.sandbox,
        guarded=guarded if own is None else own,
        ports=len(endpoint.published),
        options=endpoint.driver_opts,
        changes=endpoint.changes,
        lease=_lease_report(held, held.lease) if held and held.lease else None,
    )


def _lease_report(held: DhcpLease, lease: Lease4) -> LeaseReport:
    ends = 0 if lease.lasts == FOREVER else lease.taken + lease.lasts
    return LeaseReport(lease.address, lease.server, lease.router, ends, held.moved, held.lost)
