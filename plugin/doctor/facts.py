"""What ``pynet doctor`` looks at, as plain values: gathered in one place, judged in another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from plugin.ipam.supernets import Supernet
from plugin.messages import Subnet


class Listener(StrEnum):
    """What is found where pynet listens."""

    NOTHING = "nothing"
    NO_SOCKET = "a file that is no socket"
    DEAD = "a socket on which nobody listens"
    ANSWERS = "something that accepts connections"


@dataclass(frozen=True, slots=True)
class State:
    """The state folder: how it looks, and what the networks in it need."""

    folder: str = "/var/lib/pynet"
    problem: str = ""  # why it cannot be read, as a sentence
    open_to_others: bool = False
    free: int = 1 << 40  # bytes of the disk
    routed: frozenset[int] = frozenset()  # IP versions that networks need forwarded


@dataclass(frozen=True, slots=True)
class Engine:
    """What the engine says; ``version`` is "" where it says nothing, and ``networks`` are subnets by name."""

    version: str = ""
    address: str = "/run/docker.sock"
    networks: tuple[tuple[str, Subnet], ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """A host.

    ``features`` says for each thing that pynet needs of the kernel why it does not work, "" where it does;
    ``untried`` says why they could not be tried at all.
    ``legacy_drop`` are the IP versions whose iptables-legacy FORWARD chain has the policy DROP. ``dropping`` are chains
    of nftables that drop what is forwarded, "family table chain". ``settings`` are those below /proc/sys, "" where
    there is none. ``ports`` counts the ports of each bridge. ``deaf`` are links that lose the IPv6
    default route which routers advertise while the host forwards IPv6 (``plugin.advertised``).
    """

    features: Mapping[str, str] = field(default_factory=dict)
    untried: str = ""
    missing_capabilities: tuple[str, ...] = ()
    libnftables: bool = True
    nft_program: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    legacy_drop: frozenset[int] = frozenset()
    dropping: tuple[str, ...] = ()
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
