"""The stages of the table of frames: a bridge, and an overlay network from its inside and from another host."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from plugin.model.names import host_link_name, vxlan_name
from plugin.store.memory import MemoryStore
from tests.kernel.container import Container, sh
from tests.kernel.hosts import OverlayHost, soon
from tests.kernel.namespaces import Elsewhere
from tests.kernel.pynet import Pynet
from tests.kernel.wire.ends import Ends, Station, station
from tests.kernel.wire.learned import learned, settled
from tests.kernel.wire.play import Cast, Run, play, start, within
from tests.kernel.wire.scene import Played, Scene
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

DUAL = ("10.9.0.1/24", "fd00:9::1/64")
NETWORK, BRIDGE, TUNNEL = rq.NETWORK_ID, f"pn-{rq.NETWORK_ID[:12]}", vxlan_name(rq.NETWORK_ID)
VICTIM, SENDER, OTHER = 2, 3, 4  # ends of the addresses of three containers
PORT = host_link_name("03" * 32)
Sh = Callable[[str], str]
Boxes = Mapping[int, Container]


def someone(number: int, mac: str = "") -> Station:
    """Return the station of a container, or of the gateway with its MAC."""
    return station(mac or f"02:42:0a:09:00:{number:02x}", f"10.9.0.{number}", f"fd00:9::{number}")


def ends(run: Sh) -> Ends:
    """Return the stations of three containers, and of the gateway of the host in which ``run`` runs."""
    mac = run(f"ip -br link show dev {BRIDGE}").split()[2]
    return Ends(someone(SENDER), someone(OTHER), someone(1, mac), someone(VICTIM), 0)


def netfilter(run: Sh, *, on: bool) -> None:
    """Turn br_netfilter on or off where ``run`` runs."""
    names = ("iptables", "ip6tables", "arptables")
    run("sysctl -qw " + " ".join(f"net.bridge.bridge-nf-call-{name}={int(on)}" for name in names))


def acquaint(boxes: Boxes) -> None:
    """Let everybody know everybody."""
    for box in boxes.values():
        for number in (1, VICTIM, SENDER, OTHER):
            for address in (f"10.9.0.{number}", f"fd00:9::{number}"):
                assert soon(lambda address=address: box.reaches(address)), address  # type: ignore[misc] # noqa: B023


def perform(scene: Scene, run: Sh, boxes: Boxes, port: tuple[str, Run, Run]) -> Played:
    """Play the table on the host of ``run``; ``port`` is the sender's link, its player, and that of the host."""
    link, send, on_host = port
    names = {VICTIM: "neighbour", OTHER: "other"}
    listeners = [(within(boxes[number].pid), [f"{name}:eth0"]) for number, name in names.items()]
    entrance = PORT if scene.way != "in" else TUNNEL
    listeners.append((on_host, [f"gateway:{BRIDGE}", f"port:{entrance}"]))
    witnesses = [run, *(boxes[number].sh for number in names)]
    assert soon(lambda: all(settled(witness) for witness in witnesses))
    before = [learned(witness) for witness in witnesses]
    parts = ends(run)
    heard: dict[str, set[tuple[str, str]]] = {}
    for kind, to, by in play(Cast(parts, send, link, listeners)):
        heard.setdefault(kind, set()).add((to, by))
    pairs = list(zip(before, [learned(witness) for witness in witnesses], strict=True))
    gone = {fact for old, new in pairs for fact in old - new if fact.table != "neighbour"}
    return Played(scene, parts, heard, {fact for old, new in pairs for fact in new - old}, gone)


@contextmanager
def bridge(scene: Scene) -> Iterator[Played]:
    """Three containers on a bridge, of which one sends."""
    with ExitStack() as stack:
        place = Elsewhere()
        stack.callback(place.end)
        pynet = place.do(Pynet)
        stack.callback(lambda: place.do(pynet.close))
        run: Sh = lambda command: place.do(lambda: sh(command))  # noqa: E731
        run("ip link set lo up")
        netfilter(run, on=scene.netfilter)
        options = {"pynet.guard": "off" if scene.way == "open" else "on"}
        place.do(lambda: pynet.driver.create_network(rq.network(NETWORK, *DUAL, options=options)))
        boxes: dict[int, Container] = {}
        for number in (VICTIM, SENDER, OTHER):
            boxes[number] = Container()
            stack.callback(boxes[number].end)
            place.do(lambda number=number: pynet.attach(boxes[number], NETWORK, number))  # type: ignore[misc]
        acquaint(boxes)
        port = ("eth0", within(boxes[SENDER].pid), lambda words: place.do(lambda: start(words)))
        yield perform(scene, run, boxes, port)


@contextmanager
def two_hosts(scene: Scene) -> Iterator[Played]:
    """An overlay network on two hosts: a container sends to the other host, or that host sends whatever it likes."""
    with ExitStack() as stack:
        place, store = Elsewhere(), MemoryStore()
        stack.callback(place.end)
        stack.callback(store.close)
        place.do(lambda: sh("ip link add sw0 type bridge mcast_snooping 0; ip link set sw0 up"))
        hosts = []
        for number in (1, 2):
            hosts.append(place.do(lambda number=number: OverlayHost(store, number, "192.0.2.", 1500)))  # type: ignore[misc]
            stack.callback(hosts[-1].end)
            netfilter(hosts[-1].sh, on=scene.netfilter)
            hosts[-1].create(overlay(NETWORK, *DUAL))
        first, second = hosts
        away = VICTIM if scene.way == "out" else SENDER
        boxes = {
            number: (second if number == away else first).run(NETWORK, number) for number in (VICTIM, SENDER, OTHER)
        }
        acquaint(boxes)
        second.sh(f"bridge fdb replace {first.mac(NETWORK)} dev {TUNNEL} self dst {first.address}")
        sender: tuple[str, Run] = ("eth0", within(boxes[SENDER].pid))
        if scene.way == "in":
            sender = (TUNNEL, lambda words: second.do(lambda: start(words)))
        yield perform(scene, first.sh, boxes, (*sender, lambda words: first.do(lambda: start(words))))
