"""The world outside a throw-away host: a network namespace behind a veth pair, with an echo that tells whom it saw."""

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.bare import PYTHON
from tests.engine.lab.host import Host
from tests.engine.lab.shell import run

LINK = "out0"  # in the host; its other end is eth0 of the outside
HOST4, HOST6 = "198.51.100.1", "2001:db8:99::1"
OUTSIDE4, OUTSIDE6 = "198.51.100.2", "2001:db8:99::2"
OTHER = "out1"
OTHER_HOST4, OTHER_HOST6 = "203.0.113.1", "2001:db8:77::1"
OTHER4, OTHER6 = "203.0.113.2", "2001:db8:77::2"
LINK_LOCAL = "fe80::1/64"
PORT = 7777
_LENGTH = {"-4": "/24", "-6": "/64"}


class Outside(AbstractContextManager["Outside"]):
    """Machines beyond ``host``; they know no way back to container subnets unless ``route`` is called.

    ``second`` are those behind another link, OTHER, with other addresses.
    """

    def __init__(self, host: Host, *, second: bool = False) -> None:
        self._host = host
        self._link = OTHER if second else LINK
        self._gateways = (OTHER_HOST4, OTHER_HOST6) if second else (HOST4, HOST6)
        own4, own6 = (OTHER4, OTHER6) if second else (OUTSIDE4, OUTSIDE6)
        self._echo = subprocess.Popen(
            ["unshare", "-n", *PYTHON, str(Path(__file__).with_name("echo.py")), str(PORT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._echo.stdout is not None
        assert self._echo.stdout.readline() == b"ready\n"
        host.net("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", str(self._echo.pid))
        for family, address in zip(("-4", "-6"), self._gateways, strict=True):
            host.net("ip", family, "address", "add", address + _LENGTH[family], "dev", self._link, *_nodad(family))
        # The kernel's link-local addresses come seconds later: a snapshot would take them for something left behind.
        host.net("ip", "link", "set", self._link, "addrgenmode", "none", "up")
        # A router without one asks for no neighbour when it forwards (ndisc_send_ns in net/ipv6/ndisc.c).
        host.net("ip", "address", "add", LINK_LOCAL, "dev", self._link, "nodad")
        self.exec("ip", "link", "set", "lo", "up")
        for family, address in (("-4", own4), ("-6", own6)):
            self.exec("ip", family, "address", "add", address + _LENGTH[family], "dev", "eth0", *_nodad(family))
        self.exec("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=0")  # it may be a router itself
        self.exec("ip", "link", "set", "eth0", "addrgenmode", "none", "up")

    def exec(self, *argv: str) -> str:
        """Run a command of the machine in the outside's network namespace."""
        return run(*self.enter(*argv))

    def enter(self, *argv: str) -> list[str]:
        """Return the words that run a command of the machine in the outside's network namespace."""
        return ["nsenter", "-t", str(self._echo.pid), "-n", "--", *argv]

    def route(self, subnet: str) -> None:
        """Give the outside a way to a container subnet through the host, until ``unroute``."""
        self.exec("ip", "route", "replace", subnet, "via", self._gateways[":" in subnet])

    def unroute(self, subnet: str) -> None:
        """Take that way away."""
        self.exec("ip", "route", "del", subnet)

    def close(self) -> None:
        """End the outside; its link in the host goes with it."""
        assert self._echo.stdin is not None
        assert self._echo.stdout is not None
        self._host.net("ip", "link", "del", self._link)
        self._echo.stdin.close()
        self._echo.wait(10)
        self._echo.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _nodad(family: str) -> tuple[str, ...]:
    return ("nodad",) if family == "-6" else ()
