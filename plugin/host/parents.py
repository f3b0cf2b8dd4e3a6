"""The links of the host upon which the links of containers are: parents, known by their identity and not by their name.

A parent is a user's link, and pynet changes nothing about it; or a VLAN that pynet makes for the first network that
names it, and deletes with the last one. The kernel deletes the links of containers with their parent, in whatever
namespace they are, so a parent that comes back needs containers to be started again.
"""

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property

import structlog

from netlink.errors import Exists, KernelError, Missing, NotSupported
from netlink.links import Link
from plugin.errors import Conflict, Failed, InvalidRequest, Unsupported
from plugin.host.own_links import OwnLinks
from plugin.host.parent_users import ParentUsers
from plugin.interfaces import Kernel
from plugin.model.link_owner import Owner
from plugin.model.names import PARENT, Alias, local_mac, stub_name
from plugin.model.parent import Parent
from plugin.model.records import Endpoint, Network
from plugin.options.parent import ParentSettings
from plugin.request.undo import Undo
from plugin.store.base import Put, Store

log = structlog.get_logger()

BOOT = "kernel/random/boot_id"  # below /proc/sys
LARGEST_VLAN = 4094  # IEEE 802.1Q
KEY = ParentSettings.parent.key
_ABOVE = {"vlan", "macvlan", "macvtap", "ipvlan"}  # kinds of links that may have the MAC of the link below

Conflicts = Callable[[Network], str]  # why a network cannot be on one parent with the given one, "" if it can


