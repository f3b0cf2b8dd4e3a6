"""A user types the commands of the guide, in order, and sees what the pages say."""

from collections.abc import Iterator

import pytest

from tests.engine.lab.host import ENVIRONMENT, REPOSITORY, Host
from tests.engine.lab.outside import LINK, OUTSIDE4, Outside
from tests.engine.lab.service import Pynet
from tests.engine.lab.shell import CommandFailed
from tests.pages import ENGINE, GUIDE, blocks, prints

INTERNET = "1.1.1.1"  # as the pages have it: the first address that everybody pings
PATH = f"{ENVIRONMENT['PATH']}:{REPOSITORY / '.venv/bin'}"
WEB = "docker network create --driver pynet web; "
NO_WEB = "docker network rm web; "
LAN = "docker network create --driver pynet --subnet {} lan; docker run -d --name {} --cap-add ALL --net lan busybox; "
NO_LAN = "docker rm -f {}; docker network rm lan; "
WALL = "nft 'add table inet mine; add chain inet mine forward {{ type filter hook {} priority 5; policy {}; }}'; "
NO_WALL = "nft delete table inet mine; "
VPN = "ip link add vpn0 type veth peer name vpn1; ip link set vpn0 up; ip link set vpn1 up; ip route add {} dev vpn0"
ELSEWHERE = "for net in 172.16.0.0/12 192.168.0.0/16; do ip route {} $net dev out0; done"
SITE = "docker run -d --name site --net web -p 8080:80 busybox; "
SERVER = "python3 -m http.server 8081 >/dev/null 2>&1 & echo $! >/run/server"
SMALL = "docker network create --driver pynet --subnet 10.7.0.0/30 small; docker run -d --name full --net small busybox"
DEAF = "docker run -d --name app --net web -p 8080:80 busybox httpd -f -p 127.0.0.1:80"
HOLE = "nft add rule inet mine forward oifname out0 meta length '>' 1400 drop"
FIRST = "docker network create --driver pynet --subnet 10.50.0.0/16 first"
PAIR = "".join(
    f"docker network create -d pynet {net}; docker run -d --name {name} --net {net} busybox; "
    for net, name in (("blue", "web"), ("green", "db"))
)
TROUBLES = {  # section of the page: what breaks the host, and what mends it
    "port-is-already-allocated": (WEB + SITE + SERVER, f"kill $(cat /run/server); docker rm -f site; {NO_WEB}"),
    "no-address-for-a-container": (SMALL, "docker rm -f full; docker network rm small"),
    "no-subnet-for-a-network": (ELSEWHERE.format("add"), ELSEWHERE.format("del")),
    "a-subnet-overlaps": (FIRST, "docker network rm first"),
    "a-connection-does-not-pass": (PAIR, "docker rm -f web db; docker network rm blue green"),
    "a-container-cannot-reach-the-outside": (WEB + WALL.format("forward", "drop"), NO_WALL + NO_WEB),
    "a-firewall-of-the-host": (WEB + WALL.format("forward", "drop"), NO_WALL + NO_WEB),
    "a-published-port-cannot-be-reached": (WEB + DEAF, f"docker rm -f app; {NO_WEB}"),
    "a-vpn-takes-the-subnet": (
        LAN.format("10.60.0.0/24", "site") + VPN.format("10.60.0.0/28"),
        f"ip link del vpn0; {NO_LAN.format('site')}",
    ),
    "names-do-not-resolve": (f"{WEB} docker run -d --name one --net web busybox", f"docker rm -f one; {NO_WEB}"),
    "large-packets-get-lost": (WEB + WALL.format("postrouting", "accept") + HOLE, NO_WALL + NO_WEB),
    "neighbours-do-not-reach-each-other": (LAN.format("10.70.0.0/24", "router"), NO_LAN.format("router")),
}
EVERYTHING = "docker ps -aq; docker network ls -q"
TROUBLESHOOTING = GUIDE / "troubleshooting.md"
SINGLE = (
    "start",
    "ports",
    "ipv6",
    "isolation",
    "limits",
    "policy",
    "changes",
    "many-networks",
    "names",
    "from-bridge",
    "install",
    "metrics",
    "dropped",
)


@pytest.fixture(autouse=True)
def tidy(host: Host) -> Iterator[None]:
    """A page takes away what it made; one that fails half-way leaves nothing to others."""
    before = typed(host, EVERYTHING)
    yield
    left = [word for word in typed(host, EVERYTHING).split() if word not in before]
    for word in left:
        typed(host, f"docker rm -f {word}; docker network rm {word}", fails=True)
    assert left == []


@pytest.fixture(scope="module")
def sound(host: Host, pynet: Pynet, outside: Outside) -> Iterator[None]:
    """A host in which the doctor finds nothing, whatever other tests did: pynet forgets its repairs at a start.

    The outside has an address of the internet, and the host a default route to it.
    """
    outside.exec("ip", "address", "replace", f"{INTERNET}/32", "dev", "lo")
    host.net("ip", "route", "add", "default", "via", OUTSIDE4, "dev", LINK)
    routers = host.net("sysctl", "-n", f"net.ipv6.conf.{LINK}.accept_ra")
    host.net("sysctl", "-qw", f"net.ipv6.conf.{LINK}.accept_ra=2")
    pynet.restart()
    yield
    host.net("sysctl", "-qw", f"net.ipv6.conf.{LINK}.accept_ra={routers}")
    host.net("ip", "route", "del", "default")


def typed(host: Host, commands: str, *, fails: bool = False) -> str:
    """Type commands into a shell of the host; return both outputs. ``fails`` is whether one may fail."""
    try:
        script = f"set {'+e' if fails else '-e'}; exec 2>&1\n{commands}"
        return host.exec("env", f"PATH={PATH}", "bash", "-c", script)
    except CommandFailed as failure:
        if not fails:
            failure.add_note(failure.stdout)
            raise
        return failure.stdout


def play(host: Host, page: str, section: str = "") -> None:
    """Type the blocks of a page or of a section, and compare what is printed with what the page says."""
    for block in blocks(GUIDE / f"{page}.md"):
        if block.player == ENGINE and section in ("", block.section):
            printed = typed(host, block.commands, fails=bool(block.output))
            assert not block.output or prints(block.output, printed), f"{block.commands}printed:\n{printed}"


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("page", SINGLE)
def test_a_page_is_true(host: Host, page: str) -> None:
    """Each command works and prints what the page says."""
    if page != "start" and not host.engine.at_least_28:
        pytest.skip("the pages have the words of Engine 28")
    play(host, page)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("section", dict.fromkeys(block.section for block in blocks(TROUBLESHOOTING)))
def test_a_trouble_looks_as_the_page_says_and_its_cure_works(host: Host, pynet: Pynet, section: str) -> None:
    """On a host that is broken like that, the commands print what the page says, and those of the cure succeed."""
    if not host.engine.at_least_28:
        pytest.skip("the page has the words of Engine 28")
    breaks, mends = TROUBLES.get(section, ("", ""))
    if section == "docker-hangs":
        pynet.stop()
    typed(host, breaks)
    try:
        play(host, "troubleshooting", section)
    finally:
        typed(host, mends, fails=True)
        if section == "docker-hangs":
            pynet.start()
