"""The pictures of the documents; ``make lint`` draws them into docs/pictures."""

from pathlib import Path

from tools.site import terminal
from tools.site.drawing import Arrow, Box, Note, Picture

FOLDER = Path(__file__).parents[2] / "docs/pictures"
TRANSCRIPT = FOLDER / "first-run.txt"  # tools/site/first_run.py writes it

ARCHITECTURE = Picture(
    title="Who talks to whom",
    description=(
        "Docker and Compose call Docker Engine, which calls pynet on a unix socket; so does the command pynet. "
        "pynet is one process: handlers translate, plugin decides, netlink speaks to the kernel. It keeps its records "
        "in SQLite and, for networks over many hosts, in a cluster store. The kernel carries all packets between "
        "containers, the host and the outside; none of them passes through pynet."
    ),
    height=560,
    shapes=(
        Box(20, 20, 190, 60, "docker, Compose", ("what users type",)),
        Box(265, 20, 190, 60, "Docker Engine", ("dockerd",), "docker"),
        Box(510, 20, 190, 60, "pynet, docker pynet", ("status, ports, doctor …",), "pynet"),
        Arrow(((210, 50), (261, 50))),
        Arrow(((345, 80), (345, 126), (270, 126), (270, 173))),
        Arrow(((605, 80), (605, 126), (345, 126)), "dashed"),
        Note(355, 117, "unix sockets, JSON over HTTP"),
        Box(190, 140, 510, 170, "pynet", (), "frame"),
        Box(205, 177, 130, 60, "handlers/", ("translates",), "pynet"),
        Box(365, 177, 150, 60, "plugin/", ("decides, undoes",), "pynet"),
        Box(545, 177, 140, 60, "netlink/", ("asks the kernel",), "pynet"),
        Arrow(((335, 207), (361, 207))),
        Arrow(((515, 207), (541, 207))),
        Box(365, 260, 72, 36, "SQLite"),
        Box(443, 260, 72, 36, "repairs", (), "pynet"),
        Arrow(((401, 237), (401, 258)), both=True),
        Arrow(((479, 258), (479, 239)), both=True),
        Arrow(((630, 237), (630, 337))),
        Note(638, 262, "links,"),
        Note(638, 279, "rules"),
        Arrow(((590, 340), (590, 278), (519, 278)), "dashed"),
        Note(524, 270, "changes"),
        Box(20, 250, 140, 56, "etcd, Consul …", ("many hosts only",)),
        Arrow(((160, 278), (350, 278), (350, 222), (361, 222)), "dashed", both=True),
        Box(20, 340, 680, 110, "Linux kernel: carries every packet, also while pynet is away", (), "frame"),
        Box(40, 374, 200, 60, "nftables", ("inet pynet, bridge pynet",), "pynet"),
        Box(260, 374, 200, 60, "bridges and links", ("one for each network,", "two for each container"), "pynet"),
        Box(480, 374, 200, 60, "sockets", ("hold published ports",), "pynet"),
        Box(20, 490, 190, 50, "container", ("eth0",)),
        Box(265, 490, 190, 50, "container", ("eth0",)),
        Box(510, 490, 190, 50, "outside, other hosts"),
        Arrow(((115, 486), (115, 468), (330, 468), (330, 438)), "packet", both=True),
        Arrow(((360, 486), (360, 438)), "packet", both=True),
        Arrow(((605, 486), (605, 468), (390, 468), (390, 438)), "packet", both=True),
    ),
)

_LEFT, _RIGHT, _WIDTH = 24, 384, 320


