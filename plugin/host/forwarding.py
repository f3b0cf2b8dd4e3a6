"""Turns forwarding on for networks alone: as it makes the host a router, pynet closes the host to all other traffic.

The value tells who turned forwarding on. To the kernel every value but 0 means on (ip-sysctl.rst): pynet writes 2,
everybody else writes 1. dockerd takes a value that does not begin with 1 for off (moby setup_ip_forwarding.go, all
versions). It writes 1 and sets the policy of FORWARD to DROP, as if pynet were not there, whichever of the two starts
first. An administrator, libvirt or podman writes 1 without that policy. From then on forwarding belongs to them: pynet
closes nothing, and leaves it on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import structlog

from netlink.errors import KernelError
from netlink.links import Link
from netlink.sysctl import FORWARDING
from plugin.firewall.firewall import Firewall
from plugin.firewall.sets import OTHER_BRIDGES, PYNET_FORWARDING
from plugin.host.docker_bridges import docker_bridges, foreign_links, other_bridges
from plugin.interfaces import Kernel
from plugin.model.elements import Elements
from plugin.model.records import ChangedSetting
from plugin.request.undo import Undo
from plugin.store.base import Put, Remove, Store

log = structlog.get_logger()

OFF, OURS = "0", "2"
OWNER = "host"  # owner of the firewall elements that close families
_VERSIONS = {path: version for version, path in FORWARDING.items()}


class Forwarding:
    """Keeps a record for each family that pynet turned on; the firewall closes the families that have one.

    The caller holds the lock of the host's settings. Methods may raise ``KernelError`` and ``PynetError``.
    The bridges of others are remembered, because the watcher hears of each change and tells it: requests would wait for
    a listing.
    """

    def __init__(self, kernel: Kernel, store: Store, firewall: Firewall) -> None:
        self._kernel = kernel
        self._store = store
        self._firewall = firewall
        self._others: Sequence[str] | None = None  # bridges of others, None as long as they are not known

    def turn_on(self, path: str) -> None:
        """If the forwarding of a family is off, close the family to others and then turn it on.

        If another pynet turned it on, this one closes the family too, as the other may end first.
        """
        value = self._kernel.read_setting(path)
        if value not in {OFF, OURS} or (value == OURS and self._store.get(ChangedSetting, path)):
            return
        self._store.transact(Put(ChangedSetting(path, OFF)))
        self._close(self._paths())
        if self._kernel.read_setting(path) == OFF:  # dockerd may have started meanwhile; keep its 1
            self._kernel.write_setting(path, OURS)
            log.info("host setting changed", setting=path, before=OFF, after=OURS)

    def turn_off(self, path: str) -> None:
        """Turn the forwarding of a family off, then open the family; leave it on if somebody else turned it on."""
        if self._kernel.read_setting(path) == OURS:
            self._kernel.write_setting(path, OFF)
            log.info("host setting put back", setting=path, value=OFF)
        self._open([path])

    def recall(self, needed: Collection[str]) -> None:
        """At start, before anything is written, bring the records in line with the values.

        A record may have been lost with the state, and others may have turned forwarding on while pynet did not run.
        """
        for path in FORWARDING.values():
            if path in needed and self._value(path) == OURS and not self._store.get(ChangedSetting, path):
                self._store.transact(Put(ChangedSetting(path, OFF)))
        if taken := self.taken():
            self._store.transact(*(Remove(ChangedSetting, path) for path in taken))

    def taken(self) -> list[str]:
        """Return the settings that others turned on after pynet had."""
        return [path for path in self._paths() if self._value(path) not in {OFF, OURS}]

    def concede(self) -> None:
        """Open the families whose forwarding others have turned on."""
        taken = self.taken()
        self._open(taken)
        for path in taken:
            log.info("others turned forwarding on too, so the host is open to them", setting=path)

    def tell_of_bridges(self, links: Sequence[Link]) -> None:
        """Tell the firewall which bridges are Docker's and which are of others, so that new ones are treated alike."""
        self._others = other_bridges(links)
        self._firewall.set_docker_bridges(docker_bridges(links))
        if paths := self._paths():
            self._firewall.put(OWNER, _elements(paths, self._others))

    def elements(self, links: Sequence[Link] | None = None) -> Mapping[str, Elements]:
        """Return the elements that close families, by owner; nothing if none is closed.

        ``links`` are listed if the caller has not done so. If that fails, bridges of others are closed too, until they
        are listed again.
        """
        paths = self._paths()
        try:
            if links is not None or paths:
                self._others = other_bridges(foreign_links(self._kernel) if links is None else links)
        except KernelError as error:
            log.warning("links cannot be listed, so traffic of other bridges is dropped meanwhile", error=str(error))
        return {OWNER: _elements(paths, self._others or ())} if paths else {}

    def _close(self, paths: Collection[str]) -> None:
        if paths:
            self._others = other_bridges(foreign_links(self._kernel)) if self._others is None else self._others
            self._firewall.put(OWNER, _elements(paths, self._others))
        else:
            self._firewall.forget(OWNER)

    def _open(self, paths: Collection[str]) -> None:
        """Open families and delete their records, both or neither: the records decide which families are closed."""
        before = self._paths()
        with Undo() as undo:
            undo.push(self._close, before)
            self._close([path for path in before if path not in paths])
            self._store.transact(*(Remove(ChangedSetting, path) for path in paths))

    def _paths(self) -> list[str]:
        paths = [item.record.path for item in self._store.list(ChangedSetting)]
        return sorted(path for path in paths if path in _VERSIONS)

    def _value(self, path: str) -> str:
        """Return a value, "0" if it cannot be read: a kernel without IPv6 has no such setting."""
        try:
            return self._kernel.read_setting(path)
        except KernelError:
            return OFF


def _elements(paths: Iterable[str], others: Iterable[str]) -> Elements:
    """Return elements that close families, but let frames between ports of ``others`` pass (br_netfilter)."""
    closed = [PYNET_FORWARDING.element(_VERSIONS[path]) for path in paths]
    return [*closed, *(OTHER_BRIDGES.element(name, name) for name in others)]
