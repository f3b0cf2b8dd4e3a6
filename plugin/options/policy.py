"""Policy: who may talk to whom, in words of options.

An entry has a protocol with ports and a peer, in any order: ``tcp/5432 app``, ``tcp/443 @ 140.82.112.0/20``, ``icmp``,
``dns:github.com tcp/443``. Without a protocol it allows all of them, without a peer everybody; ``@`` means nothing.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from ipaddress import ip_network

from netlink.ip import Subnet
from netlink.values import dataclass

ANY, ICMP, TCP, UDP = PROTOCOLS = ("any", "icmp", "tcp", "udp")
NOBODY_WORD = "none"
MOST_GROUPS = 4  # of one container: each costs a map in the firewall
_RESERVED = {*PROTOCOLS, NOBODY_WORD, "all", "dns", "everybody", "host", "icmpv6", "sctp"}
_GROUP = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}", re.ASCII)
_NUMBERED = re.compile(r"number-(?!0{8}|f{8})[0-9a-f]{8}", re.ASCII)
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*", re.ASCII)
_SERVICE = re.compile(r"(tcp|udp)/([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


class BadPolicy(ValueError):
    """A text that is no policy; its message says why, for the user."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports from ``first`` to ``last``."""

    first: int
    last: int

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def __contains__(self, port: int) -> bool:
        return self.first <= port <= self.last


@dataclass(frozen=True, slots=True)
class Group:
    """Containers of the same network with this ``pynet.group``."""

    name: str

    def __str__(self) -> str:
        return self.name

    @classmethod
    def numbered(cls, number: int) -> "Group":
        """Return a group with that number, whose own name is not known any more."""
        return cls(f"number-{number:08x}")

    @property
    def number(self) -> int:
        """The number by which the kernel knows the group, in 32 bits and never 0 or the highest."""
        if _NUMBERED.fullmatch(self.name):
            return int(self.name[-8:], 16)
        return int.from_bytes(sha256(self.name.encode()).digest()[:4], "big") % 0xFFFFFFFE + 1


@dataclass(frozen=True, slots=True)
class HostName:
    """A host by its name in DNS."""

    name: str

    def __str__(self) -> str:
        return f"dns:{self.name}"


Peer = Subnet | Group | HostName | None  # None: everybody


@dataclass(frozen=True, slots=True)
class Entry:
    """What one entry allows: a protocol of ``PROTOCOLS``, all ports without ``ports``, everybody without a ``peer``."""

    protocol: str = ANY
    ports: Ports | None = None
    peer: Peer = None

    def __str__(self) -> str:
        service = f"{self.protocol}/{self.ports}" if self.ports else self.protocol
        if self.peer is None:
            return service
        return f"{service} @ {self.peer}" if service != ANY else str(self.peer)

    def matches(self, protocol: str, port: int = 0) -> bool:
        """Return whether it allows ``protocol`` and, for tcp and udp, its destination ``port``."""
        return self.protocol in (ANY, protocol) and (self.ports is None or port in self.ports)


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of an option, each once, in the order of the user; without any, nothing is allowed."""

    entries: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        return ", ".join(map(str, self.entries)) or NOBODY_WORD

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def subnets(self) -> list[Subnet]:
        """The addresses and subnets that are named."""
        return [entry.peer for entry in self.entries if not isinstance(entry.peer, Group | HostName | None)]

    @property
    def host_names(self) -> list[str]:
        """The names of hosts, each once."""
        return list(dict.fromkeys(entry.peer.name for entry in self.entries if isinstance(entry.peer, HostName)))


NOTHING = Entries()


def sources(text: str) -> Entries:
    """Read entries of ``pynet.from``: peers are addresses, subnets and groups.

    Raises:
        BadPolicy: the text has something else.
    """
    return _entries(text, {HostName: "a name is looked up in pynet.allow_out only"})


def destinations(text: str) -> Entries:
    """Read entries of ``pynet.allow_out``: peers are addresses, subnets, groups and names; raises as ``sources``."""
    return _entries(text, {})


def clients(text: str) -> Entries:
    """Read entries of ``pynet.publish_from``: peers are addresses and subnets; raises as ``sources``."""
    why = "clients of published ports are addresses and subnets"
    return _entries(text, {HostName: why, Group: why})


def group_names(text: str) -> tuple[str, ...]:
    """Read names of groups, each once, in the order of the user; ``none`` is no group; raises as ``sources``."""
    if text.strip() == NOBODY_WORD:
        return ()
    found = tuple(dict.fromkeys(_group(word.strip()) for word in text.split(",")))
    if len(found) > MOST_GROUPS:
        raise BadPolicy(f"a container can be in {MOST_GROUPS} groups, not in {len(found)}")
    return found


def _entries(text: str, refused: dict[type, str]) -> Entries:
    if text.strip() == NOBODY_WORD:
        return NOTHING
    found = [_entry(part) for part in text.split(",")]
    for entry in found:
        if why := refused.get(type(entry.peer)):
            raise BadPolicy(f"'{entry}': {why}")
    return Entries(tuple(dict.fromkeys(found)))


def _entry(text: str) -> Entry:
    words = [word for word in text.replace("@", " ").split() if word]
    if not words:
        raise BadPolicy("an entry is empty; 'any' allows everything and 'none' nothing")
    services = [word for word in words if _is_service(word)]
    peers = [word for word in words if not _is_service(word)]
    for some, what in ((services, "protocol"), (peers, "peer")):
        if len(some) > 1:
            raise BadPolicy(f"'{text.strip()}' has more than one {what}; put a comma between entries")
    protocol, ports = _service(services[0]) if services else (ANY, None)
    return Entry(protocol, ports, _peer(peers[0]) if peers else None)


def _is_service(word: str) -> bool:
    return word.partition("/")[0].lower() in {*PROTOCOLS, "icmpv6", "sctp"}


def _service(word: str) -> tuple[str, Ports | None]:
    if word in PROTOCOLS:
        return word, None
    found = _SERVICE.fullmatch(word)
    if found is None:
        raise BadPolicy(f"'{word}' is no protocol; write any, icmp, tcp, udp, tcp/443 or udp/8000-8100")
    first = int(found[2])
    last = int(found[3] or first)
    if not 1 <= first <= last <= 65535:
        raise BadPolicy(f"'{word}': ports are from 1 to 65535, the lower one first")
    return found[1], Ports(first, last)


def _peer(word: str) -> Subnet | Group | HostName:
    if word.startswith("dns:"):
        return HostName(_host_name(word.removeprefix("dns:")))
    if _GROUP.fullmatch(word):
        return Group(_group(word))
    try:
        return ip_network(word) if "%" not in word else ip_network("")
    except ValueError:
        hint = f"; a name is written 'dns:{word}'" if _HOST.fullmatch(word.lower()) and "." in word else ""
        raise BadPolicy(f"'{word}' is no address, subnet or group{hint}") from None


def _host_name(text: str) -> str:
    name = text.lower().removesuffix(".")
    if "*" in name:
        raise BadPolicy(f"'dns:{text}': nobody can look up all names that fit a star")
    if not _HOST.fullmatch(name):
        raise BadPolicy(f"'dns:{text}' is no name of a host")
    return name


def _group(word: str) -> str:
    if not _GROUP.fullmatch(word) or word.lower() in _RESERVED:
        raise BadPolicy(
            f"'{word}' is no name of a group: it begins with a letter, has up to 63 letters, digits, '-' or '_', and "
            "is no word of the grammar"
        )
    return word
