"""Encrypted tunnels between hosts: one WireGuard link a host, from its first encrypted network until its last.

    container        host a                                            host b
    ┌──────┐   ┌───────────────────────────┐                    ┌───────────────────────────┐
    │ eth0 ◄───┼─► … pnv… ─► VXLAN ─► pnw… ┼── UDP, encrypted ──┼ pnw… ─► VXLAN ─► pnv… ─ … │
    └──────┘   └───────────────────────────┘                    └───────────────────────────┘

The VXLAN of encrypted networks goes to the other hosts' addresses inside the tunnels. Where the link or a peer is
missing, the firewall drops it in both directions (``plugin.firewall.ruleset``): it is never sent in the clear.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog

from netlink.deadline import remaining
from netlink.values import dataclass
from netlink.wireguard import WireGuardState
from plugin.cluster.removals import Removals
from plugin.cluster.secrecy import plan
from plugin.cluster.secrecy.key_ring import KeyRing
from plugin.cluster.secrecy.known_keys import KnownKeys
from plugin.cluster.secrecy.life import Life
from plugin.cluster.secrecy.links import SLOTS, Carriers
from plugin.cluster.secrecy.own_record import OwnRecord
from plugin.cluster.secrecy.records import HostKeys, PublicKey
from plugin.cluster.secrecy.state import SecrecyState
from plugin.errors import Busy, Conflict
from plugin.model.desired import SharedLink
from plugin.protocol.messages import Address
from plugin.store.base import SharedStore

log = structlog.get_logger()

SESSION = 180  # seconds after its handshake in which a session may be used (REJECT_AFTER_TIME, drivers/net/wireguard)
WAIT = 20.0  # seconds to wait for another thread that changes the tunnels


@dataclass(frozen=True, slots=True)
class TunnelHost:
    """This host: its id, the ``address`` at which others reach it, the ``mtu`` of its WireGuard links in bytes.

    ``boot`` returns another text after each start of the machine. Keys are changed after ``days``, or never with 0.
    The clocks are handed in: of the wall, and one that never jumps, both in seconds.
    """

    host: str
    address: Address
    mtu: Callable[[], int]
    boot: Callable[[], str] = str
    days: int = 0
    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic


class Secrecy:
    """Keeps links, peers and routes as the records of the hosts want them; see the module's description.

    ``changed`` is called when there is work for ``sync``.
    """

    def __init__(
        self, store: SharedStore, removals: Removals, carriers: Carriers, ring: KeyRing, here: TunnelHost
    ) -> None:
        self._store = store
        self.address = carriers.address  # of this host inside the tunnels
        self._carriers = carriers
        self._ring = ring
        self._here = here
        self._record = OwnRecord(store, removals, here.host, here.address, Life(here.boot, here.wall, here.steady))
        self.known = KnownKeys()
        self._guard = threading.RLock()  # guards everything below, and the order of changes
        self._users: set[str] = set()  # ids of encrypted networks of this host
        self._lives: dict[str, str] = {}  # of other hosts, as their peers were made
        self.state = SecrecyState()
        self.changed: Callable[[], object] = lambda: None

    @property
    def used(self) -> bool:
        """Whether this host has an encrypted network."""
        return bool(self._users)

    @property
    def busy(self) -> bool:
        """Whether keys are being changed, so that handshakes have to be looked at."""
        return len(self._ring.keys) > 1

    def check(self) -> None:
        """Raise ``Unsupported`` if this kernel cannot encrypt; nothing is changed."""
        self._carriers.try_kernel()

    def join(self, network_id: str) -> None:
        """Make key and link with the first network, and talk to the other hosts; a network that is known is no change.

        Raises:
            Conflict: the UDP port is taken, or the name of the link.
            KernelError, PynetError: a step failed; all is as before.
        """
        with self._alone():
            if network_id in self._users:
                return
            self._users.add(network_id)
            try:
                if not self.known.loaded:
                    self.known.listed(HostKeys, "", self._store.list(HostKeys))
                self.sync()
            except BaseException:
                self.leave(network_id)
                raise
        self.changed()

    def resume(self, network_id: str) -> None:
        """Go on with a network after a start; ``sync`` makes links that have gone, also while the store is away."""
        with self._alone():
            self._users.add(network_id)
        self.changed()

    def leave(self, network_id: str) -> None:
        """Remove links, keys and record with the last network; raises ``KernelError`` and ``PynetError``."""
        with self._alone():
            self._users.discard(network_id)
            if self._users:
                return
            for slot in SLOTS:
                self._carriers.remove(slot)
            self._ring.clear()
            self._lives, self.state = {}, SecrecyState()
            self.known.forget()
            self._record.remove()
        self.changed()

    def sweep(self) -> None:
        """Remove keys and record of a host without encrypted networks, as after a crash; raises ``PynetError``."""
        with self._alone():
            if not self.used and self._ring.keys:
                self._ring.clear()
            if not self.used:
                self._record.sweep()

    def wanted(self) -> Sequence[SharedLink]:
        """Describe the links of this host's keys; raises ``Failed`` if these cannot be read."""
        return [self._carriers.wanted(key.slot) for key in self._ring.keys]

    def holds(self, link: str) -> bool:
        """Return whether a link carries encrypted networks now."""
        return link in {self._carriers.names()[key.slot] for key in self._ring.keys}

    def rotate(self) -> int:
        """Begin to change the keys of all hosts, and return the new generation.

        Raises:
            Conflict: there is no encrypted network, or the last change is not over.
            KernelError, PynetError: a step failed, and the upkeep tries it again.
        """
        with self._alone():
            if not self.used:
                raise Conflict("change keys: this host has no encrypted network (-o pynet.encrypt=wireguard)")
            self._links()  # makes the first key, if its file has gone
            newest = max([self._ring.newest.generation, *(known.newest for known in self.known.records)])
            if self.busy or newest > self._ring.newest.generation:
                waits = ", ".join(f"'{host}'" for host in self.state.waits) or "a moment"
                raise Conflict(
                    f"change keys: the last change is not over, it waits for {waits}; if a host is gone for good: "
                    "pynet cluster forget HOST"
                )
            self._ring.add(newest + 1)
            self._publish(self._links(), 0)
        self.changed()
        return newest + 1

    def sync(self) -> None:
        """Bring links, peers and routes in line with the records; raises ``KernelError`` and ``PynetError``.

        Nothing is changed before the records were listed: the present peers may be right.
        """
        with self._alone():
            if not self.used:
                return
            self._change_old_key()
            states = self._links()
            if not self.known.loaded:
                return
            own = {state.public for state in states.values()}
            hosts = plan.usable(self.known.records, self._here.host, self._here.address.version, own)
            if generation := plan.wants_next(self._ring.keys, hosts.others.values()):
                self._ring.add(generation)
                states = self._links()
            by = self._connect(states, hosts.others)
            sent = plan.sends(states, hosts.others, by)
            self._publish(states, sent)
            if old := self._ring.drop(sent, list(hosts.others.values())):
                self._carriers.remove(old.slot)
                self._publish({one: state for one, state in states.items() if one != old.generation}, sent)
            waits = plan.waits_for([key.generation for key in self._ring.keys], by, hosts.others)
            self.state = SecrecyState(waits, hosts.refused, self._silent(states, hosts.others))

    def problems(self, names: Mapping[str, str]) -> Sequence[str]:
        """Return what is wrong now, in sentences; ``names`` are those of hosts by id. Raises ``KernelError``."""
        with self._alone():
            states = {key.generation: self._carriers.state(key.slot) for key in self._ring.keys} if self.used else {}
            silent = [keys for keys in self.known.records if plan.is_silent(keys, states)]
            return self.state.problems(silent, self._here.steady(), names)

    def _links(self) -> dict[int, WireGuardState]:
        """Make the keys and links that are missing, and return the states of the links by generation."""
        self._ring.need(max((known.newest for known in self.known.records), default=1))
        mtu = self._here.mtu()
        return {key.generation: self._carriers.ensure(key, mtu) for key in self._ring.keys}

    def _connect(self, states: Mapping[int, WireGuardState], others: Mapping[str, HostKeys]) -> Mapping[str, int]:
        """Give each link its peers, and lead to each host by one; return the generation of that by host."""
        shaken = {public: at for state in states.values() for public, at in state.handshakes.items() if at}
        there = {public for state in states.values() for public in state.handshakes}
        renewed = plan.renewed(others, self._lives, {one for one in shaken if self._is_fresh(shaken[one])}) & there
        self._lives = {host: keys.life for host, keys in others.items()}
        by = plan.ways(states, others, shaken.keys() - renewed)
        for key in self._ring.keys:
            peers = plan.peers(key.generation, others.values())
            self._carriers.set_peers(key.slot, states[key.generation], peers, renewed)
        self._carriers.lead({key.slot: plan.led(key.generation, by) for key in self._ring.keys})
        newest = self._ring.newest
        late = [keys.of(newest.generation) for host, keys in others.items() if by.get(host) != newest.generation]
        if publics := [key.public for key in late if key]:
            self._carriers.nudge(newest.slot, publics)
        return by

    def _is_fresh(self, handshake: int) -> bool:
        return 0 <= self._here.wall() - handshake < SESSION

    def _silent(self, states: Mapping[int, WireGuardState], others: Mapping[str, HostKeys]) -> Mapping[str, float]:
        now, before = self._here.steady(), self.state.silent
        return {host: before.get(host, now) for host, keys in others.items() if plan.is_silent(keys, states)}

    def _publish(self, states: Mapping[int, WireGuardState], sent: int) -> None:
        """Write this host's record, unless it is there."""
        slots = {key.generation: key.slot for key in self._ring.keys}
        keys = [PublicKey(one, state.public, self._carriers.port(slots[one])) for one, state in sorted(states.items())]
        self._record.write(keys, sent, self.known.of(self._here.host))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads out of this block; raises ``Busy`` if another one takes too long."""
        if not self._guard.acquire(timeout=remaining(WAIT)):
            raise Busy("wait for the encrypted tunnels: another change of them takes too long")
        try:
            yield
        finally:
            self._guard.release()

    def _change_old_key(self) -> None:
        if self._ring.old(self._here.days) and self.known.loaded:
            try:
                self.rotate()
            except Conflict as error:
                log.info("keys of WireGuard not changed yet", reason=str(error))
