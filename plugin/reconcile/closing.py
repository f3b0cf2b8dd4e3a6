"""Closes the port of a container whose address another host has since a takeover, and opens it when that is over.

A host that was taken for dead may return with its containers. Those that lost an address must not answer for it: on
their own host they would be nearer than the container that has it now.
"""

from dataclasses import replace

import structlog

from plugin.model.records import Endpoint, Network
from plugin.modes.base import desired_of
from plugin.modes.registry import mode_of
from plugin.reconcile.alignment import Alignment
from plugin.reconcile.survey import Survey
from plugin.removal.removal import Removal
from plugin.request.locks import endpoint_locks
from plugin.request.work import Work
from plugin.runtime import Runtime
from plugin.store.base import Put

log = structlog.get_logger()


class Closing:
    """Writes it into the record first, so that the port stays closed past a restart while the store is away."""

    def __init__(self, runtime: Runtime, survey: Survey, removal: Removal) -> None:
        self._store = runtime.store
        self._modes = runtime.modes
        self._publisher = runtime.publisher
        self._names = runtime.names
        self._work = Work(runtime.locks, runtime.reaper.retries)
        self._alignment = Alignment(runtime, survey, removal)

    def taken(self, endpoint: Endpoint, host: str) -> None:
        """Close the port of ``endpoint``, as the host with the id ``host`` has an address of it; "" opens it.

        Raises:
            PynetError: the rules could not be changed, and the record is as before.
        """
        with self._work.create(*endpoint_locks(endpoint.network_id, endpoint.id)) as undo:
            known, found = self._store.get(Endpoint, endpoint.key), self._store.get(Network, endpoint.network_id)
            if known is None or found is None or known.record.taken == host:
                return
            network, before, after = found.record, known.record, replace(known.record, taken=host)
            mode = mode_of(self._modes, network)
            self._store.transact(Put(after))
            undo.push(self._store.transact, Put(before))
            self._alignment.change(desired_of(mode, network, [before]), desired_of(mode, network, [after]), undo)
            undo.push(self._publisher.translate, network, before, before.published)
            self._publisher.translate(network, after, after.published)
        where = {"network": self._names.network(network.id), "endpoint": after.id[:12]}
        if host:
            log.warning("container closed, its address is on another host now: create it again", host=host, **where)
        else:
            log.info("container opened, its address is its own again", **where)
