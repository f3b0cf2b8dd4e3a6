"""Answers of DNS to the names of policies, as records: a restart closes nothing that was open.

An address stays for ``KEPT`` seconds after the last answer with it, because a name with many addresses answers with a
few of them at a time, and programs keep an answer for a while. Without a good answer nothing goes.
"""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar

from netlink.routes import RESOLVERS, nameservers
from netlink.values import dataclass
from plugin.model.words import check_names
from plugin.options.unicast import is_unicast
from plugin.protocol.messages import Address
from plugin.store.base import Store

KEPT = 1800  # seconds
MOST = 256  # addresses of one name; those that were seen last stay
ENGINES = tuple(map(ip_address, ("8.8.8.8", "8.8.4.4", "2001:4860:4860::8888", "2001:4860:4860::8844")))
SHORTEST, LONGEST = 30, 300  # seconds between two questions about a name


@dataclass(frozen=True, slots=True)
class NameAnswer:
    """The addresses in an answer for one IP version, and how many seconds it holds."""

    addresses: Collection[Address]
    ttl: int


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """An address of a name; it goes with the first good answer after ``until``, in seconds since 1970."""

    address: Address
    until: int


@dataclass(frozen=True, slots=True)
class ResolvedName:
    """A name of a host, and its addresses."""

    kind: ClassVar[str] = "host name"

    name: str
    addresses: tuple[SeenAddress, ...] = ()

    @property
    def key(self) -> str:
        """The name."""
        return self.name

    def check(self) -> None:
        """Check a record from a file; raises ValueError."""
        check_names(ids=[label for label in self.name.split(".") if not label.startswith("_")])


def usable(address: Address) -> bool:
    """Return whether a policy may open an address: a name must not lead to the host's loopback or to its own link."""
    return is_unicast(address) and not address.is_loopback and not address.is_link_local


def merged(before: ResolvedName, answers: Mapping[int, NameAnswer], now: int) -> ResolvedName:
    """Return the record after ``answers``, by IP version; a version without an answer keeps its addresses.

    A time is written anew when half of it is over, so that the store is not written at each answer.
    """
    found = {address for answer in answers.values() for address in answer.addresses if usable(address)}
    kept = [
        seen
        for seen in before.addresses
        if seen.address in found or seen.address.version not in answers or seen.until > now
    ]
    known = {seen.address for seen in kept}
    renewed = [
        SeenAddress(seen.address, now + KEPT) if seen.address in found and seen.until < now + KEPT // 2 else seen
        for seen in kept
    ]
    new = [SeenAddress(address, now + KEPT) for address in found - known]
    latest = sorted([*renewed, *new], key=lambda seen: (-seen.until, seen.address.version, seen.address.packed))[:MOST]
    ordered = sorted(latest, key=lambda seen: (seen.address.version, seen.address.packed))
    return ResolvedName(before.name, tuple(ordered))


def pause(answers: Mapping[int, NameAnswer]) -> int:
    """Return the seconds until the next question: the time for which the answers hold, within bounds."""
    return min([LONGEST, *(max(SHORTEST, answer.ttl) for answer in answers.values())]) if answers else SHORTEST


def known_addresses(store: Store, name: str) -> Collection[Address]:
    """Return the addresses that the last answers for a name had."""
    stored = store.get(ResolvedName, name)
    return [seen.address for seen in stored.record.addresses] if stored else []


def container_resolvers(files: Sequence[Path] = RESOLVERS) -> Collection[Address]:
    """Return the servers that the engine asks for containers: the host's, or its own defaults.

    It passes over loopback ones (moby daemon/libnetwork/internal/resolvconf/resolvconf.go).
    """
    return list(dict.fromkeys(nameservers(files))) or ENGINES
