"""The network driver: the meaning of each verb of Docker's NetworkDriver protocol.

Every verb has the same shape: take the locks, load the records, let the mode do its part with an undo stack open, and
write the state before the reply. The removal of an unknown network or endpoint succeeds, because the engine repeats and
reorders its calls (moby daemon/libnetwork/endpoint.go, pkg/plugins/client.go).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from plugin.ipam.sticky import keep_names
from plugin.model.names import container_link_name, host_link_name, limiter_name
from plugin.model.records import Endpoint, Network
from plugin.modes.base import Capability, Mode
from plugin.modes.registry import read_settings, refuse_options, shared_mac
from plugin.network.endpoint import as_given_before, endpoint_of
from plugin.network.exposure import Exposure
from plugin.network.leased_addresses import LeasedAddresses
from plugin.network.lookup import EngineLookup
from plugin.network.ways import Ways
from plugin.options.network import ISOLATED, NetworkSettings
from plugin.protocol import messages as m
from plugin.publish.bindings import PortRequest
from plugin.removal.removal import Removal
from plugin.request.locks import LockName, endpoint_locks
from plugin.request.retries import Owed
from plugin.request.undo import Undo
from plugin.request.work import Work, as_failed, refuse_difference
from plugin.runtime import Runtime
from plugin.store.base import Put, Remove
from plugin.swarm.allocation import settle


class Driver:
    """Serves the NetworkDriver protocol (``plugin.protocol.api.NetworkDriver``) for the networks of all modes."""

    def __init__(
        self, runtime: Runtime, removal: Removal, leased: LeasedAddresses, capabilities: m.Capabilities
    ) -> None:
        self._store = runtime.store
        self._modes = runtime.modes
        self._applier = runtime.applier
        self._names = runtime.names
        self._publisher = runtime.publisher
        self._reaper = runtime.reaper
        self._retries = runtime.reaper.retries
        self._capabilities = capabilities
        self._removal = removal
        self._reservations, self._owners, self._touched = removal.reservations, removal.owners, removal.touched
        self._lookup = EngineLookup(runtime, removal.reservations, removal.touched)
        self._sandboxes = removal.sandboxes
        self._exposure = Exposure(runtime, self._sandboxes)
        self._ways = Ways(runtime, self._sandboxes)
        self._leased = leased
        self._work = Work(runtime.locks, runtime.reaper.retries)

    def recall(self, networks: Mapping[str, Network], endpoints: Mapping[str, Sequence[Endpoint]]) -> None:
        """Take all records after a start, which the first requests would have to read otherwise."""
        self._reservations.recall(networks.values())
        self._sandboxes.recall(end for ends in endpoints.values() for end in ends)

    # --- questions of the engine about the driver ----------------------------------------------

    def get_capabilities(self) -> m.Capabilities:
        """Tell the engine whether networks are of one host or of a swarm, and that it may call GwAllocCheck.

        Modes that span hosts need no swarm, because they use pynet's own cluster store. With GwAllocCheck isolated
        networks need no address for a gateway; it can be switched off.
        """
        return self._capabilities

    def gw_alloc_check(self, request: m.GwAllocCheck) -> m.GwAllocReply:
        """Refuse bad options before an address is taken; families without the host as gateway need no address."""
        return _without_gateway(*read_settings(self._modes, request.options.generic), internal=request.options.internal)

    def allocate_network(self, request: m.AllocateNetwork) -> m.AllocateReply:
        """Settle mode and name of a network of a swarm, on its leader, and echo all other options."""
        return m.AllocateReply(options=settle(self._modes, request, self._capabilities))

    def free_network(self, request: m.NetworkRef) -> None:
        """Do nothing, because ``allocate_network`` stores nothing."""

    def discover_new(self, request: m.Discovery) -> None:
        """Do nothing: hosts find each other in pynet's cluster store, not by the engine's discovery."""

    def discover_delete(self, request: m.Discovery) -> None:
        """Do nothing, as in ``discover_new``."""

    # --- networks ------------------------------------------------------------------------------

    def create_network(self, request: m.CreateNetwork) -> None:
        """Make a network; the same request again changes nothing."""
        mode, settings = read_settings(self._modes, request.options.generic)
        network = replace(mode.plan(request, settings), host_gateway=Capability.HOST_GATEWAY in mode.does)
        with self._work.create(LockName.network(network.id), about=LockName.link(network.link)) as undo:
            if self._retries.pending(Owed.network(network.id)):
                self._removal.network(network.id)
            known = self._store.get(Network, network.id)
            self._touched.note(network.id)
            if known is not None:
                asked = replace(
                    known.record, owns_link=True, found=(), mac="", overlay=None, gso=0, changes={}, parent=None
                )
                refuse_difference("network", network.id, same=asked == network)
                return
            undo.push(self._touched.forget, network.id)
            undo.push(self._reservations.release, network.id)
            for dead in self._reservations.given_up_for(network):
                self._removal.superseded_network(dead, network)
            with self._reservations.reserve(network):
                kept = keep_names(self._store, request, settings)
                self._reaper.clear(network.link)
                made = self._applier.create_network(mode, network, undo)
                self._store.transact(Put(made), *kept)
                undo.push(self._store.transact, Remove(Network, network.id))

    def delete_network(self, request: m.NetworkRef) -> None:
        """Remove a network with the endpoints that it still has; an unknown one is gone already."""
        removal = partial(self._removal.network, request.network_id)
        self._work.remove(Owed.network(request.network_id), removal, LockName.network(request.network_id))

    # --- endpoints -----------------------------------------------------------------------------

    def create_endpoint(self, request: m.CreateEndpoint) -> m.CreateEndpointReply:
        """Make an endpoint, with a lease that is taken before the locks; reply only what the request left open."""
        endpoint, wish = endpoint_of(request), request.interface.mac_address
        with as_failed(), self._work.resume(Owed.lease(endpoint.network_id, endpoint.id)) as give_back:
            network = self._lookup.network(request.network_id)
            if self._retries.pending(Owed.endpoint(endpoint.network_id, endpoint.id)):
                with self._work.hold(*_locks_of(request)):
                    self._removal.endpoint(m.EndpointRef(endpoint.network_id, endpoint.id))
            mode = self._lookup.mode(network)
            endpoint = self._leased.lease(mode, network, endpoint, wish, give_back)
            with self._work.create(*_locks_of(request)) as undo:
                endpoint = self._make_endpoint(mode, endpoint, wish, undo)
                self._leased.keep(endpoint)
        new = None if request.interface.address else endpoint.ipv4
        given = wish or shared_mac(mode, network)
        return m.CreateEndpointReply(m.Interface(new, mac_address=None if given else endpoint.mac))

    def _make_endpoint(self, mode: Mode, endpoint: Endpoint, wish: str | None, undo: Undo) -> Endpoint:
        """Make an endpoint, or find that it was made; ``wish`` is the MAC that the user chose."""
        network = self._lookup.network(endpoint.network_id)
        known = self._store.get(Endpoint, endpoint.key)
        self._touched.note(endpoint.id)
        if known is not None:
            endpoint = as_given_before(known.record, endpoint, wish, shared_mac(mode, network))
            asked_before = replace(known.record, published=(), changes={}, added=(), withdrawn=())
            refuse_difference("endpoint", endpoint.id, same=asked_before == endpoint)
            return endpoint
        undo.push(self._touched.forget, endpoint.id)
        refuse_options(mode, endpoint.driver_opts)
        network = mode.followed(network)
        for dead in self._owners.others_with_addresses_of(endpoint):
            self._removal.superseded_endpoint(dead, endpoint, mode)
        endpoint = self._owners.with_mac(mode, network, endpoint, wish, self._names)
        for link_name in (host_link_name, container_link_name, limiter_name):
            self._reaper.clear(link_name(endpoint.id))
        endpoint = self._applier.create_endpoint(mode, network, endpoint, undo)
        self._store.transact(Put(endpoint))
        undo.push(self._store.transact, Remove(Endpoint, endpoint.key))
        self._owners.add(endpoint)
        undo.push(self._owners.remove, endpoint)
        return endpoint

    def delete_endpoint(self, request: m.EndpointRef) -> None:
        """Remove an endpoint; an unknown one is gone already."""
        owed = Owed.endpoint(request.network_id, request.endpoint_id)
        self._work.remove(owed, partial(self._removal.endpoint, request), *_locks_of(request))

    def endpoint_oper_info(self, request: m.EndpointRef) -> m.OperInfo:
        """Return nothing: the engine reads no key of it (moby daemon/network.go getEndpointPortMapInfo)."""
        del request
        return m.OperInfo()

    def join(self, request: m.Join) -> m.JoinReply:
        """Name the link that the engine is to move into the container."""
        with self._work.hold(LockName.endpoint(request.endpoint_id)):
            network = self._lookup.network(request.network_id)
            endpoint = self._lookup.endpoint(request.network_id, request.endpoint_id)
            self._sandboxes.enter(endpoint, request.sandbox_key)
            reply = self._leased.routed(network, endpoint, self._lookup.mode(network).join(network, endpoint))
            self._exposure.note_unpublished(network, endpoint, request.options.port_map)
        with as_failed(), Undo() as close:
            self._ways.open(endpoint, close)
            if self._exposure.needs_no_gateway(network, endpoint, request.options.port_map):
                with self._work.create(*_locks_of(request)) as undo:
                    self._publish(request, (), undo)
        return reply

    def leave(self, request: m.EndpointRef) -> None:
        """Withdraw ports; the link goes with DeleteEndpoint, as Join may follow Leave (moby Sandbox.Refresh)."""
        self._ways.close(request)
        self._revoke(request, keep_routed=False)

    def program_external_connectivity(self, request: m.ProgramExternalConnectivity) -> None:
        """Publish the ports of the request instead of the ports that the endpoint publishes now."""
        owed = Owed.ports(request.network_id, request.endpoint_id)
        published = self._publisher.publishes(request.endpoint_id) or self._retries.pending(owed)
        if not request.options.port_map and not published:
            return
        with as_failed(), self._work.resume(Owed.taken_ports(request.endpoint_id)) as give_back:
            network = self._lookup.network(request.network_id)
            endpoint = self._lookup.endpoint(request.network_id, request.endpoint_id)
            families = self._exposure.take_over(network, endpoint, request.options, give_back)
            with self._work.create(*_locks_of(request)) as undo:
                self._publish(request, families, undo)
                self._retries.drop(owed)

    def revoke_external_connectivity(self, request: m.EndpointRef) -> None:
        """Withdraw the endpoint's ports; after a restart of the engine Leave or DeleteEndpoint comes without Revoke.

        Routed mode needs no gateway, so the ports that it opened stay until the container leaves.
        """
        self._revoke(request, keep_routed=True)

    def _publish(self, request: m.Join | m.ProgramExternalConnectivity, families: tuple[int, ...], undo: Undo) -> None:
        network = self._lookup.network(request.network_id)
        endpoint = self._lookup.endpoint(request.network_id, request.endpoint_id)
        reference = m.EndpointRef(endpoint.network_id, endpoint.id)
        undo.push(self._exposure.restore_rules, reference)
        self._exposure.publish(network, endpoint, PortRequest(request.options.port_map, families))
        undo.push(self._exposure.withdraw, reference)

    def _revoke(self, request: m.EndpointRef, *, keep_routed: bool) -> None:
        if self._publisher.publishes(request.endpoint_id):
            withdraw = partial(self._exposure.withdraw, request, keep_routed=keep_routed)
            owed = Owed.ports(request.network_id, request.endpoint_id)
            gone = self._work.remove(owed, withdraw, *_locks_of(request))
            if gone is not None:
                self._exposure.pass_on(gone)


def _without_gateway(mode: Mode, settings: NetworkSettings, *, internal: bool) -> m.GwAllocReply:
    elsewhere = Capability.HOST_GATEWAY not in mode.does
    unrouted = elsewhere or (settings.inhibit_ipv4 and internal)
    isolated4, isolated6 = (settings.gateway_mode(version) == ISOLATED for version in (4, 6))
    return m.GwAllocReply(skip_ipv4=unrouted or isolated4, skip_ipv6=elsewhere or isolated6)


def _locks_of(
    request: m.CreateEndpoint | m.EndpointRef | m.Join | m.ProgramExternalConnectivity,
) -> tuple[LockName, LockName]:
    return endpoint_locks(request.network_id, request.endpoint_id)
