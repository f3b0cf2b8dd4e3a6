"""The facts that ``pynet doctor`` judges, as plain values: ``probe`` gathers them, ``checks`` judges them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from plugin.ipam.supernets import Supernet
from plugin.protocol.messages import Address, Countdown, LeftOut, Subnet
from plugin.protocol.own_messages import Fill


class Listener(StrEnum):
    """What was found at the path of pynet's socket."""

    NOTHING = "nothing"
    NO_SOCKET = "a file that is no socket"
    DEAD = "a socket on which nobody listens"
    ANSWERS = "something that accepts connections"
    HANGS = "something that accepts connections and does not answer"
    HIDDEN = "what this user may not see"


class Subject(StrEnum):
    """Something that only root may look at, in words that fit behind "only root may look at"."""

    KERNEL = "what the kernel can do"
    STATE = "the state of pynet"
    RULES = "the rules of firewalls"
    SERVING = "the pynet that serves"
    ENGINE = "Docker Engine"


class Crossing(StrEnum):
    """Traffic that a chain of another firewall may drop, in words that fit behind "drops"."""

    OUT = "what containers of pynet's networks send to the outside"
    IN = "what comes from outside for published ports"
    RELAY = "IPv6 for published ports of containers that have only IPv4"
    NEIGHBOURS = "neighbour discovery, without which containers with IPv6 do not find their gateway"
    TUNNEL = "VXLAN, by which hosts of an overlay network reach each other"
    QUESTIONS = "questions of containers to pynet's resolver"
    DIRECT = "what containers of an overlay network send to those of other hosts without a tunnel"


@dataclass(frozen=True, slots=True)
class Wall:
    """An nftables chain, "family table chain", that drops traffic which pynet's networks need."""

    chain: str
    crossing: Crossing


@dataclass(frozen=True, slots=True)
class Detour:
    """The host sends packets to or from the containers of a network the wrong way.

    ``how`` fits behind "by": the name of a link, or the words of an error.
    """

    network: str
    subnet: Subnet
    link: str
    address: str
    how: str
    outwards: bool = False


@dataclass(frozen=True, slots=True)
class Unreached:
    """A network whose containers the host should reach by its ``link``, and does not in an IP ``version``.

    ``setting`` is the path of a setting that is in the way, with its ``value``; without one the link has no address.
    """

    network: str
    link: str
    version: int
    setting: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Doubled:
    """A container of a network on the LAN has an ``address`` that is the host's own."""

    network: str
    endpoint: str
    address: Address


@dataclass(frozen=True, slots=True)
class Asked:
    """The answers of two servers to a question for ``resolver.pynet``, asked inside of a container of a network.

    ``pynet`` is the answer at the ``gateway``, where pynet's resolver should be, ``engine`` that of the engine, whose
    servers programs ask: "" for the right one, or else words that fit behind a colon.
    """

    network: str
    container: str
    gateway: str
    pynet: str
    engine: str


