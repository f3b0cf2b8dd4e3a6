"""What the kernel should have, as the records say, and what it has: plain values that can be compared."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from netlink.bridge_port import BridgePort
from netlink.devconf import read_settings
from netlink.errors import KernelError, Missing
from netlink.links import Link
from netlink.vxlan import VxlanLink
from plugin.interfaces import Kernel
from plugin.model.elements import Elements
from plugin.protocol.messages import Address, InterfaceAddress

ANY_ON = "any but 0"
Held = tuple[int, Address, int]  # IP protocol, host address, host port


@dataclass(frozen=True, slots=True)
class WantedLink:
    """A link and what it must be like; empty values are not looked at.

    ``endpoint`` is the id of the endpoint that the link belongs to: such a link cannot be made again, as its other end
    was in a container; ``port`` is what its bridge must know of it. ``adopted`` links are a user's: they must be up,
    and nothing else about them is pynet's, but the MAC of one that is to keep it. ``peer``, the end of a veth pair that
    goes into a container, and ``tunnel`` are only looked at when the link is made.
    """

    name: str
    kind: str
    alias: str = ""
    mac: str = ""
    mtu: int = 0
    master: str = ""
    endpoint: str = ""
    adopted: bool = False
    port: BridgePort | None = None
    peer: str = ""
    peer_mac: str = ""
    tunnel: VxlanLink | None = None


@dataclass(frozen=True, slots=True)
class WantedSetting:
    """A sysctl below /proc/sys; ``link`` is the link that it is of, or "".

    ``also`` are other values that do as well, ``ANY_ON`` all but 0. ``switch`` is the host's setting that sets this one
    too whenever it is set. A kernel may lack one that is ``optional``: what it switches off is not there then.
    """

    path: str
    value: str
    link: str = ""
    also: tuple[str, ...] = ()
    switch: str = ""
    optional: bool = False

    def met_by(self, found: str | None) -> bool:
        """Say whether a value does; None is a setting that the kernel does not have."""
        if found is None:
            return self.optional
        return found in {self.value, *self.also} or (ANY_ON in self.also and found != "0")


@dataclass(frozen=True, slots=True)
class WantedPort:
    """A port that a socket must hold for an endpoint."""

    endpoint: str
    place: Held


@dataclass(frozen=True, slots=True)
class Desired:
    """What one network wants of the kernel; ``elements`` are those of the firewall, by owner.

    The kernel gives running links an IPv6 address by itself, which those called ``link_local`` need. ``host`` are the
    settings that networks share, ``settings`` those of its own links. The mode itself looks after the elements of the
    owners in ``kept``.
    """

    network: str
    links: Sequence[WantedLink] = ()
    addresses: Sequence[tuple[str, InterfaceAddress]] = ()
    link_local: Collection[str] = ()
    settings: Sequence[WantedSetting] = ()
    host: Sequence[WantedSetting] = ()
    elements: Mapping[str, Elements] = field(default_factory=dict)
    ports: Sequence[WantedPort] = ()
    kept: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Actual:
    """What the kernel has: links by name, addresses by link; a setting that cannot be read is not in ``settings``.

    It belongs to one look, which brings it up to date piece by piece (``look_again``).
    """

    links: dict[str, Link] = field(default_factory=dict)
    addresses: dict[str, Collection[InterfaceAddress]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    held: Collection[Held] = frozenset()


def read_actual(kernel: Kernel, desired: Sequence[Desired], held: Collection[Held]) -> Actual:
    """Look at all links and addresses, one dump each, and at the settings that are desired; raises ``KernelError``."""
    addresses: dict[str, Collection[InterfaceAddress]] = {}
    links = {link.name: link for link in kernel.links()}
    for name, address in kernel.addresses(link_local=True):
        addresses[name] = (*addresses.get(name, ()), address)
    return Actual(links, addresses, _settings(kernel, links, desired), held)


def look_again(kernel: Kernel, actual: Actual, part: Desired) -> None:
    """Bring ``actual`` up to date in what one network wants: a request a link, and no dump; raises ``KernelError``."""
    for wanted in part.links:
        found = kernel.link(wanted.name)
        if found is None:
            actual.links.pop(wanted.name, None)
        else:
            actual.links[wanted.name] = found
    for name in {name for name, _ in part.addresses}:
        actual.addresses.pop(name, None)
        with suppress(Missing):
            actual.addresses[name] = kernel.addresses_of(name)
    for setting in part.settings:
        actual.settings.pop(setting.path, None)
    actual.settings.update(_settings(kernel, actual.links, [part]))


def _settings(kernel: Kernel, links: Mapping[str, Link], desired: Iterable[Desired]) -> dict[str, str]:
    """Read what is desired of the host and of links that are there, and the switches of these."""
    wanted = [each for part in desired for each in (*part.host, *part.settings) if not each.link or each.link in links]
    found: dict[str, str] = {}
    for name in {setting.link for setting in wanted if setting.link}:
        found |= read_settings(name, links[name].settings)
    for path in {path for setting in wanted for path in (setting.path, setting.switch) if path} - found.keys():
        with suppress(KernelError):
            found[path] = kernel.read_setting(path)
    return found
