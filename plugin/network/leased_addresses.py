"""Addresses of containers by DHCP: what a container asks its LAN's server for, and what the answer means to the engine.

The address and its routes are known before the engine gets its replies, so ``docker inspect`` shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network

from netlink.deadline import remaining
from netlink.errors import KernelError
from plugin.background.loop import Troubled
from plugin.dhcp.leases import Leases
from plugin.dhcp.model import Lease4, NoAddress, NoServer
from plugin.dhcp.record import DhcpLease
from plugin.errors import Conflict, Failed, InvalidRequest
from plugin.model.names import host_link_name, local_mac
from plugin.model.records import Endpoint, Network
from plugin.modes.base import Mode
from plugin.modes.registry import shared_mac
from plugin.network.address_owners import AddressOwners
from plugin.options.dhcp import DhcpSettings
from plugin.options.network import EndpointSettings
from plugin.protocol.messages import JoinReply, StaticRoute
from plugin.request.undo import Undo
from plugin.runtime import Runtime
from plugin.store.base import Store

DEADLINE, REST = 18.0, 2.0  # seconds for a request, and for its steps after the lease
PLACE = 12  # digits in a client id for host and link
OPTIONS = (
    EndpointSettings.host_name,
    EndpointSettings.client_id,
    EndpointSettings.vendor_class,
    EndpointSettings.address,
)
EVERYWHERE = IPv4Network("0.0.0.0/0")


class LeasedAddresses:
    """Leases addresses for endpoints of networks with DHCP. Other networks cost it nothing."""

    def __init__(self, runtime: Runtime, owners: AddressOwners, host: str) -> None:
        """``host`` is a text that no other pynet on the LAN has, and that stays the same."""
        self._host = host
        self._store: Store = runtime.store
        self._kernel = runtime.kernel
        self._names = runtime.names
        self._leases: Leases = runtime.leases
        self._owners = owners

    def lease(self, mode: Mode, network: Network, endpoint: Endpoint, wish: str | None, undo: Undo) -> Endpoint:
        """Return ``endpoint`` with a leased address; ``wish`` is the MAC that the user chose.

        Raises:
            InvalidRequest: it has options of DHCP, and its network has no DHCP.
            NoServer, NoAddress, Conflict: no server gave an address, or not the one that was asked for.
        """
        if not by_dhcp(network):
            self._refuse_options(endpoint)
            return endpoint
        network = mode.followed(network)
        endpoint = self._with_mac(mode, network, endpoint, wish)
        settings = DhcpSettings.readable(network.in_force)
        timeout = min(settings.dhcp_timeout, remaining(DEADLINE) - REST)
        wanted, address = self._wanted(network, endpoint, settings), endpoint.settings.address
        try:
            lease = self._leases.take(wanted, _ipv4(address), timeout, partial(_runs, self._store, mode), undo)
        except (NoServer, NoAddress, Conflict, KernelError) as error:
            kind = Failed if isinstance(error, KernelError) else type(error)
            name = self._names.network(network.id)
            raise kind(f"get an address by DHCP on '{network.link}' for network {name}: {error}") from error
        return replace(endpoint, ipv4=lease.address)

    def recall(self, networks: Mapping[str, Network], endpoints: Mapping[str, Sequence[Endpoint]]) -> Troubled:
        """Go on with the leases of all endpoints after a start, and give those of others back later.

        Returns:
            Something that tells of the threads that do so.
        """
        leased = [record for record in networks.values() if by_dhcp(record)]
        ends = [(record, end) for record in leased for end in endpoints.get(record.id, ())]
        for record, end in ends:
            if end.ipv4 is not None and end.mac:
                wanted = self._wanted(record, end, DhcpSettings.readable(record.in_force))
                self._leases.find_again(wanted, end.ipv4)
        links = {end.key: record.link for record, end in ends}
        self._leases.recall(links, lambda key: self.hearing(key.partition("/")[2]))
        return self._leases

    def keep(self, endpoint: Endpoint) -> None:
        """Renew the lease of an endpoint that has been made; raises ``KernelError``."""
        if self._leases.of(endpoint.key) is not None:
            self._leases.keep(endpoint.key, self.hearing(endpoint.id))

    def hearing(self, endpoint_id: str) -> str:
        """Return the link of the host on which answers to the endpoint's own MAC arrive, "" for the network's."""
        name = host_link_name(endpoint_id)
        return name if self._kernel.link_exists(name) else ""

    def routed(self, network: Network, endpoint: Endpoint, reply: JoinReply) -> JoinReply:
        """Return the reply to Join with the routes that came with the lease of ``endpoint``, if it has one."""
        held = self._leases.of(endpoint.key)
        if held is None or held.lease is None:
            return reply
        gateway, routes = (None, ()) if network.internal else routes_of(held.lease)
        return replace(
            reply,
            gateway=gateway or reply.gateway,
            static_routes=(*reply.static_routes, *routes),
            disable_gateway_service=True,
        )

    def _wanted(self, network: Network, endpoint: Endpoint, settings: DhcpSettings) -> DhcpLease:
        """Return the lease to ask for; a client id follows from the host, the link and the name of the container.

        It survives the network, which Compose creates again, and differs from that of the same name on another host.
        """
        own, client = endpoint.settings, endpoint.settings.client_id or b""
        name = own.host_name or ("" if self._has_own_mac(network, endpoint) else endpoint.id[:PLACE])
        if name and not client:
            place = sha256(f"{self._host}/{network.link}".encode()).hexdigest()[:PLACE]
            client = f"\0pynet:{place}:{name}".encode()
        vendor = settings.vendor_class if own.vendor_class is None else own.vendor_class
        return DhcpLease(network.id, endpoint.id, network.link, endpoint.mac, client.hex(), own.host_name, vendor)

    def _has_own_mac(self, network: Network, endpoint: Endpoint) -> bool:
        """Return whether the MAC tells the container from others: in some modes all have that of the network's link."""
        link = self._kernel.link(network.link)
        return link is None or link.mac != endpoint.mac

    def _refuse_options(self, endpoint: Endpoint) -> None:
        used = next((option.key for option in OPTIONS if option.key in endpoint.driver_opts), "")
        if used:
            name = self._names.network(endpoint.network_id)
            raise InvalidRequest(
                f"option '{used}' is for containers with an address by DHCP, and network {name} was created without "
                f"-o {DhcpSettings.dhcp.key}=on"
            )

    def _with_mac(self, mode: Mode, network: Network, endpoint: Endpoint, wish: str | None) -> Endpoint:
        """Give the endpoint the MAC that follows from its name, so that its server knows it again."""
        name = endpoint.settings.host_name
        fixed = bool(name) and not wish and not shared_mac(mode, network)
        if fixed:
            endpoint = replace(endpoint, mac=local_mac(f"{self._host}/{network.link}/{name}".encode()))
        return self._owners.with_mac(mode, network, endpoint, endpoint.mac if fixed else wish, self._names)


