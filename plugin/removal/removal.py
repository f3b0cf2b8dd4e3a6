"""Takes endpoints and networks apart, for everybody who removes one, in the same steps.

* DeleteEndpoint and DeleteNetwork, at once or when they are tried again (``plugin.driver``);
* a creation, when the engine gives out a subnet or an address for the second time: its previous owner is dead;
* the garbage collector, for networks and endpoints that the engine has forgotten (``plugin.removal.garbage``);
* the reconciler, for an endpoint whose link is gone (``plugin.reconcile.repairs``).

Every step can be repeated, and a thing that is gone already counts as removed. So a removal that fails half-way is
tried again from its first step.
"""

from collections.abc import Mapping, Sequence

import structlog

from netlink.errors import KernelError
from plugin.engine.touched import Touched
from plugin.errors import Failed, PynetError
from plugin.model.names import container_link_name, host_end
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.modes.base import Mode
from plugin.network.address_owners import AddressOwners
from plugin.network.reservations import NetworkReservations
from plugin.network.sandboxes import Sandboxes
from plugin.protocol.messages import EndpointRef, NetworkRef
from plugin.request.locks import LockName, endpoint_locks
from plugin.request.retries import Owed
from plugin.request.work import as_failed
from plugin.runtime import Runtime
from plugin.store.base import Remove

log = structlog.get_logger()