class Parents:
    """Takes, follows and releases parents. May be used from any thread; every verb may raise ``KernelError``."""

    def __init__(self, kernel: Kernel, store: Store, owner: Owner) -> None:
        self._kernel = kernel
        self._store = store
        self._owner = owner
        self._links = OwnLinks(kernel, owner)
        self._users = ParentUsers(store)
        self._lock = threading.RLock()  # held from a look at the users of a parent until it is made or deleted

    @cached_property
    def boot(self) -> str:
        """The id of this boot: indices of links begin anew with the next one."""
        return self._kernel.read_setting(BOOT)

    def check(self, name: str, kind: str) -> None:
        """Refuse a link that cannot be the parent of links of ``kind``, as far as it can be seen from outside.

        Raises:
            InvalidRequest: there is no such link, and it is no VLAN that could be made, or links of ``kind`` would not
                work upon it.
        """
        link = self._kernel.link(name)
        if link is None:
            base, _ = _vlan_of(name)
            if self._kernel.link(base) is None:
                raise InvalidRequest(f"option '{KEY}': -o parent interface was not found on the host: {base}")
            return
        if name == "lo":
            raise InvalidRequest(f"option '{KEY}': loopback interface is not a valid {kind} parent link")
        if len(link.mac) != len("00:00:00:00:00:00"):
            raise InvalidRequest(f"option '{KEY}': '{name}' is no Ethernet link, and a {kind} parent must be one")
        if link.master:
            self._refuse_enslaved(link)
        if kind == "macvlan" and self._kernel.is_wireless(name):
            raise InvalidRequest(
                f"option '{KEY}': '{name}' is a wireless link, and access points drop the frames of all MAC addresses "
                "but its own: use a wired link, or -o pynet.mode=ipvlan, whose containers share its MAC address"
            )

    def take(self, network: Network, conflicts: Conflicts, undo: Undo) -> Network:
        """Return the record of a new network with its parent, which is made if it is a VLAN that is not there.

        Raises:
            Conflict: another network of the parent does not let it be used like that.
            InvalidRequest: the network's MTU is above its parent's.
            Unsupported: the kernel has no VLANs.
        """
        with self._lock:
            others = self._users.beside(network)
            for other in others:
                if why := conflicts(other):
                    raise Conflict(why)
            link = self._kernel.link(network.link)
            made = any(other.owns_link for other in others)
            if link is None:
                undo.push(self._remove_unused, network.link)
                link, made = self._make(network), True
            elif not others:
                made = self._owner.made(link)  # left from a request that was killed
            if network.settings.mtu > link.mtu:
                raise InvalidRequest(
                    f"option '{ParentSettings.mtu.key}': {network.settings.mtu} bytes are more than the {link.mtu} of "
                    f"'{link.name}', which carries the network"
                )
            taken = replace(network, owns_link=made, parent=self._identity(link))
            undo.push(self.release, taken)
            self._users.note(taken)
            return taken

    def release(self, network: Network) -> None:
        """Forget a network, and delete its parent if pynet made it and no other network has it."""
        with self._lock:
            known = self._users.drop(network.id) or network
            if known.owns_link:
                self._remove_unused(known.link)

    def follow(self, network: Network, kind: str = "") -> Network:
        """Return the record of a network with the present name and identity of its parent, and store it if it is new.

        A parent that was renamed is known by its index, and after a reboot by its MAC; one that went and came back by
        its name. With a ``kind`` no link of another is taken for it, as a bridge has the MAC of a port. A VLAN that
        pynet made is made again. The caller holds the network's lock.

        Raises:
            Failed: the parent is gone; the text says what to do.
        """
        found = self._kernel.link(network.link)
        if found is not None and kind not in ("", found.kind):
            found = None
        if found is not None and network.parent == self._identity(found):
            return network
        with self._lock:
            link = self._find(network, found, kind) or self._again(network)
            after = replace(network, link=link.name, parent=self._identity(link))
            if after == network:
                return network
            log.warning(
                "parent followed", network=network.id[:12], before=network.link, now=link.name, same=found is None
            )
            self._store.transact(Put(after))
            self._users.note(after)
            return after

    def others(self, network: Network) -> Collection[str]:
        """Return the ids of the other networks on the parent of ``network``."""
        return [other.id for other in self._users.beside(network)]

    def has_users(self, name: str) -> bool:
        """Return whether a network has the parent ``name``, or is being made upon it."""
        return self._users.has(name)

    def known(self) -> Mapping[str, int]:
        """Return the indices of all parents when they were last seen, by name; nothing if the store cannot be read."""
        return self._users.indices()

    def index_now(self, network: Network) -> int:
        """Return the index of a network's parent, 0 if it was last seen in another boot."""
        parent = network.parent
        return parent.index if parent is not None and parent.boot == self.boot else 0

    def is_of_earlier_boot(self, endpoint: Endpoint) -> bool:
        """Return whether the link of an endpoint went with an earlier boot."""
        return endpoint.parent is not None and endpoint.parent.boot != self.boot

    def link_of(self, parent: Parent | None) -> Link | None:
        """Return the link that the kernel has for a parent, by whatever name."""
        return self._kernel.link_at(parent.index) if parent is not None and parent.boot == self.boot else None

    def _identity(self, link: Link) -> Parent:
        return Parent(link.index, link.mac, self.boot, link.mtu)

    def _refuse_enslaved(self, link: Link) -> None:
        master = self._kernel.link_at(link.master)
        name, kind = (master.name, master.kind) if master else ("", "bridge")
        also = f", or -o pynet.mode=lan -o {KEY}={name}" if kind == "bridge" else ""
        raise InvalidRequest(
            f"option '{KEY}': '{link.name}' is part of {kind} '{name}', which takes all its frames: use -o {KEY}={name}"
            f"{also}"
        )

    def _make(self, network: Network) -> Link:
        """Make the VLAN that a user named, or the link that stands in for a parent."""
        name, settings = network.link, {}
        if name == stub_name(network.id):
            self._kernel.add_stub(name, local_mac(name.encode()), network.mtu)
            settings = {f"net/ipv6/conf/{name}/disable_ipv6": "1"}
        else:
            self._add_vlan(name)
        self._kernel.finish_link(name, str(Alias(self._owner.name, PARENT, name)), settings)
        link = self._kernel.link(name)
        if link is None:
            raise Missing(f"add link '{name}': it went at once")
        return link

    def _add_vlan(self, name: str) -> None:
        base, vlan_id = _vlan_of(name)
        try:
            self._kernel.add_vlan(name, base, vlan_id)
        except NotSupported as error:
            raise Unsupported(f"option '{KEY}': '{name}' cannot be made ({error})") from error
        except Exists as error:
            raise Conflict(
                f"option '{KEY}': another link of '{base}' has VLAN {vlan_id} already: give its name ({error})"
            ) from error

    def _remove_unused(self, name: str) -> None:
        if not self._users.has(name):
            self._links.remove(name, "")

    def _find(self, network: Network, found: Link | None, kind: str) -> Link | None:
        """Return the parent of ``network`` by its identity; ``found`` has its name."""
        parent = network.parent
        if parent is None:
            return found
        if parent.boot == self.boot:
            return self._kernel.link_at(parent.index) or found
        if found is not None and found.mac == parent.mac:
            return found
        listed = self._kernel.links(kind=kind)
        same = [link for link in listed if link.mac == parent.mac and link.kind not in _ABOVE]
        return same[0] if len(same) == 1 else found

    def _again(self, network: Network) -> Link:
        """Make a VLAN again that pynet had made.

        Raises:
            Failed: it is a user's link, or it cannot be made.
        """
        gone = f"'{network.link}', the parent of the network, is gone"
        if not network.owns_link:
            raise Failed(f"{gone}, and the links of its containers with it: bring it back, then restart the containers")
        try:
            return self._make(network)
        except (KernelError, InvalidRequest, Conflict, Unsupported) as error:
            raise Failed(f"{gone} and cannot be made again ({error}); afterwards restart its containers") from error


def _vlan_of(name: str) -> tuple[str, int]:
    """Return the link and the VLAN id in the name of a VLAN that pynet may make, in the words of the built-in driver.

    Raises:
        InvalidRequest: it is no such name (moby drivers/macvlan/macvlan_setup.go, parseVlan).
    """
    base, dot, number = name.partition(".")
    if not dot or not base or "." in number or not (number.isascii() and number.isdigit()):
        raise InvalidRequest(
            f"option '{KEY}': invalid subinterface vlan name {name}, example formatting is eth0.10: there is no link "
            f"'{name}' on this host"
        )
    if not 1 <= int(number) <= LARGEST_VLAN:
        raise InvalidRequest(f"option '{KEY}': vlan id must be between 1-{LARGEST_VLAN}, received: {int(number)}")
    return base, int(number)
