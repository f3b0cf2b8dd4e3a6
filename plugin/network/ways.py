"""Lets a container answer through its gateway from an address that it has on another network.

A container sends all answers through its gateway. If its address on another network is reached directly, because that
network is routed or unprotected, the guard of the gateway's network has to let the address pass (``Endpoint.ways``). An
address of a network that nobody outside may reach gets no way out through another network, and a network that leads
nowhere is no way out.
"""

from dataclasses import replace

import structlog

from netlink.errors import KernelError
from plugin.errors import PynetError
from plugin.model.records import Endpoint, Network, Way
from plugin.network.sandboxes import Sandboxes
from plugin.protocol.messages import EndpointRef
from plugin.request.locks import endpoint_locks
from plugin.request.undo import Undo
from plugin.runtime import Runtime
from plugin.store.base import Put

log = structlog.get_logger()


class Ways:
    """Changes the ways of endpoints, under the locks of each; the caller holds none.

    No engine tells for sure which network is a container's gateway, so every network that can be it is a way.
    """

    def __init__(self, runtime: Runtime, sandboxes: Sandboxes) -> None:
        self._store = runtime.store
        self._locks = runtime.locks
        self._firewall = runtime.firewall
        self._modes = runtime.modes
        self._sandboxes = sandboxes

    def open(self, endpoint: Endpoint, undo: Undo) -> None:
        """Set the ways of all endpoints of the container that ``endpoint`` has joined.

        Raises:
            PynetError, KernelError: an endpoint could not be changed.
        """
        ends = self._sandboxes.members(endpoint.key)
        roles = {end.key: self._roles(end) for end in ends} if len(ends) > 1 else {}
        exits = [Way(end.key, end.mac) for end in ends if roles.get(end.key, (False, False))[1]]
        for end in ends if roles else ():
            ways = tuple(way for way in exits if way.key != end.key) if roles[end.key][0] else ()
            if ways != end.ways:
                self._change(end, ways)
                undo.push(self._change, end, end.ways)

    def close(self, request: EndpointRef) -> None:
        """Remove the ways of an endpoint that leaves, and those through it.

        A failure is logged; the ways go with the links and the records.
        """
        key = f"{request.network_id}/{request.endpoint_id}"
        for end in self._sandboxes.members(key):
            ways = tuple(way for way in end.ways if key not in {end.key, way.key})
            if ways == end.ways:
                continue
            try:
                self._change(end, ways)
            except (KernelError, PynetError) as error:
                log.warning("guard not closed yet", endpoint=end.id[:12], error=str(error))

    def _roles(self, end: Endpoint) -> tuple[bool, bool]:
        """Return whether the endpoint is reached directly, and whether it can be a gateway."""
        known = self._store.get(Network, end.network_id)
        if known is None:
            return False, False
        try:
            return bool(end.direct_addresses(known.record)), known.record.leads_out
        except PynetError:
            return False, False

    def _change(self, end: Endpoint, ways: tuple[Way, ...]) -> None:
        with self._locks.hold(*endpoint_locks(end.network_id, end.id)), Undo() as undo:
            known, network = self._store.get(Endpoint, end.key), self._store.get(Network, end.network_id)
            mode = self._modes.get(network.record.mode) if network else None
            if known is None or network is None or mode is None:
                return
            before = mode.desired_port(network.record, known.record)
            after = replace(known.record, ways=ways, sandbox=self._sandboxes.sandbox_of(end))
            for owner, elements in mode.desired_port(network.record, after).elements.items():
                self._firewall.put(owner, elements)
                undo.push(self._firewall.put, owner, before.elements[owner])
            self._store.transact(Put(after))
