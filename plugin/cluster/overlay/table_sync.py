"""Keeps the kernel tables of this host's overlay networks equal to the cluster store.

A change in the store is written as the difference that it makes. Now and then, and after the records of a network were
listed again, the kernel's tables are read. While the store is away the tables stay unchanged.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial

import structlog

from netlink.errors import KernelError, Missing
from netlink.vxlan import VxlanLink
from plugin.background.loop import Loop, Steady, alive
from plugin.background.share import pause_after
from plugin.cluster.direct.following import Following
from plugin.cluster.direct.next_hops import NextHops
from plugin.cluster.overlay.attached import Attached
from plugin.cluster.overlay.forwarding import local_view
from plugin.cluster.overlay.network_records import Own
from plugin.cluster.overlay.network_tables import ListRoutes, NetworkTables, elements_left, end_routes
from plugin.cluster.overlay.watching import Watching
from plugin.errors import Busy, Conflict
from plugin.firewall.firewall import Firewall
from plugin.interfaces import Tunnels
from plugin.model.elements import Elements
from plugin.model.records import Network
from plugin.options.tunnel import is_routed
from plugin.protocol.messages import Address, LeftOut
from plugin.store.base import Store

log = structlog.get_logger()

PERIOD = 60.0  # seconds between two readings of the kernel's tables, at least
SHARE = 0.001  # of one core that they may take, at most
RETRY = 1.0  # seconds before tables that could not be written are tried again
LONGEST = 3600.0  # seconds of work after which the thread is stuck: each record may wait for the store
SETTLE = 0.005  # seconds for changes that come together to be written together


class TableSync:
    """Watches ``Peer`` and ``Member`` records and writes the tables of the networks that are attached.

    ``local`` is this host's own store: records of other hosts cannot take addresses from the endpoints in it.
    """

    def __init__(
        self, store: Store, local: Store, tunnels: Tunnels, hops: NextHops, firewall: Firewall, host: str
    ) -> None:
        self._tunnels = tunnels
        self._hops = hops
        self._firewall = firewall
        self._host = host
        self._attached = Attached()
        self._bell = threading.Event()
        self._stopped = False
        self._loop: Loop[float] | None = None
        self._checked = 0.0  # when the kernel's tables were read, by the monotonic clock
        self._period = PERIOD
        self._mend: Callable[[], None] = lambda: None
        self._regrouped: Callable[[str, str], object] = lambda *_: None
        self._steady = Steady()
        self._failing: dict[str, str] = {}  # network -> why its tables are not written
        self.watching = Watching(store, local, self._changed)
        self._routes_left: ListRoutes = cache(hops.routes.routes)  # listed once for all networks, until ``start``
        self._following = Following(hops.routes, self._links, self.underlay_changed)

    def start(self, mend: Callable[[], None], regrouped: Callable[[str, str], object]) -> Loop[float]:
        """Start watching and writing, in threads of their own; ``mend`` is called before the kernel's tables are read.

        ``regrouped`` is called with the id of a routed network of which containers of other hosts have left a group.

        Returns:
            The thread that writes; the others wait for the stores most of the time.
        """
        self._mend, self._regrouped, self._routes_left = mend, regrouped, self._hops.routes.routes
        self.watching.start()
        self._checked = time.monotonic()
        self._loop = Loop("peers", self._due, self._work, LONGEST)
        self._follow()
        return self._loop.start()

    def stop(self) -> None:
        """End the thread that writes; those that watch end with the stores."""
        self._stopped = True
        self.watching.stop()
        self._bell.set()
        if self._loop is not None:
            self._loop.join(2)

    def reserve(self, network: str, network_id: str) -> None:
        """Raise ``Conflict`` when this host has the network ``network`` already under another id."""
        known = self._attached.get(network)
        if known and known.records.network_id != network_id:
            raise Conflict(f"network '{network}' is network '{known.records.network_id[:12]}' of this host already")

    def attach(self, network: Network, link: VxlanLink, *, now: bool = True) -> None:
        """Write the tables of ``link`` from now on; ``now`` lists the records and writes them before this returns.

        Raises:
            KernelError, Busy: the tables could not be written.
        """
        name = network.overlay.network if network.overlay else ""
        if before := self._attached.take(name):
            before.retire()
        records = self.watching.add(name, network.id, local_view(network, self._host, link.local), now=now)
        local = NetworkTables(name, link, records, self._tunnels, self._hops, self._firewall)
        try:
            local.write(check=True)
        except BaseException:
            self.watching.drop(name)
            raise
        self._attached.put(local)
        self._follow()
        self._changed(name)  # since

    def detach(self, network: Network, link: VxlanLink) -> None:
        """Write no more for a network, accept frames from no host, and delete its routes; its tables go with ``link``.

        Raises:
            KernelError, Busy: the rules could not be changed.
        """
        name = network.overlay.network if network.overlay else ""
        local = self._attached.take(name)
        self.watching.drop(name)
        if local is not None:
            local.end()
            return
        self._firewall.forget(link.name)
        if is_routed(network.options):
            end_routes(self._hops, link)

    def left(self, network: Network, link: VxlanLink) -> Elements | None:
        """Return the elements for the hosts in the tables of an earlier run, None for a network that is attached.

        So traffic goes on while the cluster store is away.
        """
        if network.overlay and self._attached.get(network.overlay.network):
            return None
        return elements_left(network, link, self._host, self._tunnels, self._routes_left)

    def claimants(self, network: str, addresses: Collection[Address]) -> set[str]:
        """Return the keys of the endpoints of other hosts that have one of ``addresses``."""
        records = self.watching.of(network)
        return records.claimants(addresses) if records else set()

    def far_groups(self, network: str) -> Mapping[Address, Collection[str]]:
        """Return the groups of containers of other hosts, by address."""
        records = self.watching.of(network)
        return records.groups() if records else {}

    def left_out(self) -> Sequence[LeftOut]:
        """Return the records and hosts to which nothing leads, and why."""
        return [LeftOut(local.name, what, why) for local in self._attached.all() for what, why in local.said.items()]

    def own(self, network: str) -> Own | None:
        """Return this host's records of a network in the cluster store; None as long as they are not known."""
        records = self.watching.of(network)
        return records.own() if records else None

    def underlay_changed(self, lost: bool) -> None:  # noqa: FBT001 - a callback
        """Ask again how other hosts are reached; ``lost`` routes may be gone, so those of the kernel are read."""
        if self._hops.refresh() or lost:
            self._attached.note_routed(lost=lost)
            self._bell.set()

    def _follow(self) -> None:
        if self._loop is not None and self._links() is not None:
            self._following.start()

    def _links(self) -> Collection[str] | None:
        return None if self._stopped else self._attached.links()

    def _changed(self, name: str, listed: bool = False) -> None:  # noqa: FBT001, FBT002 - a callback
        self._attached.note(name, listed=listed)
        self._bell.set()

    def _due(self) -> float | None:
        self._bell.wait(max(0.0, self._checked + self._period - time.monotonic()))
        self._bell.clear()
        if self._stopped:
            self._tunnels.close()
            self._hops.routes.close()
            return None
        time.sleep(SETTLE)
        return time.monotonic()

    def _work(self, now: float) -> None:
        begin = time.thread_time()
        if self.sync(everything=now >= self._checked + self._period):
            self._checked = time.monotonic()
            self._period = pause_after(time.thread_time() - begin, SHARE, PERIOD)

    def sync(self, *, everything: bool = False) -> bool:
        """Write the changes; return whether the kernel's tables were read, for which ``everything`` asks."""
        due = self._attached.due(everything=everything)
        check = any(fully for _, fully in due) or everything
        if check:
            self._steady.attempt("mending of records", self._mend)
        list_routes: ListRoutes = cache(self._hops.routes.routes)  # a failure is not kept
        for local, fully in due:
            alive()
            call = partial(self._try, local, list_routes, check=fully)
            if not self._steady.attempt(f"writing of network '{local.name}'", call):
                self._again(local.name)
        if [local for local, _ in due if local.records.has_news()]:  # while the store is away, all is told later
            self._steady.attempt("telling of ways to other hosts", self._mend)
        return everything

    def _try(self, local: NetworkTables, list_routes: ListRoutes, *, check: bool) -> None:
        """Write the tables of a network.

        A link that is missing is being removed with its network; or the reconciler makes it again, under the network's
        lock, and attaches it anew.
        """
        name = local.name
        try:
            with suppress(Missing):
                if local.write(check=check, list_routes=list_routes):
                    self._regrouped(local.records.network_id, "")
        except (KernelError, Busy) as error:
            if self._attached.get(name) is local:
                if self._failing.get(name) != str(error):
                    log.warning("tables of an overlay network not written", network=name, error=str(error))
                self._failing[name] = str(error)
                self._again(name)
        else:
            self._failing.pop(name, None)

    def _again(self, name: str) -> None:
        timer = threading.Timer(RETRY, self._changed, [name])
        timer.daemon = True
        timer.start()
