"""What ``pynet doctor`` looks at, as plain values: gathered in one place, judged in another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from plugin.ipam.supernets import Supernet
from plugin.protocol.messages import Subnet


class Listener(StrEnum):
    """What is found where pynet listens."""

    NOTHING = "nothing"
    NO_SOCKET = "a file that is no socket"
    DEAD = "a socket on which nobody listens"
    ANSWERS = "something that accepts connections"
    HANGS = "something that accepts connections and does not answer"
    HIDDEN = "what this user may not see"


class Crossing(StrEnum):
    """What a chain of another firewall may drop, in words that fit behind "drops"."""

    OUT = "what containers of pynet's networks send to the outside"
    IN = "what comes from outside for published ports"
    RELAY = "IPv6 for published ports of containers that have only IPv4"
    NEIGHBOURS = "neighbour discovery, without which containers with IPv6 do not find their gateway"
    TUNNEL = "VXLAN, by which hosts of an overlay network reach each other"
    HOST = "what containers send to the host itself"


@dataclass(frozen=True, slots=True)
class Wall:
    """A chain of nftables, "family table chain", that drops something of pynet's."""

    chain: str
    crossing: Crossing


@dataclass(frozen=True, slots=True)
class Detour:
    """Where the host sends packets between it and the containers of a network, or theirs, in place of where it should.

    ``how`` fits behind "by": the name of a link, or the words of an error.
    """

    network: str
    subnet: Subnet
    link: str
    address: str
    how: str
    outwards: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """How many of the addresses of a network's subnet, or of the range for containers, are taken."""

    network: str
    subnet: Subnet
    taken: int
    size: int


@dataclass(frozen=True, slots=True)
class Serving:
    """What the pynet that serves says: sentences of what it cannot repair, and how often it repaired what."""

    failing: tuple[tuple[str, str], ...] = ()  # sentence, and why it cannot be repaired
    repairs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """The state folder: how it looks, and what the networks in it need.

    ``locked`` says of each path that the pynet which serves may not write it why.
    """

    folder: str = "/var/lib/pynet"
    problem: str = ""  # why it cannot be read, as a sentence
    open_to_others: bool = False
    free: int = 1 << 40  # bytes of the disk
    full: str = ""  # what of the disk is used up, as a noun
    locked: tuple[tuple[str, str], ...] = ()
    routed: frozenset[int] = frozenset()  # IP versions that networks need forwarded


@dataclass(frozen=True, slots=True)
class Engine:
    """What the engine says; ``version`` is "" where it says nothing, and ``networks`` are subnets by name.

    ``elsewhere`` is the address of another engine, to which commands of ``docker`` go. ``denied`` says that this user
    may not ask.
    """

    version: str = ""
    address: str = "/run/docker.sock"
    networks: tuple[tuple[str, Subnet], ...] = ()
    elsewhere: str = ""
    denied: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """A host.

    ``features`` says for each thing that pynet needs of the kernel why it does not work, "" where it does;
    ``untried`` says why they could not be tried at all.
    ``legacy_drop`` are the IP versions whose iptables-legacy FORWARD chain has the policy DROP. ``unseen`` names
    what this user may not look at. ``settings`` are those below /proc/sys, "" where
    there is none. ``ports`` counts the ports of each bridge. ``deaf`` are links that lose the IPv6
    default route which routers advertise while the host forwards IPv6 (``plugin.host.router_advertisements``).
    """

    features: Mapping[str, str] = field(default_factory=dict)
    untried: str = ""
    missing_capabilities: tuple[str, ...] = ()
    libnftables: bool = True
    nft_program: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    legacy_drop: frozenset[int] = frozenset()
    walls: tuple[Wall, ...] = ()
    firewalls: frozenset[str] = frozenset()
    listener: Listener = Listener.ANSWERS
    socket: str = "/run/docker/plugins/pynet.sock"
    state: State = State()
    engine: Engine = Engine()
    supernets: tuple[Supernet, ...] = ()
    host_networks: tuple[Subnet, ...] = ()
    own_pools: frozenset[Subnet] = frozenset()  # of networks that pynet serves: they do not overlap themselves
    ports: Mapping[str, int] = field(default_factory=dict)
    deaf: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    detours: tuple[Detour, ...] = ()
    fills: tuple[Fill, ...] = ()
    serving: Serving = Serving()
    bad_settings: tuple[tuple[str, str], ...] = ()
    failed_units: Mapping[str, str] = field(default_factory=dict)
    systemd: bool = True
