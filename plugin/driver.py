"""The network driver: what each verb of Docker's NetworkDriver protocol means.

Every verb has the same shape: take the locks, load what is known, let the mode do its part with an undo stack open,
and write the state before the reply. Verbs that remove succeed for what nobody knows, because the engine repeats and
reorders its calls (moby daemon/libnetwork/endpoint.go, pkg/plugins/client.go).
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

import structlog

from plugin.engine.touched import Touched
from plugin.errors import Failed, PynetError
from plugin.ipam.sticky import keep_names
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.modes.base import Mode
from plugin.network.address_owners import AddressOwners, given_up
from plugin.network.endpoint import endpoint_of
from plugin.network.exposure import Exposure
from plugin.network.lookup import Lookup
from plugin.network.macs import as_given_before, check_mac, with_free_mac
from plugin.network.reservations import NetworkReservations
from plugin.options.network import ISOLATED, NetworkSettings
from plugin.protocol.messages import (
    AllocateNetwork,
    AllocateReply,
    Capabilities,
    CreateEndpoint,
    CreateEndpointReply,
    CreateNetwork,
    Discovery,
    EndpointRef,
    GwAllocCheck,
    GwAllocReply,
    Interface,
    Join,
    JoinReply,
    NetworkRef,
    OperInfo,
    ProgramExternalConnectivity,
)
from plugin.publish.bindings import PortRequest
from plugin.request.refusals import as_failed, refuse_difference
from plugin.request.undo import Undo
from plugin.request.work import Work
from plugin.runtime import Runtime
from plugin.store.base import Put, Remove

log = structlog.get_logger()


class Driver:
    """Serves the NetworkDriver protocol (``plugin.protocol.api.NetworkDriver``)."""

    def __init__(self, runtime: Runtime, *, gateway_check: bool = True) -> None:
        self._store = runtime.store
        self._modes = runtime.modes
        self._settings = runtime.settings
        self._reaper = runtime.reaper
        self._publisher = runtime.publisher
        self._locks = runtime.locks
        self._work = Work(runtime.locks, runtime.reaper.debts)
        self._gateway_check = gateway_check
        self._holders = AddressOwners(runtime.store)
        self._debts = runtime.reaper.debts
        self._names = runtime.names
        self._claims = NetworkReservations(self._networks, runtime.names)
        self._lookup = Lookup(runtime, self._claims)
        self._touched = Touched(self._ids)
        self._exposure = Exposure(runtime)

    # --- what the engine asks about the driver -------------------------------------------------

    def get_capabilities(self) -> Capabilities:
        """Networks are of one host.

        GwAllocCheck is asked for unless that is switched off: isolated networks do without a gateway address.
        """
        return Capabilities(scope="local", connectivity_scope="local", gw_alloc_checker=self._gateway_check)

    def gw_alloc_check(self, request: GwAllocCheck) -> GwAllocReply:
        """Refuse bad options before an address is taken; only isolated families need no gateway address."""
        settings = NetworkSettings.read(request.options.generic)
        unrouted = settings.inhibit_ipv4 and request.options.internal
        return GwAllocReply(
            skip_ipv4=unrouted or settings.gateway_mode(4) == ISOLATED, skip_ipv6=settings.gateway_mode(6) == ISOLATED
        )

    def allocate_network(self, request: AllocateNetwork) -> AllocateReply:
        """Echo the options: whatever is not echoed is lost to the nodes of a swarm."""
        NetworkSettings.read(request.options)
        return AllocateReply(options=dict(request.options))

    def free_network(self, request: NetworkRef) -> None:
        """Nothing was allocated."""

    def discover_new(self, request: Discovery) -> None:
        """Bridge networks do not span hosts."""

    def discover_delete(self, request: Discovery) -> None:
        """Bridge networks do not span hosts."""

    # --- networks ------------------------------------------------------------------------------

    def create_network(self, request: CreateNetwork) -> None:
        """Make a network; the same request again changes nothing."""
        settings = NetworkSettings.read(request.options.generic)
        mode = self._modes[settings.mode]
        network = mode.plan(request, settings)
        name = f"network {network.id}"
        with self._work.create(name, about=f"link {network.link}") as undo:
            if self._debts.owes(name):
                self._remove_network(network.id)
            self._touched.note(network.id)
            known = self._store.get(Network, network.id)
            if known is not None:
                asked = replace(known.record, owns_link=True, found=(), mac="", overlay=None)
                refuse_difference("network", network.id, same=asked == network)
                return
            undo.push(self._claims.forget, network.id)
            self._remove_dead_networks(network)
            with self._claims.claim(network):
                kept = keep_names(self._store, request, settings)
                self._reaper.clear(network.link)
                made = mode.create_network(network, undo)
                self._store.transact(Put(made), *kept)
                undo.push(self._store.transact, Remove(Network, network.id))

    def delete_network(self, request: NetworkRef) -> None:
        """Remove a network and whatever endpoints it still has; one that nobody knows is gone already."""
        name = f"network {request.network_id}"
        self._work.remove(name, lambda: self._remove_network(request.network_id), name)

    # --- endpoints -----------------------------------------------------------------------------

    def create_endpoint(self, request: CreateEndpoint) -> CreateEndpointReply:
        """Make an endpoint; the reply names its MAC only where the request had none."""
        endpoint = endpoint_of(request)
        check_mac(endpoint.mac)
        with self._work.create(*_locks_of(request)) as undo:
            network = self._lookup.network(request.network_id)
            if self._debts.owes(f"endpoint {endpoint.key}"):
                self._remove_endpoint(EndpointRef(endpoint.network_id, endpoint.id))
            self._touched.note(endpoint.id)
            known, wish = self._store.get(Endpoint, endpoint.key), request.interface.mac_address
            if known is not None:
                endpoint = as_given_before(known.record, endpoint, wish)
                refuse_difference("endpoint", endpoint.id, same=replace(known.record, published=()) == endpoint)
            else:
                self._remove_dead_endpoints(network, endpoint)
                endpoint = with_free_mac(network, endpoint, wish, lambda mac: self._running(network, mac), self._names)
                self._reaper.clear(host_link_name(endpoint.id))
                self._mode(network).create_endpoint(network, endpoint, undo)
                self._store.transact(Put(endpoint))
                undo.push(self._store.transact, Remove(Endpoint, endpoint.key))
                self._holders.add(endpoint)
                undo.push(self._holders.remove, endpoint)
        return CreateEndpointReply(Interface(mac_address=None if wish else endpoint.mac))

    def delete_endpoint(self, request: EndpointRef) -> None:
        """Remove an endpoint; one that nobody knows is gone already."""
        name = f"endpoint {request.network_id}/{request.endpoint_id}"
        self._work.remove(name, lambda: self._remove_endpoint(request), *_locks_of(request))

    def endpoint_oper_info(self, request: EndpointRef) -> OperInfo:
        """Nothing: the engine reads no key of it (moby daemon/network.go getEndpointPortMapInfo)."""
        del request
        return OperInfo()

    def join(self, request: Join) -> JoinReply:
        """Name the link that the engine is to move into the container."""
        with self._work.hold(f"endpoint {request.endpoint_id}"):
            network = self._lookup.network(request.network_id)
            endpoint = self._lookup.endpoint(request.network_id, request.endpoint_id)
            self._touched.note(endpoint.id)
            self._exposure.enter(endpoint, request.sandbox_key)
            reply = self._mode(network).join(network, endpoint)
        with as_failed(), Undo() as close:
            self._exposure.ways.open(endpoint, close)
            if self._exposure.needs_no_gateway(network, endpoint, request.options.port_map):
                with self._work.create(*_locks_of(request)) as undo:
                    self._publish(request, (), undo)
        return reply

    def leave(self, request: EndpointRef) -> None:
        """Withdraw ports; the link goes with DeleteEndpoint, as Join may follow Leave (moby Sandbox.Refresh)."""
        self._exposure.ways.close(request)
        self._revoke(request, keep_routed=False)

    def program_external_connectivity(self, request: ProgramExternalConnectivity) -> None:
        """Publish the endpoint's ports in the place of what it publishes now."""
        owed = f"ports of {request.network_id}/{request.endpoint_id}"
        published = self._publisher.publishes(request.endpoint_id) or self._debts.owes(owed)
        if not request.options.port_map and not published:
            return
        with as_failed(), self._work.resume(f"ports taken for endpoint {request.endpoint_id}") as give_back:
            network = self._lookup.network(request.network_id)
            endpoint = self._lookup.endpoint(request.network_id, request.endpoint_id)
            families = self._exposure.take_over(network, endpoint, request.options, give_back)
            with self._work.create(*_locks_of(request)) as undo:
                self._publish(request, families, undo)
                self._debts.forgive(owed)

    def revoke_external_connectivity(self, request: EndpointRef) -> None:
        """Withdraw the endpoint's ports; after a restart of the engine Leave or DeleteEndpoint comes without Revoke.

        Routed mode needs no gateway, so what it opened stays until the container leaves.
        """
        self._revoke(request, keep_routed=True)

    # --- what the engine forgot ----------------------------------------------------------------

    def forget_endpoint(self, request: EndpointRef, untouched_since: float) -> bool:
        """Remove an endpoint as ``delete_endpoint`` does, unless the engine named it since (monotonic clock).

        Returns:
            Whether there was one to remove.
        """
        with self._work.hold(*_locks_of(request)):
            known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
            if known is None or self._touched.latest(request.endpoint_id) >= untouched_since:
                return False
            self._remove_endpoint(request)
            return True

    def forget_network(self, request: NetworkRef, untouched_since: float) -> bool:
        """Remove a network as ``delete_network`` does, unless the engine named it since (monotonic clock).

        Returns:
            Whether there was one to remove.
        """
        with self._work.hold(f"network {request.network_id}"):
            endpoints = [item.record.id for item in self._store.list(Endpoint, f"{request.network_id}/")]
            named = self._touched.latest(request.network_id, *endpoints)
            if self._store.get(Network, request.network_id) is None or named >= untouched_since:
                return False
            self._remove_network(request.network_id)
            return True

    # --- shared by the verbs -------------------------------------------------------------------

    def _remove_endpoint(self, request: EndpointRef) -> None:
        known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
        network = self._store.get(Network, request.network_id)
        if known is not None and network is not None:
            self._discard(network.record, known.record)
        for owed in ("endpoint", "ports of"):
            self._debts.forgive(f"{owed} {request.network_id}/{request.endpoint_id}")

    def _publish(self, request: Join | ProgramExternalConnectivity, families: tuple[int, ...], undo: Undo) -> None:
        network = self._lookup.network(request.network_id)
        endpoint = self._lookup.endpoint(request.network_id, request.endpoint_id)
        self._touched.note(endpoint.id)
        reference = EndpointRef(endpoint.network_id, endpoint.id)
        undo.push(self._exposure.settle, reference)
        self._exposure.publish(network, endpoint, PortRequest(request.options.port_map, families))
        undo.push(self._exposure.withdraw, reference)

    def _revoke(self, request: EndpointRef, *, keep_routed: bool) -> None:
        if not self._publisher.publishes(request.endpoint_id):
            return
        gone: Endpoint | None = None

        def removal() -> None:
            nonlocal gone
            gone = self._exposure.withdraw(request, keep_routed=keep_routed)

        self._work.remove(f"ports of {request.network_id}/{request.endpoint_id}", removal, *_locks_of(request))
        if gone is not None:
            self._exposure.pass_on(gone)

    def _remove_dead_networks(self, network: Network) -> None:
        """Remove networks that the engine gave up: their subnet is given to this one, and no container is left."""
        for dead in given_up(self._store, network, self._claims.rivals(network)):
            mode = self._modes.get(dead.mode)
            if mode is None:
                continue
            with self._locks.hold(f"network {dead.id}"):
                if not any(mode.in_container(item.record) for item in self._store.list(Endpoint, f"{dead.id}/")):
                    log.warning("network given up by the engine removed", dead=dead.id[:12], by=network.id[:12])
                    self._remove_network(dead.id)

    def _remove_dead_endpoints(self, network: Network, endpoint: Endpoint) -> None:
        """Remove endpoints that the engine gave up: their address is given to this one, and no container has them."""
        for dead in self._holders.of_the_addresses_of(endpoint):
            with self._locks.hold(f"endpoint {dead.id}"):
                known = self._store.get(Endpoint, dead.key)
                if known is not None and not self._mode(network).in_container(known.record):
                    log.warning("endpoint given up by the engine removed", dead=dead.id[:12], by=endpoint.id[:12])
                    self._discard(network, known.record)

    def _running(self, network: Network, mac: str) -> Endpoint | None:
        """Return the endpoint with ``mac`` that a container has; another one may be what the engine gave up."""
        holder = self._holders.of_mac(network.id, mac)
        return holder if holder is not None and self._mode(network).in_container(holder) else None

    def _discard(self, network: Network, endpoint: Endpoint) -> None:
        self._publisher.withdraw(endpoint)  # whatever its record says: rules of a request that failed may be left
        links = self._mode(network).delete_endpoint(network, endpoint)
        self._bury(_tombstones(endpoint.id, links), Remove(Endpoint, endpoint.key))
        self._holders.remove(endpoint)

    def _remove_network(self, network_id: str) -> None:
        known = self._store.get(Network, network_id)
        if known is not None:
            self._remove_known(known.record)
        self._claims.forget(network_id)
        self._settings.release(network_id, self._claims.networks)
        self._debts.forgive(f"network {network_id}")

    def _remove_known(self, network: Network) -> None:
        endpoints = [item.record for item in self._store.list(Endpoint, f"{network.id}/")]
        for endpoint in endpoints:
            self._publisher.withdraw(endpoint)
        tombstones = self._take_apart(network, endpoints)
        removed = [Remove(Endpoint, endpoint.key) for endpoint in endpoints]
        self._bury(tombstones, Remove(Network, network.id), *removed)
        self._holders.remove(*endpoints)

    def _take_apart(self, network: Network, endpoints: list[Endpoint]) -> list[Tombstone]:
        """Return the links left to delete; those of a network whose record this pynet cannot understand go as well."""
        try:
            mode = self._mode(network)
            ends = [_tombstones(end.id, mode.delete_endpoint(network, end)) for end in endpoints]
            return [*chain.from_iterable(ends), *_tombstones(network.id, mode.delete_network(network))]
        except PynetError as error:
            log.warning("network taken apart by its names alone", network=network.id[:12], error=str(error))
            own = [Tombstone(network.link, network.id)] if network.owns_link else []
            return [*(Tombstone(host_link_name(end.id), end.id) for end in endpoints), *own]

    def _bury(self, tombstones: list[Tombstone], *changes: Remove) -> None:
        """Remove records and leave tombstones in one transaction, then hand the links to the reaper."""
        self._store.transact(*changes, *map(Put, tombstones))
        self._reaper.bury(tombstones)

    def _ids(self) -> set[str]:
        networks = {item.record.id for item in self._store.list(Network)}
        return networks | {item.record.id for item in self._store.list(Endpoint)}

    def _networks(self) -> list[Network]:
        return [item.record for item in self._store.list(Network)]

    def _mode(self, network: Network) -> Mode:
        mode = self._modes.get(network.mode)
        if mode is None:
            what = f"network {self._names.network(network.id)}"
            raise Failed(f"{what} is of mode '{network.mode}', which this pynet does not have")
        return mode


def _locks_of(request: CreateEndpoint | EndpointRef | Join | ProgramExternalConnectivity) -> tuple[str, str]:
    return f"network {request.network_id}", f"endpoint {request.endpoint_id}"


def _tombstones(identity: str, links: Iterable[str]) -> list[Tombstone]:
    return [Tombstone(link, identity) for link in links]
