"""Sets sysctls of the host that networks need, and puts them back when no network needs them any more.

Forwarding has rules of its own, because it makes the host a router: see ``plugin.host.forwarding``.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count

import structlog

from netlink.errors import KernelError, Missing
from netlink.links import Link
from netlink.sysctl import FORWARDING
from plugin.errors import Failed, PynetError
from plugin.host.docker_bridges import foreign_links
from plugin.host.forwarding import OFF, OURS, Forwarding
from plugin.host.link_settings import bridge_settings
from plugin.host.router_advertisements import warn_of_lost_routes
from plugin.host.setting_users import SettingUsers
from plugin.interfaces import Kernel
from plugin.model.desired import ANY_ON, WantedSetting
from plugin.model.elements import Elements
from plugin.model.records import ChangedSetting, Network
from plugin.request.locks import HOST_SETTINGS, Locks
from plugin.request.undo import Undo
from plugin.store.base import Put, Remove, Store

log = structlog.get_logger()


class HostSettings:
    """Sets what a network needs of the host, and puts it back; the lock "host settings" guards all of it."""

    def __init__(self, kernel: Kernel, store: Store, forwarding: Forwarding, locks: Locks | None = None) -> None:
        self._kernel = kernel
        self._store = store
        self._forwarding = forwarding
        self._locks = locks or Locks()  # HOST_SETTINGS guards the settings that networks share, and everything below
        self._read = False
        self._users = SettingUsers()
        self._late: set[str] = set()  # paths that no network needs, and that could not be put back
        self._listings, self._newest = count(1), 0  # numbers of listings of bridges, and of the newest that counts

    def prepare(self, network: Network, undo: Undo) -> None:
        """Set the sysctls that ``network`` needs; raises ``KernelError``.

        Settings of a link that pynet made disappear with the link. The former values of all others are stored, so that
        they can be put back.
        """
        with self._locks.hold(HOST_SETTINGS):
            undo.push(self._withdraw, network.id)
            self._read_records()
            paths = _needed_paths(network)
            self._users.add(network.id, paths)
            if FORWARDING[6] in paths:
                warn_of_lost_routes(self._kernel)
            self._warn_of_no_way_out(network)
            for setting in _noted_settings(network):
                with suppress(Missing):  # a kernel without IPv6; adding the addresses will tell
                    self._set(network, setting)

    def turn_on(self, path: str) -> bool:
        """Turn on a setting that networks share; return False, and do nothing, if none needs it any more."""
        with self._locks.hold(HOST_SETTINGS):
            self._read_records()
            if path not in self._users:
                return False
            self._forwarding.turn_on(path)
            return True

    def set(self, network: Network, setting: WantedSetting) -> None:
        """Set one of the settings of the network's links."""
        with self._locks.hold(HOST_SETTINGS):
            self._set(network, setting)

    def left_over(self, remaining: Iterable[Network]) -> list[ChangedSetting]:
        """Return the changed settings that neither ``remaining`` nor networks that are being made need."""
        still = {path for network in remaining for path in _needed_paths(network)} | self._users.paths()
        return [item.record for item in self._store.list(ChangedSetting) if item.record.path not in still]

    def release(self, network_id: str) -> None:
        """Put back the settings that only this network needed, and those that could not be put back before."""
        with self._locks.hold(HOST_SETTINGS):
            self._release(network_id)

    def put_back(self, path: str, before: str) -> None:
        """Give a changed setting its former value, and log a failure."""
        with self._locks.hold(HOST_SETTINGS):
            self._put_back(path, before)

    def recall(self, networks: Sequence[Network]) -> None:
        """At start, before anything is written, find out whether pynet or others turned forwarding on.

        A failure is logged; the watcher looks again soon.
        """
        try:
            with self._locks.hold(HOST_SETTINGS):
                self._load(networks)
                self._forwarding.recall(self._users.paths())
        except (KernelError, PynetError) as error:
            log.warning("could not find out who turned forwarding on", error=str(error))

    def concede(self) -> None:
        """Stop closing the host to others, in families whose forwarding others have turned on."""
        if self._forwarding.taken():
            with self._locks.hold(HOST_SETTINGS):
                self._forwarding.concede()

    def look_at_bridges(self) -> None:
        """Bring the rules in line with the bridges of others that there are now.

        Requests do not wait for the listing. One that began before another, and ended after it, counts no more.
        """
        number, links = next(self._listings), foreign_links(self._kernel)
        with self._locks.hold(HOST_SETTINGS):
            if number > self._newest:
                self._newest = number
                self._forwarding.tell_of_bridges(links)

    def elements(self, links: Sequence[Link] | None = None) -> Mapping[str, Elements]:
        """Return the firewall elements that follow from the host's settings and ``links``, by owner."""
        return self._forwarding.elements(links)

    def _set(self, network: Network, setting: WantedSetting) -> None:
        if setting.path in FORWARDING.values():
            self._forwarding.turn_on(setting.path)
        elif setting.link and (network.owns_link or setting.link != network.link):
            self._kernel.write_setting(setting.path, setting.value)
        else:
            self._change(setting)

    def _warn_of_no_way_out(self, network: Network) -> None:
        """Warn of a network with ``pynet.forwarding=off`` while forwarding is off; a missing setting is no reason."""
        cut_off = network.host_gateway and not (network.internal or network.forwards)
        for version in sorted(network.families) if cut_off else ():
            with suppress(KernelError):
                if self._kernel.read_setting(FORWARDING[version]) == OFF:
                    keep = FORWARDING[version].replace("/", ".")
                    log.warning(
                        "network reaches the host alone: forwarding is off", network=network.id[:12], setting=keep
                    )

    def _withdraw(self, network_id: str) -> None:
        """Undo ``prepare`` for a network that was not made; raises ``Failed`` if a setting cannot be put back."""
        with self._locks.hold(HOST_SETTINGS):
            if left := self._release(network_id):
                raise Failed(f"put back {', '.join(left)}: it could not be written")

    def _release(self, network_id: str) -> list[str]:
        """Release a network; return the paths that could not be put back."""
        self._read_records()
        self._late.update(self._users.remove(network_id))
        self._late = {path for path in self._late if path not in self._users and not self._is_back(path)}
        return sorted(self._late)

    def _is_back(self, path: str) -> bool:
        """Put a setting back if it was changed; return whether it is as it was."""
        changed = self._store.get(ChangedSetting, path)
        return changed is None or self._put_back(path, changed.record.before)

    def _read_records(self) -> None:
        if not self._read:
            self._load(item.record for item in self._store.list(Network))

    def _load(self, networks: Iterable[Network]) -> None:
        for network in networks:
            self._users.add(network.id, _needed_paths(network))
        self._late = {changed.path for changed in self.left_over(())}
        self._read = True

    def _change(self, setting: WantedSetting) -> None:
        before = self._kernel.read_setting(setting.path)
        if setting.met_by(before):
            return
        self._store.transact(Put(ChangedSetting(setting.path, before)))
        self._kernel.write_setting(setting.path, setting.value)
        log.info("host setting changed", setting=setting.path, before=before, after=setting.value)

    def _put_back(self, path: str, before: str) -> bool:
        try:
            if path in FORWARDING.values():
                self._forwarding.turn_off(path)
                return True
            with suppress(Missing):  # it disappeared with its link
                self._kernel.write_setting(path, before)
            self._store.transact(Remove(ChangedSetting, path))
            log.info("host setting put back", setting=path, value=before)
        except (KernelError, PynetError) as error:  # the record stays, so it is tried again
            log.warning("host setting not put back", setting=path, value=before, error=str(error))
            return False
        return True


def needed(network: Network) -> dict[str, str]:
    """Return the settings of the host that a network needs, by path below /proc/sys.

    One switch per family makes the host forward. IPv6 has no other; for IPv4 the kernel also looks at the switch of the
    link by which a packet comes in, and that may be any link.
    """
    return {FORWARDING[version]: OURS for version in sorted(network.families)} if network.forwards else {}


def host_settings(network: Network) -> list[WantedSetting]:
    """Return the settings of the host that ``network`` wants; other networks share them."""
    return [WantedSetting(path, value, also=(ANY_ON,)) for path, value in needed(network).items()]


def _noted_settings(network: Network) -> list[WantedSetting]:
    """Return the settings that must be put back; those of a bridge that pynet made disappear with it.

    Nothing is set for a network of which the host is no gateway: its link is a user's, and leads to the LAN.
    """
    adopted = network.host_gateway and not network.owns_link
    return host_settings(network) + (bridge_settings(network) if adopted else [])


def _needed_paths(network: Network) -> Collection[str]:
    """Return the paths of the settings that a network needs."""
    return {setting.path for setting in _noted_settings(network)}