class Removal:
    """Removes networks and endpoints, with their entries in the registers that this process keeps in memory.

    Every verb may raise ``KernelError`` and ``PynetError``. The caller of ``endpoint`` and ``network`` holds the locks
    of the thing to be removed; the other verbs take them.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._store = runtime.store
        self._kernel = runtime.kernel
        self._modes = runtime.modes
        self._publisher = runtime.publisher
        self._reaper = runtime.reaper
        self._settings = runtime.settings
        self._locks = runtime.locks
        self._retries = runtime.reaper.retries
        self._leases = runtime.leases
        self.reservations = NetworkReservations(runtime.store, runtime.names, runtime.modes)
        self.owners = AddressOwners(runtime.store)
        self.sandboxes = Sandboxes(runtime.store)
        self.touched = Touched()

    def endpoint(self, request: EndpointRef) -> None:
        """Take an endpoint apart, if there is one.

        1. Withdraw its ports first, while their target address still is its own. Do so even if its record names no
           ports: a request that failed may have left rules for some.
        2. Let its mode take it out of use, on other hosts too, and name the links that are left.
        3. Remove the record and write a tombstone for each link, in one transaction. A crash before it leaves an
           endpoint that can be removed again; after it the next start finds the tombstones.
        4. Leave the links to the reaper, because the kernel takes 17 ms for a veth pair and the engine waits for the
           reply. Their rules go after them, so nothing passes unfiltered.
        5. Give its lease back to the DHCP server, if it has one: nobody has the address any more.
        6. Note that its addresses have no owner any more, that it left its sandbox, and that nobody names it.
        7. Drop the removals of it that are to be tried again: nothing is left for them.
        """
        known, tombstones = self._taken_apart(request)
        if known:
            self._reaper.bury(tombstones, *(Remove(Endpoint, endpoint.key) for endpoint in known))
            self._note_gone(known)
        self._leases.give_back(f"{request.network_id}/{request.endpoint_id}")
        self.touched.forget(request.endpoint_id)
        names = request.network_id, request.endpoint_id
        self._retries.drop(Owed.endpoint(*names), Owed.ports(*names))

    def lost_endpoints(self, endpoints: Sequence[Endpoint], networks: Mapping[str, Network]) -> dict[str, Exception]:
        """Take endpoints apart whose links are gone, as ``endpoint`` does, but with one transaction for all of them.

        Nothing else happens to them or to ``networks`` meanwhile. Only links that are there after all get a tombstone.

        Returns:
            The errors, by the ids of the endpoints that could not be removed.
        """
        gone: list[Endpoint] = []
        tombstones: list[Tombstone] = []
        failed: dict[str, Exception] = {}
        for endpoint in endpoints:
            try:
                self._publisher.withdraw(endpoint)
                links = self._out_of_use(networks.get(endpoint.network_id), endpoint)
            except (KernelError, PynetError) as error:
                failed[endpoint.id] = error
            else:
                gone.append(endpoint)
                tombstones += [Tombstone(link, endpoint.id) for link in links if self._kernel.link_exists(link)]
        try:
            self._reaper.bury(tombstones, *(Remove(Endpoint, endpoint.key) for endpoint in gone))
        except (KernelError, PynetError) as error:
            return failed | {endpoint.id: error for endpoint in gone}
        self._note_gone(gone)
        return failed

    def network(self, network_id: str) -> None:
        """Take a network apart, if there is one, with the endpoints that the engine left in it.

        1. Withdraw the ports of these endpoints, as in ``endpoint``.
        2. Let the mode take the endpoints and then the network out of use. The addresses of the gateways go at once, so
           that the host has no route into a subnet that may be given out again.
        3. Remove all records and write all tombstones, in one transaction: half of a network is never stored.
        4. Leave the links to the reaper, as in ``endpoint``; a bridge takes the kernel 37 ms.
        5. Give the leases of the endpoints back to the DHCP server.
        6. Note that addresses, subnets and the name of the link have no owner any more, and forget when the engine
           named the network and its endpoints.
        7. Put back the settings of the host that no other network needs.
        8. Drop the removal that is to be tried again.
        """
        known = self._store.get(Network, network_id)
        if known is not None:
            endpoints = self._endpoints(network_id)
            for endpoint in endpoints:
                self._publisher.withdraw(endpoint)
            tombstones = self._all_out_of_use(known.record, endpoints)
            records = [Remove(Network, network_id), *(Remove(Endpoint, endpoint.key) for endpoint in endpoints)]
            self._reaper.bury(tombstones, *records)
            self.sandboxes.forget(*endpoints)
            self.touched.forget(*(endpoint.id for endpoint in endpoints))
        self._leases.give_back_all(network_id)
        self.owners.forget(network_id)
        self.touched.forget(network_id)
        self.reservations.release(network_id)
        self._settings.release(network_id)
        self._retries.drop(Owed.network(network_id))

    # --- things that the engine gave up, as a creation shows ---------------------------------------

    def superseded_network(self, dead: Network, by: Network) -> None:
        """Remove a network whose subnet the engine now gives to ``by``, unless a container is left in it.

        The caller creates ``by`` and holds its lock. The lock of a second network is taken under it, which
        ``plugin.request.locks`` allows to nobody else. Two creations cannot wait for each other: only a creation waits
        for a second network, and one that is being created has no reservation yet, so nobody waits for it here.
        """
        mode = self._modes.get(dead.mode)
        if mode is not None:
            with self._locks.hold(LockName.network(dead.id)):
                if not any(mode.in_container(endpoint) for endpoint in self._endpoints(dead.id)):
                    log.warning("network given up by the engine removed", dead=dead.id[:12], by=by.id[:12])
                    self.network(dead.id)

    def superseded_endpoint(self, dead: Endpoint, by: Endpoint, mode: Mode) -> None:
        """Remove an endpoint whose address the engine now gives to ``by``, unless a container has its link.

        The caller creates ``by`` and holds its lock and its network's. The lock of a second endpoint is taken under
        them, which ``plugin.request.locks`` allows to nobody else. Two creations cannot wait for each other: a thread
        that takes the locks of two endpoints has the lock of their network.
        """
        with self._locks.hold(LockName.endpoint(dead.id)):
            known = self._store.get(Endpoint, dead.key)
            if known is not None and not mode.in_container(known.record):
                log.warning("endpoint given up by the engine removed", dead=dead.id[:12], by=by.id[:12])
                self.endpoint(EndpointRef(dead.network_id, dead.id))

    # --- things that the engine forgot, as the garbage collector finds -----------------------------

    def forgotten_endpoint(self, request: EndpointRef, since: float) -> bool:
        """Remove an endpoint that the engine did not name after ``since`` (monotonic clock).

        Returns:
            Whether it was removed.
        """
        with as_failed(), self._locks.hold(*endpoint_locks(request.network_id, request.endpoint_id)):
            known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
            if known is None or self.touched.latest(request.endpoint_id) >= since:
                return False
            self.endpoint(request)
            return True

    def forgotten_network(self, request: NetworkRef, since: float) -> bool:
        """Remove a network if the engine named neither it nor an endpoint of it after ``since``; returns as above."""
        with as_failed(), self._locks.hold(LockName.network(request.network_id)):
            endpoints = [endpoint.id for endpoint in self._endpoints(request.network_id)]
            named = self.touched.latest(request.network_id, *endpoints)
            if self._store.get(Network, request.network_id) is None or named >= since:
                return False
            self.network(request.network_id)
            return True

    def _taken_apart(self, request: EndpointRef) -> tuple[list[Endpoint], list[Tombstone]]:
        """Do the first two steps of ``endpoint``; return the endpoint, if there is one, and its links to delete."""
        known = self._store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
        if known is None:
            return [], []
        network = self._store.get(Network, request.network_id)
        self._publisher.withdraw(known.record)
        links = self._out_of_use(network.record if network else None, known.record)
        return [known.record], [Tombstone(link, known.record.id) for link in links]

    def _note_gone(self, endpoints: Sequence[Endpoint]) -> None:
        for endpoint in endpoints:
            self.owners.remove(endpoint)
        self.sandboxes.forget(*endpoints)

    def _out_of_use(self, network: Network | None, endpoint: Endpoint) -> list[str]:
        """Return the links left to delete; without a known network and mode, the link that the id names."""
        mode = self._modes.get(network.mode) if network else None
        if network is None or mode is None:
            return [host_end(endpoint) or container_link_name(endpoint.id)]
        return mode.delete_endpoint(network, endpoint)

    def _all_out_of_use(self, network: Network, endpoints: Sequence[Endpoint]) -> list[Tombstone]:
        """Return the links left to delete; if the mode fails or is not known, those that the ids name."""
        try:
            mode = self._modes.get(network.mode)
            if mode is None:
                raise Failed(f"this pynet has no mode '{network.mode}'")
            found = [Tombstone(link, end.id) for end in endpoints for link in mode.delete_endpoint(network, end)]
            return [*found, *(Tombstone(link, network.id) for link in mode.delete_network(network))]
        except PynetError as error:
            log.warning("network taken apart by its names alone", network=network.id[:12], error=str(error))
            own = [Tombstone(network.link, network.id)] if network.owns_link else []
            ends = [(host_end(end) or container_link_name(end.id), end.id) for end in endpoints]
            return [*(Tombstone(*end) for end in ends), *own]

    def _endpoints(self, network_id: str) -> list[Endpoint]:
        return [item.record for item in self._store.list(Endpoint, f"{network_id}/")]