def _chain(x: int, head: str, stations: list[tuple[str, tuple[str, ...], str]]) -> tuple[Box | Note | Arrow, ...]:
    """Return boxes one below the other, numbered and joined by arrows of packets."""
    shapes: list[Box | Note | Arrow] = [Note(x + _WIDTH // 2, 28, head, "title middle")]
    for number, (title, lines, kind) in enumerate(stations):
        y = 46 + number * 92
        shapes.append(Box(x, y, _WIDTH, 66, title, lines, kind, number + 1))
        if number:
            shapes.append(Arrow(((x + _WIDTH // 2, y - 26), (x + _WIDTH // 2, y - 3)), "packet"))
    return tuple(shapes)


PACKET = Picture(
    title="The life of a packet",
    description=(
        "From outside to a published port: the packet arrives at the host's link; pynet's table translates its "
        "destination by a map; the host routes it to the bridge; pynet's forward chain lets it in because it was "
        "translated; iptables judges next, DOCKER-USER first; the bridge hands it to the container, which sees the "
        "real client. From container to container: the guard compares each frame with the container's own MAC and "
        "address, and the bridge hands it to the neighbour, without routing or translation."
    ),
    height=620,
    shapes=(
        *_chain(
            _LEFT,
            "From outside to a published port",
            [
                ("client 203.0.113.7", ("sends to the host, 192.0.2.10:8080",), "plain"),
                (
                    "inet pynet: prerouting",
                    ("the map of ports translates", "`tcp . 8080 : 172.24.0.2 . 80`"),
                    "pynet",
                ),
                ("inet pynet: forward", ("translated, so it may enter;", "others end here"), "pynet"),
                ("iptables FORWARD", ("your rules in DOCKER-USER, then", "pynet's accept behind them"), "docker"),
                ("bridge pn-…, container's link", ("routed by the kernel, no process",), "pynet"),
                ("container 172.24.0.2:80", ("sees the client's real address",), "plain"),
            ],
        ),
        *_chain(
            _RIGHT,
            "From container to container",
            [
                ("container 172.24.0.2, eth0", ("sends to its neighbour 172.24.0.3",), "plain"),
                ("its link, pnc… and pnh…", ("enters the bridge of the network",), "pynet"),
                (
                    "bridge pynet: the guard",
                    ("its own MAC, its own address?", "Anything else is dropped and counted."),
                    "pynet",
                ),
                ("bridge pn-…", ("has one entry for each MAC: learns", "nothing, sends to one port"), "pynet"),
                ("the neighbour's link", ("enable_icc=false: nothing gets this far",), "pynet"),
                ("container 172.24.0.3, eth0", ("no routing, no translation, no process",), "plain"),
            ],
        ),
        Note(360, 596, "Answers take the same way back; the guard checks them too.", "quiet middle"),
    ),
)

_LANES = {"docker": 90, "pynet": 290, "kernel": 490, "disk": 640}


def _message(y: int, start: str, end: str, text: str) -> tuple[Arrow, Note]:
    left, right = sorted((_LANES[start], _LANES[end]))
    return Arrow(((_LANES[start], y), (_LANES[end], y))), Note((left + right) // 2, y - 8, text, "middle halo")


def _work(y: int, number: int, title: str, line: str) -> Box:
    return Box(_LANES["pynet"] - 125, y, 250, 54, title, (line,), "pynet", number)


REQUEST = Picture(
    title="The life of a request",
    description=(
        "docker network create: the engine posts CreateNetwork on pynet's socket. handlers parse it into a frozen "
        "value or refuse it. plugin takes locks and opens an undo stack, and the mode describes the wanted state. "
        "Rules go to nftables in one transaction, then the bridge is made, set and brought up. The record is flushed "
        "to SQLite before the engine gets its answer. If a step fails, the steps before it are undone in reverse order."
    ),
    height=660,
    shapes=(
        *(Arrow(((x, 62), (x, 580)), "life") for x in _LANES.values()),
        Box(20, 20, 140, 42, "Docker Engine", (), "docker"),
        Box(220, 20, 140, 42, "pynet", (), "pynet"),
        Box(430, 20, 120, 42, "kernel"),
        Box(580, 20, 120, 42, "SQLite"),
        *_message(96, "docker", "pynet", "`POST CreateNetwork`"),
        _work(112, 1, "parse, once, at the edge", "`handlers/schemas/`"),
        _work(186, 2, "locks, deadline, undo stack", "`plugin/driver.py`"),
        _work(260, 3, "describe the wanted state", "`plugin/modes/`"),
        *_message(350, "pynet", "kernel", "4  rules: one transaction"),
        *_message(396, "pynet", "kernel", "5  bridge, settings"),
        *_message(442, "pynet", "kernel", "6  addresses, link up"),
        *_message(488, "pynet", "disk", "7  record, flushed to disk"),
        *_message(542, "pynet", "docker", "8  the answer"),
        Box(
            20,
            590,
            680,
            54,
            "A step fails?",
            ("The steps before it are undone in reverse order, and docker shows why.",),
        ),
    ),
)

PICTURES = {"architecture": ARCHITECTURE, "packet": PACKET, "request": REQUEST}


def files() -> dict[str, str]:
    """Return the text of every picture, by the name of its file."""
    recorded = TRANSCRIPT.read_text()
    first_run = terminal.drawn(recorded, "A first run", f"What a terminal showed:\n{recorded}")
    return {f"{name}.svg": picture.svg() for name, picture in PICTURES.items()} | {"first-run.svg": first_run}


def main() -> None:
    """Draw every picture."""
    for name, text in files().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
