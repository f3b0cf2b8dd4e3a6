"""What the kernel should have, as the records say, and what it has: plain values that can be compared."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from netlink.devconf import read_settings
from netlink.dump import Link
from netlink.errors import KernelError
from netlink.port import BridgePort
from plugin.firewall.ruleset import Elements
from plugin.messages import Address, InterfaceAddress
from plugin.ports import Kernel

ANY_ON = "any but 0"
Held = tuple[int, Address, int]  # IP protocol, host address, host port


@dataclass(frozen=True, slots=True)
class WantedLink:
    """A link and what it must be like; empty values are not looked at.

    ``endpoint`` is the id of the endpoint that the link belongs to: such a link cannot be made again, as its other end
    was in a container; ``port`` is what its bridge must know of it. ``adopted`` links are a user's: they must be up,
    and nothing else about them is pynet's.
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

    A link-local address is one that the kernel gives to a running link by itself; any of them will do.
    """

    network: str
    links: Sequence[WantedLink] = ()
    addresses: Sequence[tuple[str, InterfaceAddress]] = ()
    settings: Sequence[WantedSetting] = ()
    elements: Mapping[str, Elements] = field(default_factory=dict)
    ports: Sequence[WantedPort] = ()


@dataclass(frozen=True, slots=True)
class Actual:
    """What the kernel has; a setting that cannot be read is not in ``settings``."""

    links: Mapping[str, Link] = field(default_factory=dict)
    addresses: Collection[tuple[str, InterfaceAddress]] = frozenset()
    settings: Mapping[str, str] = field(default_factory=dict)
    held: Collection[Held] = frozenset()


def read_actual(kernel: Kernel, desired: Iterable[Desired], held: Collection[Held]) -> Actual:
    """Look at all links and addresses, and at the settings that are desired; raises ``KernelError``."""
    links = {link.name: link for link in kernel.links()}
    wanted = [setting for part in desired for setting in part.settings if not setting.link or setting.link in links]
    settings: dict[str, str] = {}
    for name in {setting.link for setting in wanted if setting.link}:
        settings |= read_settings(name, links[name].settings)
    for path in {setting.path for setting in wanted} - settings.keys():
        with suppress(KernelError):
            settings[path] = kernel.read_setting(path)
    return Actual(links, frozenset(kernel.addresses(link_local=True)), settings, held)