@dataclass(frozen=True, slots=True)
class LostAddress:
    """A container whose ``addresses`` are those of a container on another ``host`` since a takeover."""

    network: str
    endpoint: str
    addresses: tuple[Address, ...]
    host: str


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """``packets`` from ``source``, a container on another host, came by a ``link`` that does not lead to that host."""

    network: str
    source: str
    link: str
    packets: int


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """The answer of the running pynet: what it cannot repair, as sentences, and how often it made each repair.

    ``sockets`` are held for published ports, at most ``most_sockets``; 0 if pynet does not tell. ``metrics`` is the
    place where others may read its metrics, and ``metrics_problem`` the reason why nobody can, "" for neither.
    ``resolver`` has the addresses at which its resolver serves, and ``resolver_trouble`` the reason why it does not.
    ``takeovers`` are dead hosts whose addresses it takes over after some time. ``left_out`` is missing in its tables of
    networks that hosts share, and ``turned_away`` is what it dropped of these within the last minutes.
    """

    failing: tuple[tuple[str, str], ...] = ()  # sentence, and why it cannot be repaired
    repairs: Mapping[str, int] = field(default_factory=dict)
    sockets: int = 0
    most_sockets: int = 0
    metrics: str = ""
    metrics_problem: str = ""
    resolver: tuple[str, ...] = ()
    resolver_trouble: str = ""
    takeovers: tuple[Countdown, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    turned_away: tuple[TurnedAway, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """The state folder, and the forwarding that its networks need.

    ``locked`` has each path that the running pynet may not write, and why.
    """

    folder: str = "/var/lib/pynet"
    problem: str = ""  # why it cannot be read, as a sentence
    open_to_others: bool = False
    free: int = 1 << 40  # bytes of the disk
    full: str = ""  # what the disk has run out of, as a noun
    locked: tuple[tuple[str, str], ...] = ()
    routed: frozenset[int] = frozenset()  # IP versions that networks need forwarded


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The answer of the engine; ``version`` is "" without one, and ``networks`` are subnets by name.

    ``elsewhere`` is the address of another engine, to which ``docker`` talks. ``denied`` is whether this user may not
    ask the engine.
    """

    version: str = ""
    address: str = "/run/docker.sock"
    networks: tuple[tuple[str, Subnet], ...] = ()
    elsewhere: str = ""
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known of a host.

    ``features`` has, for each kernel feature that pynet needs, the reason why it does not work, "" where it works;
    ``untried`` is the reason why none could be tried. ``legacy_drop`` has the IP versions whose iptables-legacy FORWARD
    chain has the policy DROP, and ``legacy_mute`` those whose INPUT chain so keeps containers from the resolver.
    ``unseen`` names the subjects that this user may not look at. ``settings`` are values below /proc/sys, "" for a
    missing one. ``ports`` counts the ports of each bridge. ``deaf`` are links that lose their advertised IPv6 default
    route while the host forwards IPv6 (``plugin.host.router_advertisements``). ``unlimited`` is the reason why the
    kernel cannot limit rates, and ``limited`` has the networks where one is wanted. ``unresolved`` are names of hosts
    in policies of which no address is known. ``asked`` has a container of each network with names, and ``astray`` the
    addresses of the resolver that the host has lost. ``unreached`` are networks that the host should reach.
    ``lost`` are containers whose addresses other hosts have, and ``doubled`` those that have one of this host's.
    """

    features: Mapping[str, str] = field(default_factory=dict)
    untried: str = ""
    missing_capabilities: tuple[str, ...] = ()
    libnftables: bool = True
    nft_program: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    legacy_drop: frozenset[int] = frozenset()
    legacy_mute: frozenset[int] = frozenset()
    walls: tuple[Wall, ...] = ()
    listener: Listener = Listener.ANSWERS
    socket: str = "/run/docker/plugins/pynet.sock"
    state: State = State()
    engine: EngineFacts = EngineFacts()
    supernets: tuple[Supernet, ...] = ()
    host_networks: tuple[Subnet, ...] = ()
    own_pools: frozenset[Subnet] = frozenset()  # of networks that pynet serves: they do not overlap themselves
    ports: Mapping[str, int] = field(default_factory=dict)
    deaf: tuple[str, ...] = ()
    unlimited: str = ""
    limited: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    unreached: tuple[Unreached, ...] = ()
    asked: tuple[Asked, ...] = ()
    astray: tuple[str, ...] = ()
    lost: tuple[LostAddress, ...] = ()
    doubled: tuple[Doubled, ...] = ()
    unseen: tuple[Subject, ...] = ()
    detours: tuple[Detour, ...] = ()
    fills: tuple[Fill, ...] = ()
    serving: ServiceFacts = ServiceFacts()
    bad_settings: tuple[tuple[str, str], ...] = ()
    failed_units: Mapping[str, str] = field(default_factory=dict)
    systemd: bool = True


class Severity(StrEnum):
    """An error breaks something, a warning may break something, a note is only good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class HostFinding:
    """Something wrong with the host: why, its cure as a sentence, and ``commands`` that can be pasted into a shell.

    ``check`` is the name of the check that found it.
    """

    severity: Severity
    cause: str
    cure: str
    commands: tuple[str, ...] = ()
    check: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A question about the facts of a host.

    ``sound`` is the answer where nothing is found, and ``needs`` the subjects (of ``Facts.unseen``) without which there
    is no answer.
    """

    ask: Callable[[Facts], Iterator[HostFinding]]
    sound: str
    needs: frozenset[str] = frozenset()
