"""Addresses by DHCP on a real kernel: a served pynet, containers upon eth0, and a real server on their LAN."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, ip_address, ip_interface
from pathlib import Path
from typing import Any

import pytest

from cli.client.serving import ask
from cli.settings import admin_place
from netlink.container_end import change_container_address
from tests.kernel.container import Container, sh
from tests.kernel.lan_site import NEIGHBOUR, ROUTER, LanSite, until
from tests.kernel.served import Served
from tests.unit import requests as rq

pytestmark = pytest.mark.kernel
NULL = {"AddressSpace": "null", "Pool": "0.0.0.0/0", "Gateway": "0.0.0.0/0"}


class Leaser(Served):
    """A served pynet with a network with DHCP, and the engine's use of its answers."""

    def create(self, mode: str = "macvlan", **options: str) -> None:
        """Make the network upon eth0, or in a bridge of the host that has eth0 as a port."""
        parent = {"macvlan": "eth0", "lan": "br0"}[mode]
        if mode == "lan":
            sh("ip link add br0 type bridge mcast_snooping 0; ip link set eth0 master br0; ip link set br0 up")
        generic = {"pynet.mode": mode, "parent": parent, "pynet.dhcp": "on", **options}
        body = {"Options": {"com.docker.network.generic": generic}, "IPv4Data": [NULL], "IPv6Data": []}
        self.right("NetworkDriver.CreateNetwork", NetworkID=rq.NETWORK_ID, **body)

    def right(self, method: str, **body: Any) -> dict[str, Any]:
        """Send a request that must succeed."""
        reply = self.call(method, **body)
        assert not reply.get("Err"), reply
        return reply

    def run(self, container: Container | None, number: int = 1, **options: str) -> str:
        """Attach a container; return its address, which the engine got from pynet."""
        endpoint = f"{number:064x}"[::-1]
        ids = {"NetworkID": rq.NETWORK_ID, "EndpointID": endpoint}
        generic = {f"pynet.{key}": value for key, value in options.items()}
        reply = self.right("NetworkDriver.CreateEndpoint", **ids, Interface={}, Options=generic)
        address = str(reply["Interface"]["Address"])
        joined = self.right("NetworkDriver.Join", **ids, SandboxKey=f"/run/netns/{number}", Options={})
        routes = [f"ip route add default via {joined['Gateway']}"] if joined["Gateway"] else []
        if container is not None:
            container.take(joined["InterfaceName"]["SrcName"], f"ip addr add {address} dev eth0", *routes)
        return address

    def remove(self, number: int = 1, container: Container | None = None) -> None:
        """Let the container leave, as the engine does; its link goes with its namespace."""
        if container is not None:
            container.sh("ip link delete eth0")
        for verb in ("Leave", "DeleteEndpoint"):
            self.right(f"NetworkDriver.{verb}", NetworkID=rq.NETWORK_ID, EndpointID=f"{number:064x}"[::-1])


@pytest.fixture
def pynet(tmp_path: Path, lan: LanSite) -> Iterator[Leaser]:
    """Return a served pynet on the LAN; it ends with the test."""
    del lan
    served = Leaser(tmp_path)
    served.start()
    yield served
    served.kill()


@pytest.fixture
def container() -> Iterator[Container]:
    """Return a container without a link."""
    made = Container()
    yield made
    made.end()


MODES = pytest.mark.parametrize("mode", ["macvlan", "lan"])


@MODES
def test_a_container_has_an_address_of_the_lan(pynet: Leaser, lan: LanSite, container: Container, mode: str) -> None:
    """The server knows it by name, and it reaches the LAN and beyond by the router that came with the lease."""
    server = lan.dnsmasq()
    pynet.create(mode)
    address = pynet.run(container, hostname="web")

    assert {given.name for given in server.leases().values()} == {"web"}
    assert address in {f"{known}/24" for known in server.leases()}
    assert container.reaches(NEIGHBOUR)
    assert container.reaches("192.168.60.9")
    assert f"default via {ROUTER}" in container.sh("ip route")

    pynet.remove(1, container)
    until(lambda: not server.leases())
    assert pynet.run(None, 2, hostname="web") == address


