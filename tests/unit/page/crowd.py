"""A host with many networks for tests of the page: real records and real overviews, and counters that grow."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Interface
from typing import Any

from cli.server.overview import Overview
from netlink.statistics import LinkCounts
from plugin.engine.names import SHORT, Known, Names
from plugin.errors import PynetError
from plugin.model.names import HOST_END
from plugin.model.records import Endpoint, Network, NetworkSubnet, Overlay, Published
from plugin.store.base import Put, R, Versioned
from plugin.store.memory import MemoryStore
from tests.fake_statistics import FakeStatistics

TIERS = ("web", "api", "db", "cache", "queue", "worker", "mail", "search", "auth", "proxy")
PROJECTS = ("shop", "blog", "wiki", "chat", "billing", "metrics", "ledger", "photos", "intranet", "staging")
HOSTS = ("berlin-1", "berlin-2", "oslo-1")


def identity(kind: int, number: int) -> str:
    """Return an id whose first twelve digits are of this thing alone."""
    return f"{kind:x}{number:011x}" + "5" * 52


class CountingStore(MemoryStore):
    """Counts the listings."""

    listings = 0

    def since(self, kind: type[R], revision: int) -> tuple[Sequence[str], Sequence[Versioned[R]]]:
        self.listings += 1
        return super().since(kind, revision)


class GrowingStatistics(FakeStatistics):
    """Every third endpoint has traffic: a kilobyte a look to the first, two to the second, and half of that back."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.missing: set[str] = set()  # links that are gone

    def links(self, names: Iterable[str]) -> dict[str, LinkCounts]:
        self.looks += 1
        numbers = {name: int(name.removeprefix(HOST_END)[1:], 16) for name in names if name not in self.missing}
        return {name: self._counts(0 if number % 3 else number * 1000) for name, number in numbers.items()}

    def _counts(self, size: int) -> LinkCounts:
        sent = size * (10 * self.looks + self.looks**2 % 7) // 10  # rates differ from look to look
        received = sent // 2
        return LinkCounts(0, 0, received, sent, 0, 0, 0, self.looks if size else 0)


class Crowd:
    """Asked like pynet; ``away`` is an error that every question gets, and ``asked`` the verbs of all questions."""

    def __init__(self, networks: int = 200, each: int = 10) -> None:
        self.store, self.asked = CountingStore(), list[str]()
        self.away: PynetError | None = None
        self.findings: list[dict[str, str]] = []
        self.started: dict[str, str] = {}  # names of further containers by endpoint id
        self._networks, self._each = networks, each
        for number in range(networks):
            made = [endpoint(number, place) for place in range(each)]
            self.store.transact(Put(network(number)), *map(Put, made))
        self.names = Names(self.known)
        self.names.expect()
        self.names.look()
        self.busy = GrowingStatistics()
        self.overview = Overview(self.store, self.names, self.busy, lambda: 2.0 * self.busy.looks)

    def known(self) -> Known:
        """Return the names that the engine tells."""
        labels = {identity(1, number): network_name(number) for number in range(self._networks)}
        places = ((number, place) for number in range(self._networks) for place in range(self._each))
        return Known(labels, {endpoint(*at).id: container_name(*at) for at in places} | self.started)

    def rename(self, number: int, place: int, name: str) -> None:
        """Let the engine tell another name of a container."""
        self.started[endpoint(number, place).id] = name
        self.names.expect()
        self.names.look()

    def __call__(self, verb: str, cursor: str) -> Mapping[str, Any]:
        """Answer a question of the page."""
        self.asked.append(verb)
        if self.away:
            raise self.away
        answers: Mapping[str, Callable[[], Mapping[str, Any]]] = {
            "Overview": lambda: {"Overview": self.overview.since(cursor)},
            "Status": lambda: {"Failing": [], "Drops": [{"Network": identity(1, 0), "Reason": "mac", "Frames": 12}]},
            "Drops": lambda: {"Drops": [drop()]},
            "ClusterStatus": lambda: {"Cluster": cluster(self._networks)},
            "Look": lambda: {"Repairs": self.findings},
        }
        return answers[verb]()


def network_name(number: int) -> str:
    """Return a name as Compose makes it."""
    return f"{PROJECTS[number % len(PROJECTS)]}{number // len(PROJECTS) or ''}_default"


def container_name(number: int, place: int) -> str:
    """Return a name as Compose makes it."""
    return f"{network_name(number).removesuffix('_default')}-{TIERS[place % len(TIERS)]}-{place // len(TIERS) + 1}"


def network(number: int) -> Network:
    """Return a network; every fourth one is shared by hosts, and some have options."""
    base = int(IPv4Address("172.16.0.0")) + number * 256
    pool = IPv4Network((base, 24))
    name, shared = identity(1, number), number % 4 == 3
    options = {"pynet.rate_in": "100mbit"} if number % 5 == 0 else {}
    return Network(
        name,
        "overlay" if shared else "bridge",
        f"pn-{name[:SHORT]}",
        internal=number % 7 == 6,
        subnets=(NetworkSubnet(pool, IPv4Interface((base + 1, 24))),),
        options=options | ({"pynet.guard": "on"} if number % 3 == 0 else {}),
        overlay=Overlay(network_name(number), 4096 + number, 4789, 1450) if shared else None,
    )


def endpoint(number: int, place: int) -> Endpoint:
    """Return an endpoint; the first one of a network has published ports, and some have limits and a policy."""
    address = int(IPv4Address("172.16.0.0")) + number * 256 + place + 2
    host = 8000 + number
    published = [Published(6, 80, IPv4Address(address), IPv4Address("0.0.0.0"), host)] if place == 0 else []
    published += [Published(6, 443, IPv4Address(address), IPv4Address("127.0.0.1"), host + 1000)] if place == 0 else []
    options = {"pynet.rate_out": "10mbit", "pynet.group": "front"} if place == 1 else {}
    return Endpoint(
        identity(2, number * 1000 + place),
        identity(1, number),
        f"02:42:ac:{number:02x}:00:{place % 256:02x}",
        IPv4Interface((address, 24)),
        IPv6Interface(f"fd00:{number:x}::{place + 2:x}/64") if place % 2 else None,
        options,
        tuple(published),
    )


def drop() -> Mapping[str, Any]:
    """Return a drop as the verb Drops tells it, the same as that of Status."""
    ends = [{"Endpoint": endpoint(0, place).id, "Address": "", "Link": ""} for place in (1, 2)]
    return {"Network": identity(1, 0), "Reason": "mac", "From": ends[0], "To": ends[1], "Packets": 12}


def cluster(networks: int) -> Mapping[str, Any]:
    """Return what the verb ClusterStatus says, as far as the page reads it."""
    shared = [{"name": network_name(n), "hosts": list(HOSTS[: 1 + n % 3])} for n in range(networks) if n % 4 == 3]
    return {"hosts": [{"name": host, "alive": host != HOSTS[2]} for host in HOSTS], "networks": shared}
