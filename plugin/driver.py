"""The network driver: what each verb of Docker's NetworkDriver protocol means.

Every verb has the same shape: take the locks, load what is known, let the mode do its part with an undo stack open,
and write the state before the reply. Verbs that remove succeed for what nobody knows, because the engine repeats and
reorders its calls (moby daemon/libnetwork/endpoint.go, pkg/plugins/client.go).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from netlink.errors import KernelError
from plugin.claims import Claims
from plugin.endpoints import endpoint_of
from plugin.errors import Conflict, Failed, NotFound
from plugin.host_settings import HostSettings
from plugin.locks import Locks
from plugin.messages import (
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
from plugin.model import Endpoint, Network, Published, Tombstone, host_link_name
from plugin.modes.base import Mode
from plugin.network_options import INHIBIT_IPV4, ISOLATED, MODE, NETWORK_OPTIONS, gateway_mode
from plugin.options import read_options
from plugin.publish.publisher import Publisher
from plugin.reaper import Reaper
from plugin.store.base import Put, Remove, Store, StoreConflict
from plugin.undo import Undo


class Driver:
    """Serves the NetworkDriver protocol (``plugin.api.NetworkDriver``)."""

    def __init__(
        self,
        *,
        store: Store,
        modes: Mapping[str, Mode],
        settings: HostSettings,
        reaper: Reaper,
        publisher: Publisher,
        locks: Locks,
    ) -> None:
        self._store = store
        self._modes = modes
        self._settings = settings
        self._reaper = reaper
        self._publisher = publisher
        self._locks = locks
        self._claims = Claims(self._networks)

    # --- what the engine asks about the driver -------------------------------------------------

    def get_capabilities(self) -> Capabilities:
        """Networks are of one host.

        No GwAllocCheck: only isolated networks could do without a gateway address, and being asked costs every creation
        a sixth of its time.
        """
        return Capabilities(scope="local", connectivity_scope="local", gw_alloc_checker=False)

    def gw_alloc_check(self, request: GwAllocCheck) -> GwAllocReply:
        """Refuse bad options before an address is taken; only isolated families need no gateway address."""
        options = read_options(NETWORK_OPTIONS, request.options.generic)
        unrouted = options[INHIBIT_IPV4] and request.options.internal
        return GwAllocReply(
            skip_ipv4=unrouted or gateway_mode(options, 4) == ISOLATED, skip_ipv6=gateway_mode(options, 6) == ISOLATED
        )

    def allocate_network(self, request: AllocateNetwork) -> AllocateReply:
        """Echo the options: whatever is not echoed is lost to the nodes of a swarm."""
        read_options(NETWORK_OPTIONS, request.options)
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
        options = read_options(NETWORK_OPTIONS, request.options.generic)
        mode = self._modes[options[MODE]]
        network = mode.plan(request, options)
        with self._work(f"network {network.id}") as undo:
            known = self._store.get(Network, network.id)
            if known is not None:
                asked = replace(known.record, owns_link=True, found=(), mac="", overlay=None)
                _refuse_difference("network", network.id, same=asked == network)
                return
            with self._claims.claim(network):
                self._reaper.clear(network.link)
                self._store.transact(Put(mode.create_network(network, options, undo)))

    def delete_network(self, request: NetworkRef) -> None:
        """Remove a network and whatever endpoints it still has; one that nobody knows is gone already."""
        with self._work(f"network {request.network_id}"):
            known = self._store.get(Network, request.network_id)
            if known is not None:
                self._remove_network(known.record, self._mode(known.record))
            self._settings.release(self._claims.forget(request.network_id))

    # --- endpoints -----------------------------------------------------------------------------

    def create_endpoint(self, request: CreateEndpoint) -> CreateEndpointReply:
        """Make an endpoint; the reply names its MAC only where the request had none."""
        endpoint = endpoint_of(request)
        with self._work(f"network {request.network_id}", f"endpoint {request.endpoint_id}") as undo:
            network = self._network(request.network_id)
            known = self._store.get(Endpoint, endpoint.key)
            if known is not None:
                _refuse_difference("endpoint", endpoint.id, same=replace(known.record, published=()) == endpoint)
            else:
                self._reaper.clear(host_link_name(endpoint.id))
                self._mode(network).create_endpoint(network, endpoint, undo)
                self._store.transact(Put(endpoint))
        return CreateEndpointReply(Interface(mac_address=None if request.interface.mac_address else endpoint.mac))

    def delete_endpoint(self, request: EndpointRef) -> None:
        """Remove an endpoint; one that nobody knows is gone already."""
        with self._work(f"network {request.network_id}", f"endpoint {request.endpoint_id}"):
            known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
            network = self._store.get(Network, request.network_id)
            if known is None or network is None:
                return
            if known.record.published:
                self._publisher.withdraw(known.record)
            links = self._mode(network.record).delete_endpoint(network.record, known.record)
            self._bury(links, Remove(Endpoint, known.record.key))

    def endpoint_oper_info(self, request: EndpointRef) -> OperInfo:
        """Nothing: the engine reads no key of it (moby daemon/network.go getEndpointPortMapInfo)."""
        del request
        return OperInfo()

    def join(self, request: Join) -> JoinReply:
        """Name the link that the engine is to move into the container."""
        with self._work(f"endpoint {request.endpoint_id}"):
            network = self._network(request.network_id)
            endpoint = self._endpoint(request.network_id, request.endpoint_id)
            return self._mode(network).join(network, endpoint)

    def leave(self, request: EndpointRef) -> None:
        """Withdraw ports; the link goes with DeleteEndpoint, as Join may follow Leave (moby Sandbox.Refresh)."""
        self.revoke_external_connectivity(request)

    def program_external_connectivity(self, request: ProgramExternalConnectivity) -> None:
        """Publish the endpoint's ports in the place of what it publishes now."""
        if not request.options.port_map and not self._publisher.publishes(request.endpoint_id):
            return
        with self._work(f"network {request.network_id}", f"endpoint {request.endpoint_id}"):
            network = self._network(request.network_id)
            endpoint = self._endpoint(request.network_id, request.endpoint_id)

            def save(published: tuple[Published, ...]) -> None:
                if published != endpoint.published:
                    self._store.transact(Put(replace(endpoint, published=published)))

            self._publisher.publish(network, endpoint, request.options, save)

    def revoke_external_connectivity(self, request: EndpointRef) -> None:
        """Withdraw the endpoint's ports; after a restart of the engine Leave or DeleteEndpoint comes without Revoke."""
        if not self._publisher.publishes(request.endpoint_id):
            return
        with self._work(f"network {request.network_id}", f"endpoint {request.endpoint_id}"):
            known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
            if known is not None:
                self._publisher.withdraw(known.record)
                self._store.transact(Put(replace(known.record, published=())))

    # --- shared by the verbs -------------------------------------------------------------------

    @contextmanager
    def _work(self, *locks: str) -> Iterator[Undo]:
        with _as_failed(), self._locks.hold(*locks), Undo() as undo:
            yield undo

    def _remove_network(self, network: Network, mode: Mode) -> None:
        endpoints = [item.record for item in self._store.list(Endpoint, f"{network.id}/")]
        for endpoint in endpoints:
            if endpoint.published:
                self._publisher.withdraw(endpoint)
        links = [link for endpoint in endpoints for link in mode.delete_endpoint(network, endpoint)]
        links += mode.delete_network(network)
        removed = [Remove(Endpoint, endpoint.key) for endpoint in endpoints]
        self._bury(links, Remove(Network, network.id), *removed)

    def _bury(self, links: list[str], *changes: Remove) -> None:
        """Remove records and leave tombstones in one transaction, then hand the links to the reaper."""
        tombstones = [Tombstone(link) for link in links]
        self._store.transact(*changes, *map(Put, tombstones))
        self._reaper.bury(tombstones)

    def _networks(self) -> list[Network]:
        return [item.record for item in self._store.list(Network)]

    def _network(self, network_id: str) -> Network:
        known = self._store.get(Network, network_id)
        if known is None:
            raise NotFound(f"network '{network_id[:12]}' is not known to pynet; remove it and create it again")
        return known.record

    def _endpoint(self, network_id: str, endpoint_id: str) -> Endpoint:
        known = self._store.get(Endpoint, f"{network_id}/{endpoint_id}")
        if known is None:
            raise NotFound(f"endpoint '{endpoint_id[:12]}' of network '{network_id[:12]}' is not known to pynet")
        return known.record

    def _mode(self, network: Network) -> Mode:
        return self._modes[network.mode]


@contextmanager
def _as_failed() -> Iterator[None]:
    """Turn what the kernel or a concurrent writer refused into the sentence that the user reads."""
    try:
        yield
    except (KernelError, StoreConflict) as error:
        failed = Failed(str(error))
        for note in getattr(error, "__notes__", []):
            failed.add_note(note)
        raise failed from error


def _refuse_difference(what: str, identity: str, *, same: bool) -> None:
    if not same:
        raise Conflict(f"{what} '{identity[:12]}' exists already with other settings")