def _runs(store: Store, mode: Mode, key: str) -> bool:
    """Return whether a container runs with the endpoint ``key``."""
    known = store.get(Endpoint, key)
    return known is not None and mode.in_container(known.record)


def by_dhcp(network: Network) -> bool:
    """Return whether the addresses of a network come from the LAN's DHCP server."""
    return DhcpSettings.dhcp.key in network.options and DhcpSettings.readable(network.in_force).dhcp


def routes_of(lease: Lease4) -> tuple[IPv4Address | None, Sequence[StaticRoute]]:
    """Return the default route and the other routes of a lease; its router counts only without routes (RFC 3442).

    A next hop outside of the lease's subnet gets a route of its own on the link, or the kernel would refuse it.
    """
    named = {route.destination: route.router for route in lease.routes}
    default = named.pop(EVERYWHERE, None) if lease.routes else lease.router
    on_link = default is not None and default.is_unspecified
    hops = [hop for hop in (default, *named.values()) if hop is not None and not hop.is_unspecified]
    far = dict.fromkeys(hop for hop in hops if hop not in lease.address.network)
    routes = [StaticRoute(IPv4Network(hop)) for hop in far]
    routes += [StaticRoute(EVERYWHERE)] if on_link else []
    routes += [StaticRoute(where, None if hop.is_unspecified else hop) for where, hop in named.items()]
    return (None if on_link else default), routes


def _ipv4(address: object) -> IPv4Address | None:
    return address if isinstance(address, IPv4Address) else None