@MODES
def test_a_lease_outlives_kills_of_pynet(pynet: Leaser, lan: LanSite, container: Container, mode: str) -> None:
    """It is renewed by the process that comes after, and given back by it with the endpoint."""
    server = lan.dhcpd(seconds=10)
    pynet.create(mode)
    address = pynet.run(container)
    for _ in range(2):
        pynet.kill()
        pynet.start()
    lasts = _ends(pynet)
    until(lambda: _ends(pynet) > lasts)

    assert container.reaches(NEIGHBOUR)
    assert pynet.ask("Networks")["Networks"][0]["Endpoints"][0]["IPv4"] == address
    pynet.remove(1, container)
    until(lambda: not server.leases())


def test_a_lease_outlives_the_loss_of_the_store(pynet: Leaser, lan: LanSite, container: Container) -> None:
    """The alias of the port tells its client's name, the guard its address: every server is asked to renew it."""
    server = lan.dhcpd(seconds=60)
    pynet.create("lan")
    pynet.run(container, hostname="web")
    before = _lease(pynet)
    pynet.kill()
    for file in pynet.state.glob("pynet.db*"):
        file.unlink()
    pynet.start()
    until(lambda: _lease(pynet)["Server"] == before["Server"])

    after = _lease(pynet)
    assert {**after, "Ends": 0} == {**before, "Ends": 0}
    pynet.remove(1, container)
    until(lambda: not server.leases())


def _lease(pynet: Leaser) -> dict[str, Any]:
    (end,) = pynet.ask("Networks")["Networks"][0]["Endpoints"]
    return dict(end["Lease"])


def _ends(pynet: Leaser) -> int:
    return int(_lease(pynet)["Ends"])


def test_twenty_containers_at_once_have_an_address_each(pynet: Leaser, lan: LanSite) -> None:
    """No two get one address, and after all are gone the server has none left."""
    server = lan.dnsmasq()
    pynet.create()
    with ThreadPoolExecutor(20) as pool:
        addresses = list(pool.map(lambda number: pynet.run(None, number), range(1, 21)))
        assert len(set(addresses)) == len(server.leases()) == 20
        list(pool.map(pynet.remove, range(1, 21)))

    until(lambda: not server.leases())
    assert "pnc" not in sh("ip link")


def test_no_server_is_a_sentence(pynet: Leaser, lan: LanSite) -> None:
    """The user reads where no server answered; nothing is left, and status tells it too."""
    del lan
    pynet.create(**{"pynet.dhcp_timeout": "2"})
    body = {"NetworkID": rq.NETWORK_ID, "EndpointID": "e1" * 32, "Interface": {}, "Options": {}}

    reply = pynet.call("NetworkDriver.CreateEndpoint", **body)

    assert reply["Err"].startswith(f"get an address by DHCP on 'eth0' for network '{rq.NETWORK_ID[:12]}': ")
    assert pynet.ask("Networks")["Networks"][0]["Endpoints"] == []
    (failing,) = pynet.ask("Status")["Failing"]
    assert failing["Sentence"].endswith("look for the server, and for free addresses in its pool")
    assert "pnc" not in sh("ip link")


def test_a_lease_that_moves_is_carried_out(pynet: Leaser, lan: LanSite, container: Container) -> None:
    """The server comes back with another pool: the container gets the new address and routes while it runs."""
    server = lan.dhcpd(seconds=6)
    pynet.create("lan")
    before = pynet.run(container)
    server.stop()
    lan.dhcpd(pool=("192.168.50.200", "192.168.50.210"), seconds=6)
    until(lambda: _lease(pynet)["Moved"])

    ids = {"NetworkID": rq.NETWORK_ID, "EndpointID": f"{1:064x}"[::-1]}
    taken = ask(admin_place(pynet.socket), "TakeLease", 10, ids)
    new = ip_interface(taken["Address"])
    change_container_address(container.pid, taken["MacAddress"], new, ip_address(taken["Gateway"]), ())

    assert (taken["Before"], new.ip in {IPv4Address(f"192.168.50.{last}") for last in range(200, 211)}) == (
        before,
        True,
    )
    assert container.sh("ip -4 -br address show dev eth0").split()[2:] == [str(new)]
    assert container.reaches("192.168.60.9")
