"""Keeps the kernel tables of this host's overlay networks equal to the cluster store.

A change that is heard of becomes the difference between what is wanted and what was written. Every minute, and when
the store was listed anew, the kernel is asked what really stands there. While the store is away everything stays.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import structlog

from netlink.errors import KernelError, Missing
from netlink.vxlan import Entry, VxlanLink
from plugin.cluster.records import Member, Peer
from plugin.cluster.tables import host_addresses, wanted_entries
from plugin.cluster.watched import Watched
from plugin.errors import Conflict
from plugin.messages import Address
from plugin.ports import Tunnels
from plugin.store.base import Store

log = structlog.get_logger()

PERIOD = 60.0  # seconds between two looks at the kernel's tables
RETRY = 1.0  # seconds before tables that could not be written are tried again
SETTLE = 0.005  # seconds for changes that come together to be written together


@dataclass(slots=True)
class _Local:
    """A network of this host: its link, and what was written to the tables; None when that is not known."""

    network_id: str
    link: VxlanLink
    written: set[Entry] | None = None
    guard: threading.Lock = field(default_factory=threading.Lock)  # guards written, and the order of writes


class Peers:
    """Watches ``Peer`` and ``Member`` records and writes the tables of the networks that are attached."""

    def __init__(self, store: Store, tunnels: Tunnels, host: str) -> None:
        self._tunnels = tunnels
        self._host = host
        self._guard = threading.Lock()  # guards _local, _dirty and _listed
        self._local: dict[str, _Local] = {}
        self._dirty: set[str] = set()
        self._listed = False  # whether the store was listed since the last look at the kernel
        self._bell = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._mend: Callable[[], None] = lambda: None
        self.drift = 0  # entries that were found wrong in the kernel since the start
        self.peers = Watched(store, Peer, self._changed)
        self.members = Watched(store, Member, self._changed)

    def start(self, mend: Callable[[], None]) -> None:
        """Start watching and writing, in threads of their own; ``mend`` is called before each look at the kernel."""
        self._mend = mend
        self.peers.start()
        self.members.start()
        self._thread = threading.Thread(target=self._run, name="peers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the threads; those that watch end with the store."""
        self._stopped = True
        self.peers.stop()
        self.members.stop()
        self._bell.set()
        if self._thread is not None:
            self._thread.join(timeout=2)

    @property
    def loaded(self) -> bool:
        """Whether the store has been read since the start."""
        return self.peers.loaded.is_set() and self.members.loaded.is_set()

    def reserve(self, network: str, network_id: str) -> None:
        """Raise ``Conflict`` when this host has the network ``network`` already under another id."""
        with self._guard:
            known = self._local.get(network)
        if known and known.network_id != network_id:
            raise Conflict(f"network '{network}' is network '{known.network_id[:12]}' of this host already")

    def attach(self, network: str, network_id: str, link: VxlanLink) -> None:
        """Write the tables of ``link`` now, as far as is known, and from now on.

        Raises:
            KernelError: the tables could not be written.
        """
        local = _Local(network_id, link)
        self._write(network, local, check=True)
        with self._guard:
            self._local[network] = local
            self._dirty.add(network)  # what was heard of meanwhile
        self._bell.set()

    def detach(self, network: str) -> None:
        """Write no more for a network; its tables go with its links."""
        with self._guard:
            self._local.pop(network, None)

    def owners(self, network: str, addresses: Collection[Address]) -> list[Peer]:
        """Return the endpoints of other hosts that have one of ``addresses``."""
        found = [item.record for item in self.peers.under(f"{network}/")]
        return [peer for peer in found if peer.host != self._host and not set(addresses).isdisjoint(peer.addresses)]

    def _changed(self, key: str) -> None:
        with self._guard:
            self._listed |= not key
            self._dirty |= {name for name in self._local if key.startswith(f"{name}/")}
        self._bell.set()

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._stopped:
            self._bell.wait(max(0.0, looked + PERIOD - time.monotonic()))
            self._bell.clear()
            time.sleep(SETTLE)
            if self.look(everything=time.monotonic() >= looked + PERIOD):
                looked = time.monotonic()
        self._tunnels.close()

    def look(self, *, everything: bool = False) -> bool:
        """Write what changed; say whether the kernel was looked at, which ``everything`` asks for."""
        check, due = self._due(everything=everything)
        if check:
            self._mend()
        for name, local in due:
            self._try(name, local, check=check)
        return check

    def _due(self, *, everything: bool) -> tuple[bool, list[tuple[str, _Local]]]:
        """Say whether to look at the kernel, and return the networks whose tables are to be written."""
        with self._guard:
            everything |= self._listed
            due = [(name, local) for name, local in self._local.items() if everything or name in self._dirty]
            self._listed = False
            self._dirty.clear()
        return everything, due

    def _try(self, name: str, local: _Local, *, check: bool) -> None:
        try:
            try:
                self._write(name, local, check=check)
            except Missing:
                if not self._has(name, local):
                    return  # it was removed meanwhile
                self._tunnels.add_vxlan(local.link)
                log.warning("link of an overlay network was gone, made anew", network=name, link=local.link.name)
                self._write(name, local, check=True)
        except KernelError as error:
            if self._has(name, local):
                log.warning("tables of an overlay network not written", network=name, error=str(error))
                threading.Timer(RETRY, self._changed, [f"{name}/"]).start()

    def _has(self, name: str, local: _Local) -> bool:
        with self._guard:
            return self._local.get(name) is local

    def _write(self, network: str, local: _Local, *, check: bool) -> None:
        if not self.loaded:
            return  # nothing is known yet, and what stands there may be right
        bridge, link = local.link.master, local.link.name
        with local.guard:
            wanted = self._wanted(network)
            before, local.written = local.written, None
            if check or before is None:
                there = self._tunnels.entries(bridge, link)
                self._note_drift(network, before, there)
                before = there
            if before != wanted:
                self._tunnels.change(bridge, link, wanted - before, before - wanted)
            local.written = wanted

    def _wanted(self, network: str) -> set[Entry]:
        hosts = host_addresses(self.members.under(f"{network}/"))
        return wanted_entries(self.peers.under(f"{network}/"), hosts, self._host)

    def _note_drift(self, network: str, written: set[Entry] | None, there: set[Entry]) -> None:
        if written is not None and written != there:
            self.drift += len(written ^ there)
            example = str(next(iter(written ^ there)))
            log.warning("tables were changed by others, written anew", network=network, entry=example)
