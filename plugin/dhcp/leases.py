"""The leases of endpoints: stored before they are used, kept as long as the endpoint exists, and given back with it.

A record is written before a server is asked, and again with the answer before anybody uses the address. So a crash at
any moment leaves a record, and the next start finds those without an endpoint. They are not given back at once: after
a reboot the engine starts its containers again, and one with the same identity goes on with the lease (INIT-REBOOT).
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Address, IPv4Interface

import structlog

from netlink.errors import KernelError
from plugin.background.loop import trouble
from plugin.dhcp.later import Later
from plugin.dhcp.lease_book import InUse, LeaseBook
from plugin.dhcp.model import Dhcp4, Lease4, NoAddress, NoServer
from plugin.dhcp.record import DhcpLease
from plugin.dhcp.trouble import flaws, refusal
from plugin.errors import Conflict, InvalidRequest, PynetError
from plugin.protocol.messages import Repair
from plugin.request.undo import Undo
from plugin.store.base import Change, Put, Remove, Store, StoreConflict

log = structlog.get_logger()

GRACE = 300.0  # seconds after a start in which the engine may start the container of a lease again
UNKNOWN = IPv4Address(0)  # a server
FOUND_AGAIN = 300  # seconds in which a server has to renew a lease whose record was lost
REMEMBERED = 900.0  # seconds for which it is told that a container got no address
PATIENCE = 15.0  # seconds to ask a server for a lease that was never stored, so that it can be given back


class Leases:
    """Takes, keeps and gives back leases. ``client`` makes the client of DHCP when it is first needed.

    Every verb may raise ``Failed`` and ``Busy`` of the store.
    """

    def __init__(self, store: Store, client: Callable[[], Dhcp4], clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._make = client
        self._client: Dhcp4 | None = None
        self._guard = threading.Lock()  # guards _client
        self._known = LeaseBook()
        self._refused: dict[str, tuple[Repair, float]] = {}  # by network: the last answer, if it was none, and its time
        self._later = Later("leases")

    @property
    def trouble(self) -> str:
        """The problems of the threads as a text, "" if all are well."""
        return trouble([self._later, *([self._client] if self._client else [])])

    def take(self, wanted: DhcpLease, wish: IPv4Address | None, timeout: float, in_use: InUse, undo: Undo) -> Lease4:
        """Return the lease for ``wanted``, which is stored; a repeated request gets the same.

        Raises:
            Conflict: another container has the identity, or the server gives another address than ``wish``.
            NoServer, NoAddress, KernelError: there is none, see ``Dhcp4.acquire``.
        """
        with self._known.taking(wanted, in_use, timeout) as before:
            held = self._known.get(wanted.key)
            if held is not None and held.lease is not None and held.identity == wanted.identity:
                return held.lease
            stored = self._store.get(DhcpLease, before)
            try:
                lease = self._acquire(wanted, stored.record if stored else None, wish, timeout, undo)
            except (NoServer, NoAddress) as error:
                self._refused[wanted.network_id] = refusal(wanted, str(error)), self._clock()
                raise
            self._refused.pop(wanted.network_id, None)
        if wish is not None and lease.address.ip != wish:
            raise Conflict(f"address '{wish}' was asked for, and server {lease.server} gives '{lease.address.ip}' only")
        return lease

    def keep(self, key: str, hear: str) -> None:
        """Renew a lease from now on, with answers heard on ``hear``; raises ``KernelError``."""
        held = self._known.get(key)
        if held is not None and held.lease is not None:
            self._dhcp().keep(held.link, held.identity, held.lease, partial(self._note, key), hear)

    def give_back(self, key: str) -> None:
        """Give a lease back to its server, and forget it; nothing happens without one."""
        held = self._known.get(key)
        if held is None:
            if self._known.left(key) is not None:
                self._later.call(partial(self._give_up, key))
            return
        self._drop(held, held.lease)
        self._store.transact(Remove(DhcpLease, key))
        self._known.forget(held)

    def give_back_all(self, network_id: str) -> None:
        """Give back the leases of a network that is removed."""
        for held in self._known.held(f"{network_id}/"):
            self.give_back(held.key)
        self._refused.pop(network_id, None)

    def of(self, key: str) -> DhcpLease | None:
        """Return the lease of an endpoint."""
        return self._known.get(key)

    def in_force(self, key: str) -> Lease4:
        """Return the lease of an endpoint.

        Raises:
            InvalidRequest: its address did not come by DHCP, or its lease has ended.
        """
        held = self._known.get(key)
        if held is None or held.lease is None:
            raise InvalidRequest("the container has no address by DHCP")
        if held.lost:
            raise InvalidRequest(
                f"its lease of '{held.lease.address.ip}' has ended, and no server gives it another one"
            )
        return held.lease

    def taken_over(self, key: str) -> None:
        """Note that the container has the address of its lease."""
        held = self._known.get(key)
        if held is not None and held.moved and held.lease is not None:
            now = replace(held, address=held.lease.address)
            self._store.transact(Put(now))
            self._known.hold(now)

    def failing(self) -> Sequence[Repair]:
        """Return what is wrong with the leases of running containers, and why new containers got no address."""
        now, refused = self._clock(), list(self._refused.values())
        return [*flaws(self._known.held(), now), *(repair for repair, since in refused if now < since + REMEMBERED)]

    def find_again(self, wanted: DhcpLease, address: IPv4Interface) -> None:
        """Store the lease of a container that has ``address`` by DHCP, and whose record is lost.

        Its server is not known, so every server is asked to renew it.
        """
        if self._store.get(DhcpLease, wanted.key) is None:
            lease = Lease4(address, UNKNOWN, int(self._clock()), FOUND_AGAIN, t1=0, t2=FOUND_AGAIN // 2)
            self._store.transact(Put(replace(wanted, lease=lease, address=address)))

    def recall(self, links: Mapping[str, str], hear: Callable[[str], str]) -> None:
        """Go on after a start: keep leases on ``links``, by key, and give those without one back after a grace."""
        for record in [item.record for item in self._store.list(DhcpLease)]:
            if record.key not in links:
                self._known.leave(record)
                self._later.call(partial(self._give_up, record.key), GRACE if record.lease else 0.0)
                continue
            self._known.hold(replace(record, link=links[record.key]))
            try:
                self.keep(record.key, hear(record.key))
            except KernelError as error:
                log.warning("lease not renewed", **_facts(record), error=str(error))

    def _dhcp(self) -> Dhcp4:
        with self._guard:
            if self._client is None:
                self._client = self._make()
            return self._client

    def _acquire(
        self, wanted: DhcpLease, before: DhcpLease | None, wish: IPv4Address | None, timeout: float, undo: Undo
    ) -> Lease4:
        known = before.lease if before is not None else None
        stale: list[Change] = []
        if before is not None and before.key != wanted.key:
            self._drop(before, None)
            stale = [Remove(DhcpLease, before.key)]
        self._store.transact(Put(replace(wanted, lease=known)), *stale)
        self._known.hold(replace(wanted, lease=known))
        undo.push(self.give_back, wanted.key)
        # Some servers forget whose an address was, but give the one that a client would like to have, if it is free.
        lease = self._dhcp().acquire(wanted.link, wanted.identity, wish, known or self._known.had(wanted), timeout)
        taken = replace(wanted, lease=lease, address=lease.address)
        self._known.hold(taken)
        self._store.transact(Put(taken))
        return lease

    def _drop(self, held: DhcpLease, release: Lease4 | None) -> None:
        """Stop keeping a lease; one that cannot be given back ends by itself."""
        try:
            self._dhcp().drop(held.link, held.identity, release=release)
        except KernelError as error:
            log.warning("lease not given back", **_facts(held), error=str(error))

    def _note(self, key: str, lease: Lease4 | None) -> None:
        """Store a change that the client heard of, in a thread that may wait for the store."""
        self._later.call(partial(self._changed, key, lease))

    def _changed(self, key: str, lease: Lease4 | None) -> None:
        stored = self._store.get(DhcpLease, key)
        if stored is None or self._known.get(key) is None:
            return
        before, now = stored.record, replace(stored.record, lease=lease or stored.record.lease, lost=lease is None)
        try:
            self._store.transact(Put(now, stored.revision))
        except StoreConflict:
            return  # it was given back meanwhile
        self._known.hold(now)
        was = before.lease.address if before.lease else None
        if lease is None:
            log.warning("lease lost", **_facts(now))
        elif lease.address != was:
            log.warning("lease moved", **_facts(now), before=str(was))
        elif before.lost:
            log.info("lease taken up again", **_facts(now))

    def _give_up(self, key: str) -> None:
        """Give back a lease that nobody took up after a start, or that a killed request may have got."""
        with self._known.giving_back(key) as left:
            if left is not None:
                record = _asked_again(self._dhcp(), left)
                self._drop(record, record.lease)
                self._store.transact(Remove(DhcpLease, key))
                self._known.forget(record)
                log.info("lease given back late", **_facts(record))


def _asked_again(client: Dhcp4, record: DhcpLease) -> DhcpLease:
    """Return the record with the lease that its server has for the client, if the answer was never stored."""
    if record.lease is not None:
        return record
    try:
        return replace(record, lease=client.acquire(record.link, record.identity, None, None, PATIENCE))
    except (PynetError, KernelError) as error:
        log.info("no lease to give back", **_facts(record), error=str(error))
        return record


def _facts(record: DhcpLease) -> dict[str, str]:
    address = {"address": str(record.lease.address)} if record.lease else {}
    return {"network": record.network_id, "endpoint": record.endpoint_id, "link": record.link, **address}
