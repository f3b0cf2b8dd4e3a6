"""A DHCP server and its clients in memory, which refuse what real ones refuse."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface

from netlink.errors import Missing
from plugin.dhcp.model import ClientIdentity, Lease4, NoAddress, NoServer
from tests.fake_sockets import Steps

SERVER = IPv4Address("192.168.50.1")
POOL = tuple(IPv4Interface(f"192.168.50.{last}/24") for last in range(100, 110))
Changed = Callable[[Lease4 | None], None]


def lease(address: IPv4Interface = POOL[0], **values: object) -> Lease4:
    """Return a lease of an hour."""
    return replace(Lease4(address, SERVER, 1000, 3600, 1800, 3150, SERVER), **values)  # type: ignore[arg-type]


@dataclass
class FakeDhcp:
    """Both sides of DHCP: ``given`` is the server's file of leases, ``kept`` has the leases that are renewed."""

    steps: Steps
    pool: tuple[IPv4Interface, ...] = POOL
    silent: bool = False
    trouble: str = ""
    given: dict[str, IPv4Interface] = field(default_factory=dict)  # by the server's name of the client
    kept: dict[str, tuple[Lease4, Changed, str]] = field(default_factory=dict)
    heard: list[tuple[str, ClientIdentity, IPv4Address | None, Lease4 | None]] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)  # links

    def acquire(
        self, link: str, identity: ClientIdentity, wish: IPv4Address | None, known: Lease4 | None, timeout: float
    ) -> Lease4:
        self.steps.take("acquire a lease")
        self._find(link)
        self.heard.append((link, identity, wish, known))
        if self.silent:
            raise NoServer(f"no DHCP server answers within {timeout:.0f} s")
        asked = wish or (known.address.ip if known else None)
        free = [each for each in self.pool if each not in self.given.values()]
        free.sort(key=lambda each: each.ip != asked)
        if self._name(identity) not in self.given and not free:
            raise NoAddress(f"server {SERVER} has no address left")
        return lease(self.given.setdefault(self._name(identity), free[0] if free else POOL[0]))

    def keep(self, link: str, identity: ClientIdentity, lease: Lease4, changed: Changed, hear: str = "") -> None:
        self.steps.take("keep a lease")
        self._find(link)
        self.kept[self._name(identity)] = lease, changed, hear

    def drop(self, link: str, identity: ClientIdentity, *, release: Lease4 | None) -> None:
        self._find(link)
        self.kept.pop(self._name(identity), None)
        if release is not None and self.given.get(self._name(identity)) == release.address:
            del self.given[self._name(identity)]

    def change(self, new: Lease4 | None) -> None:
        """Let the server answer the renewal of the only lease that is kept with another one."""
        ((_, changed, _),) = self.kept.values()
        changed(new)

    def snapshot(self) -> object:
        return dict(self.given), {name: (lease, hear) for name, (lease, _, hear) in self.kept.items()}

    def _find(self, link: str) -> None:
        if link in self.gone:
            raise Missing(link)

    @staticmethod
    def _name(identity: ClientIdentity) -> str:
        return identity.client_id.hex() or identity.mac
