"""Questions to ``pynet path`` (who wants to reach whom, by which protocol and port), and the steps of the answer."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from ipaddress import ip_address

from netlink.values import dataclass
from plugin.errors import InvalidRequest
from plugin.protocol.messages import Address

NUMBERS: Mapping[str, int] = {"icmp": 1, "tcp": 6, "udp": 17, "sctp": 132}  # IANA's numbers
ICMPV6 = 58
ENDPOINTS = "endpoints:"  # begins an end that is a container; the ids of its endpoints follow, with commas
LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Service:
    """A protocol with a port; ICMP, of either IP version, has none."""

    proto: str
    port: int = 0

    def number(self, version: int) -> int:
        """Return the protocol number in packets of IP ``version``."""
        return ICMPV6 if (self.proto, version) == ("icmp", 6) else NUMBERS[self.proto]

    def __str__(self) -> str:
        return f"{self.proto}/{self.port}" if self.port else self.proto


class EndKind(StrEnum):
    """The kind of an end of a path."""

    CONTAINER = "container"
    HOST = "host"
    OUTSIDE = "outside"  # any machine beyond the host
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class PathEnd:
    """An end of a path: ``endpoints`` are the ids of a container's."""

    kind: EndKind
    endpoints: Sequence[str] = ()
    address: Address | None = None


@dataclass(frozen=True, slots=True)
class PathQuestion:
    """A question about one new connection; ``version`` is the IP version, None for the first that both ends have.

    With ``policy`` it is about the policies of the two ends alone.
    """

    source: PathEnd
    target: PathEnd
    service: Service
    version: int | None = None
    policy: bool = False


def service(text: str) -> Service:
    """Read ``tcp/80``, ``udp/53``, ``sctp/9`` or ``icmp``; raises ``InvalidRequest``."""
    proto, slash, port = text.strip().lower().partition("/")
    if proto == "icmp" and not slash:
        return Service(proto)
    good = proto in NUMBERS and proto != "icmp" and port.isascii() and port.isdigit() and len(port) <= len("65535")
    if not good or not 1 <= int(port) <= LARGEST_PORT:
        raise InvalidRequest(f"'{text}' is no service: write tcp/80, udp/53, sctp/9 or icmp")
    return Service(proto, int(port))


def end(text: str) -> PathEnd:
    """Read ``host``, ``outside``, an address, or the endpoints of a container; raises ``InvalidRequest``."""
    if text in {EndKind.HOST, EndKind.OUTSIDE}:
        return PathEnd(EndKind(text))
    if text.startswith(ENDPOINTS):
        return PathEnd(EndKind.CONTAINER, tuple(text.removeprefix(ENDPOINTS).split(",")))
    try:
        return PathEnd(EndKind.ADDRESS, address=ip_address(text))
    except ValueError:
        raise InvalidRequest(f"'{text}' is no end of a path: name a container, an address, host or outside") from None


def question(source: str, target: str, wanted: str, version: str = "") -> PathQuestion:
    """Read a question; raises ``InvalidRequest``."""
    if version not in {"", "4", "6"}:
        raise InvalidRequest(f"'{version}' is no IP version: it is 4 or 6")
    return PathQuestion(end(source), end(target), service(wanted), int(version) if version else None)


class Fate(StrEnum):
    """What a step does to the packet."""

    PASSES = "passes"
    DROPPED = "dropped"  # without a word to the sender
    REFUSED = "refused"  # the sender is told at once
    UNCLEAR = "unclear"  # a rule of another program that cannot be followed


STOPS = frozenset({Fate.DROPPED, Fate.REFUSED})


@dataclass(frozen=True, slots=True)
class Step:
    """A step: ``by`` is the part that judges, ``text`` says in a sentence what it does and why."""

    by: str
    text: str
    fate: Fate = Fate.PASSES


@dataclass(frozen=True, slots=True)
class Answer:
    """All steps up to the one that decides, which is the last, unless a step before it is unclear."""

    steps: Sequence[Step]

    @property
    def fate(self) -> Fate:
        """The fate of the packet."""
        if self.steps[-1].fate in STOPS:
            return self.steps[-1].fate
        return Fate.UNCLEAR if any(step.fate is Fate.UNCLEAR for step in self.steps) else Fate.PASSES

    @property
    def deciding(self) -> Step:
        """The step that decides."""
        if self.fate is Fate.UNCLEAR:
            return next(step for step in self.steps if step.fate is Fate.UNCLEAR)
        return self.steps[-1]
