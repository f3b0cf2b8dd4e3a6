"""A LAN made of namespaces: a switch, a router with a second subnet behind it, a second host, and DHCP servers.

The namespace of the test is the Docker host; its link ``eth0`` is plugged into the switch, up and without an address.
The fixture ``lan`` of ``conftest.py`` makes a site and ends it.

    192.168.50.0/24, fd00:50::/64: router .1, neighbour .9, and the host's eth0
    192.168.60.0/24, fd00:60::/64: router .1, remote .9
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from tests.kernel.container import Container, sh

UPLINK, ROUTER, NEIGHBOUR, REMOTE = "eth0", "192.168.50.1", "192.168.50.9", "192.168.60.9"
POOL = ("192.168.50.100", "192.168.50.199")
PATIENCE = 10.0  # seconds
DNSMASQ = ("dnsmasq", "-k", "-C", "/dev/null", "-p", "0", "--user=root", "--pid-file=", "--log-facility=/dev/null")
UDHCPD = """interface {link}
start {first}
end {last}
max_leases 254
lease_file {leases}
pidfile {folder}/udhcpd.pid
auto_time 1
opt subnet 255.255.255.0
opt router {router}
opt lease {seconds}
"""
DHCPD = """default-lease-time {seconds};
max-lease-time {seconds};
min-lease-time {seconds};
authoritative;
ping-check {ping};
subnet {server_net}.0 netmask 255.255.255.0 {{ }}
subnet {net}.0 netmask 255.255.255.0 {{
    range {first} {last};
    option routers {router};
    option domain-name-servers {router};
}}
"""


class Given(NamedTuple):
    """A line of a server's leases; ``name`` is the host's name, "" without one."""

    mac: str
    name: str


def ip(*lines: str) -> str:
    """Join lines for one process of iproute2, which ends with the first that fails, into a shell command."""
    words = "".join(f"{line}\\n" for line in lines)
    return f'printf "{words}" | ip -batch -'


class Machine(Container):
    """A host of the LAN, with a link ``eth0`` in a switch; ``sh`` and ``reaches`` act from there."""

    def __init__(self, switch: Container, port: str, *addresses: str) -> None:
        super().__init__()
        plug = f"link add {port} type veth peer name eth0 netns {self.pid}", f"link set {port} master sw0 up"
        switch.sh(ip(*plug))
        given = [f"addr add {address} dev eth0{' nodad' if ':' in address else ''}" for address in addresses]
        lines = ip("link set lo up", *given, "link set eth0 up")
        self.sh(f"sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 && {lines}")

    @property
    def mac(self) -> str:
        """The MAC of its link."""
        return self.sh("ip -o link show eth0").partition("link/ether ")[2].split()[0]

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """Start a program in the namespace of the machine."""
        place = ["nsenter", "-n", "-t", str(self.pid), "--"]
        return subprocess.Popen([*place, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class DhcpServer:
    """A running DHCP server of a machine; ``stop`` and ``start`` keep its leases, as a server that was away does."""

    def __init__(self, machine: Machine, command: Sequence[str], leases: Path) -> None:
        self._machine, self._command, self._leases = machine, command, leases
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self, *more: str) -> None:
        """Start it, with more words in its command, and return when it listens."""
        self._process = self._machine.start(*self._command, *more)
        until(self._listens)

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            assert self._process.stderr is not None
            raise AssertionError(self._process.stderr.read().decode())
        return f"pid={self._process.pid}," in self._machine.sh("ss -Hulnp sport = :67")

    def stop(self) -> None:
        """End it; nobody answers on its port then."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def leases(self) -> dict[str, Given]:
        """Return the addresses that are given away, as dnsmasq and dhcpd write them into their files."""
        text = self._leases.read_text()
        return _dhcpd_leases(text) if "lease {" in text or "authoring-byte-order" in text else _dnsmasq_leases(text)


def _dnsmasq_leases(text: str) -> dict[str, Given]:
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("duid")]
    return {row[2]: Given(row[1], "" if row[3] == "*" else row[3]) for row in rows}


def _dhcpd_leases(text: str) -> dict[str, Given]:
    found: dict[str, Given] = {}
    for part in text.split("\nlease ")[1:]:
        words = part.split("}")[0].replace(";", " ").split()
        given = Given(_after(words, "ethernet"), _after(words, "client-hostname").strip('"'))
        found.pop(words[0], None)  # a later part about an address is the newer
        if _after(words, "state") == "active":
            found[words[0]] = given
    return found


def _after(words: Sequence[str], word: str) -> str:
    return words[words.index(word) + 1] if word in words else ""


class LanSite:
    """The LAN; machines and servers that it makes end with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[DhcpServer] = []
        self._switch, self._far_switch = Container(), Container()
        self._machines: list[Machine] = []
        sh(ip(f"link add {UPLINK} type veth peer name host netns {self._switch.pid}", f"link set {UPLINK} up"))
        make = "link add sw0 type bridge mcast_snooping 0", "link set sw0 up"
        self._switch.sh(ip(*make, "link set host master sw0 up"))
        self._far_switch.sh(ip(*make))
        self.router = self._plug(self._switch, f"{ROUTER}/24", "fd00:50::1/64")
        self.neighbour = self._plug(self._switch, f"{NEIGHBOUR}/24", "fd00:50::9/64")
        self.remote = self._plug(self._far_switch, f"{REMOTE}/24", "fd00:60::9/64")
        self._join_subnets()
        for switch in (self._switch, self._far_switch):
            forwards(switch)

    def _join_subnets(self) -> None:
        plug = f"link add router type veth peer name far0 netns {self.router.pid}", "link set router master sw0 up"
        self._far_switch.sh(ip(*plug))
        far = "addr add 192.168.60.1/24 dev far0", "addr add fd00:60::1/64 dev far0 nodad", "link set far0 up"
        self.router.sh(f"{ip(*far)} && sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        for machine, net in ((self.neighbour, "50"), (self.remote, "60")):
            machine.sh(ip(f"route add default via 192.168.{net}.1", f"route add default via fd00:{net}::1"))

    def _plug(self, switch: Container, *addresses: str) -> Machine:
        machine = Machine(switch, f"port{len(self._machines)}", *addresses)
        self._machines.append(machine)
        return machine

    def machine(self, *addresses: str) -> Machine:
        """Plug another machine into the LAN, with these addresses ("192.168.50.7/24")."""
        machine = self._plug(self._switch, *addresses)
        forwards(self._switch)
        return machine

    def unplug(self) -> None:
        """Pull the cable of the host; ``plug`` puts it back."""
        self._switch.sh("ip link set host down")

    def plug(self) -> None:
        """Put the cable of the host back."""
        self._switch.sh("ip link set host up")

    def dnsmasq(
        self, *more: str, machine: Machine | None = None, pool: tuple[str, str] = POOL, seconds: int = 120
    ) -> DhcpServer:
        """Start dnsmasq on ``machine`` (the router), with ``more`` words; its least lease has 120 s."""
        machine = machine or self.router
        leases = self._folder / f"dnsmasq{len(self._servers)}.leases"
        leases.touch()
        own = f"--dhcp-leasefile={leases}", f"--dhcp-range={pool[0]},{pool[1]},255.255.255.0,{seconds}"
        manner = "--no-ping", "--bind-interfaces", "--dhcp-authoritative", "-i", "eth0"
        return self._serve(machine, (*DNSMASQ, *manner, *own, *more), leases)

    def on_vlan(self, number: int) -> Machine:
        """Return a new machine whose eth0 is in a VLAN of the LAN, with 192.168.50.1 there."""
        machine = self.machine()
        machine.sh("ip link set eth0 down; ip link set eth0 name trunk; ip link set trunk up")
        machine.sh(f"ip link add link trunk name eth0 type vlan id {number}; ip addr add {ROUTER}/24 dev eth0")
        machine.sh("ip link set eth0 up")
        return machine

    def udhcpd(self, pool: tuple[str, str] = POOL, seconds: int = 120) -> DhcpServer:
        """Start busybox's udhcpd on the router; ``leases`` cannot read its file."""
        leases, config = self._folder / "udhcpd.leases", self._folder / "udhcpd.conf"
        leases.touch()
        words = {"link": "eth0", "first": pool[0], "last": pool[1], "router": ROUTER}
        config.write_text(UDHCPD.format(**words, leases=leases, folder=self._folder, seconds=seconds))
        return self._serve(self.router, ("busybox", "udhcpd", "-f", str(config)), leases)

    def dhcpd(
        self, machine: Machine | None = None, pool: tuple[str, str] = POOL, seconds: int = 120, *, ping: bool = False
    ) -> DhcpServer:
        """Start ISC's dhcpd on ``machine`` (the router); with ``ping`` it offers an address only after a second."""
        machine = machine or self.router
        number = len(self._servers)
        leases, config = self._folder / f"dhcpd{number}.leases", self._folder / f"dhcpd{number}.conf"
        leases.touch()
        nets = {"net": "192.168.50", "server_net": "192.168.60", "first": pool[0], "last": pool[1], "router": ROUTER}
        config.write_text(DHCPD.format(**nets, seconds=seconds, ping="true" if ping else "false"))
        files = "-cf", str(config), "-lf", str(leases), "-pf", str(self._folder / f"dhcpd{number}.pid")
        return self._serve(machine, ("dhcpd", "-4", "-f", "-q", *files, "eth0"), leases)

    def relay(self, server: str = REMOTE) -> DhcpServer:
        """Let the router relay DHCP of the LAN to the server ``server`` of its other subnet."""
        return self._serve(self.router, (*DNSMASQ, f"--dhcp-relay={ROUTER},{server}"), self._folder / "none")

    def advertise(self) -> DhcpServer:
        """Let the router send router advertisements, with which hosts make addresses of fd00:50::/64 (SLAAC)."""
        ranges = "--enable-ra", "--dhcp-range=fd00:50::,ra-only", "--ra-param=eth0,4,60", "-i", "eth0"
        return self._serve(self.router, (*DNSMASQ, *ranges, "--dhcp-range=192.168.50.0,static"), self._folder / "none")

    def _serve(self, machine: Machine, command: Sequence[str], leases: Path) -> DhcpServer:
        server = DhcpServer(machine, command, leases)
        self._servers.append(server)
        return server

    def end(self) -> None:
        """End servers and machines; their links go with them."""
        for server in self._servers:
            server.stop()
        for machine in (*self._machines, self._far_switch, self._switch):
            machine.end()


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def forwards(switch: Container) -> None:
    """Wait until all ports of a switch forward: the kernel sees carriers some time later (net/core/link_watch.c)."""
    until(lambda: "state disabled" not in switch.sh("bridge link show"))


def in_pool(address: IPv4Address, pool: tuple[str, str] = POOL) -> bool:
    """Return whether a server with ``pool`` may have given this address."""
    return IPv4Address(pool[0]) <= address <= IPv4Address(pool[1])
