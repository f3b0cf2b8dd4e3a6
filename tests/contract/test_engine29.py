"""What Docker Engine 29 sends where older ones send something else, written from its source (docs/engines.md).

No such engine is in the archives that the other rings take theirs from; every request is held against ``spec/`` here.
"""

import json
from ipaddress import ip_address
from typing import Any

import pytest

from plugin.protocol.change_messages import ReserveAddress
from tests.contract.conftest import Service
from tests.contract.contract import validator

NETWORK = "a1" * 32
SANDBOX = "/var/run/docker/netns/0123456789ab"
NAME = "com.docker.network.endpoint.name"
PORTS, EXPOSED = "com.docker.network.portmap", "com.docker.network.endpoint.exposedports"
PORT = {"Proto": 6, "IP": "", "Port": 80, "HostIP": "", "HostPort": 8080, "HostPortEnd": 8080}
OPTIONS = {PORTS: [PORT], EXPOSED: [{"Proto": 6, "Port": 80}]}
ON_IPV4, ON_IPV6 = (6, "0.0.0.0", 8080), (6, "::", 8080)


class Engine:
    """Speaks for an engine; a request that the contract does not know is an error of the test."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def tell(self, method: str, **body: Any) -> tuple[int, dict[str, Any]]:
        validator(method, "request").validate(body)
        return self.service.post(method, json.dumps(body) + "\n")

    def ask(self, method: str, **body: Any) -> dict[str, Any]:
        status, reply = self.tell(method, **body)
        assert status == 200, reply
        return reply

    def network(self, *, internal: bool = False) -> None:
        flags = {"enable_ipv4": True, "enable_ipv6": True} | ({"internal": True} if internal else {})
        options: dict[str, Any] = {f"com.docker.network.{key}": value for key, value in flags.items()}
        options["com.docker.network.generic"] = {}
        four = {"AddressSpace": "LocalDefault", "Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}
        six = {"AddressSpace": "LocalDefault", "Pool": "fd00:9::/64", "Gateway": "fd00:9::1/64"}
        self.ask("NetworkDriver.CreateNetwork", NetworkID=NETWORK, Options=options, IPv4Data=[four], IPv6Data=[six])

    def endpoint(self, number: int = 2) -> dict[str, str]:
        """Create an endpoint, and return what names it."""
        ids = {"NetworkID": NETWORK, "EndpointID": f"{number:02x}" * 32}
        addresses = {"Address": f"10.9.0.{number}/24", "AddressIPv6": f"fd00:9::{number}/64", "MacAddress": ""}
        self.ask("NetworkDriver.CreateEndpoint", **ids, Interface=addresses, Options=OPTIONS)
        return ids

    def running(self, number: int = 2) -> dict[str, str]:
        """Start a container that publishes a port."""
        ids = self.endpoint(number)
        self.ask("NetworkDriver.Join", **ids, SandboxKey=SANDBOX, Options=OPTIONS)
        self.ask("NetworkDriver.ProgramExternalConnectivity", **ids, Options=OPTIONS)
        return ids

    @property
    def published(self) -> set[tuple[int, str, int]]:
        """Protocol, host address and port of all that is held."""
        return self.service.world.sockets.taken


@pytest.fixture
def engine(service: Service) -> Engine:
    """An engine before its first network."""
    return Engine(service)


@pytest.mark.parametrize("leaves", [0, 1, 2])
def test_a_failed_join_is_left_up_to_twice(engine: Engine, leaves: int) -> None:
    """Leave once or twice after a Join that failed or never came leaves the host as before."""
    engine.network()
    before = engine.service.world.snapshot()
    ids = engine.endpoint()
    for _ in range(leaves):
        engine.ask("NetworkDriver.Leave", **ids)
    engine.ask("NetworkDriver.DeleteEndpoint", **ids)
    engine.service.world.bury()
    assert engine.service.world.snapshot() == before


def test_leave_withdraws_what_nobody_revoked(engine: Engine) -> None:
    """Leave withdraws ports without a Revoke, as after a restart of the engine with live-restore."""
    engine.network()
    ids = engine.running()
    assert ON_IPV4 in engine.published or ON_IPV6 in engine.published
    engine.ask("NetworkDriver.Leave", **ids)
    assert not engine.published


def test_a_failed_program_is_left_twice_and_not_revoked(engine: Engine) -> None:
    """A Program for a taken port is refused and leaves nothing; the port stays with the first container."""
    engine.network()
    engine.running(2)
    held = set(engine.published)
    ids = engine.endpoint(3)
    engine.ask("NetworkDriver.Join", **ids, SandboxKey=SANDBOX.replace("0", "f"), Options=OPTIONS)
    status, reply = engine.tell("NetworkDriver.ProgramExternalConnectivity", **ids, Options=OPTIONS)
    assert (status, "already allocated" in reply["Err"]) == (500, True)
    for verb in ("Leave", "Leave", "DeleteEndpoint"):
        engine.ask(f"NetworkDriver.{verb}", **ids)
    assert engine.published == held


def test_program_on_an_internal_network_publishes_nothing(engine: Engine) -> None:
    """A Program on an internal network, which 29 may send, publishes nothing."""
    engine.network(internal=True)
    engine.running()
    assert not engine.published


def test_an_internal_network_names_no_gateway(engine: Engine) -> None:
    """An internal network names no gateway, as the engine would install it."""
    engine.network(internal=True)
    reply = engine.ask("NetworkDriver.Join", **engine.endpoint(), SandboxKey=SANDBOX, Options=OPTIONS)
    assert (reply["Gateway"], reply["GatewayIPv6"]) == ("", "")


def test_a_role_that_changes_is_programmed_again(engine: Engine) -> None:
    """A second Program without a Revoke replaces the ports when the role of the network changes."""
    engine.network()
    ids = engine.endpoint()
    engine.ask("NetworkDriver.Join", **ids, SandboxKey=SANDBOX, Options=OPTIONS)
    elsewhere = {**OPTIONS, "com.docker.network.driver.private.no_proxy_6to4": True}
    engine.ask("NetworkDriver.ProgramExternalConnectivity", **ids, Options=elsewhere)
    assert engine.published == {ON_IPV4}
    engine.ask("NetworkDriver.ProgramExternalConnectivity", **ids, Options=OPTIONS)
    assert ON_IPV6 in engine.published
    engine.ask("NetworkDriver.ProgramExternalConnectivity", **ids, Options=elsewhere)
    assert engine.published == {ON_IPV4}


def test_an_unpublished_port_is_gone_after_a_second_program(engine: Engine) -> None:
    """A second Program names all ports to publish, so a missing port is withdrawn."""
    engine.network()
    ids = engine.running()
    engine.ask("NetworkDriver.ProgramExternalConnectivity", **ids, Options={**OPTIONS, PORTS: []})
    assert not engine.published


def pool(engine: Engine, **options: str) -> str:
    """Request a pool of pynet's address manager."""
    request = {"AddressSpace": "pynet-local", "Pool": "10.9.0.0/24", "SubPool": "", "V6": False}
    return str(engine.ask("IpamDriver.RequestPool", **request, Options=options or None)["PoolID"])


def test_the_name_tells_who_has_an_address(engine: Engine) -> None:
    """The refusal of a taken address names the container that has it."""
    given = pool(engine)
    request = {"PoolID": given, "Address": "10.9.0.9"}
    engine.ask("IpamDriver.RequestAddress", **request, Options={NAME: "web"})
    _, reply = engine.tell("IpamDriver.RequestAddress", **request, Options={NAME: "db"})
    assert "already in use in pool '10.9.0.0/24' by 'web'" in reply["Error"]


@pytest.mark.parametrize("by", ["ipam-opt", "o"])
def test_a_container_made_again_keeps_address_and_mac(engine: Engine, by: str) -> None:
    """With ``pynet.sticky=name`` for either driver, and another container in between."""
    wish = {"pynet.sticky": "name"}
    given = pool(engine, **(wish if by == "ipam-opt" else {}))
    four = {"AddressSpace": "pynet-local", "Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}
    generic = {"com.docker.network.generic": wish if by == "o" else {}}
    engine.ask("NetworkDriver.CreateNetwork", NetworkID=NETWORK, Options=generic, IPv4Data=[four], IPv6Data=[])

    def started(name: str, number: int) -> tuple[str, str]:
        ids = {"NetworkID": NETWORK, "EndpointID": f"{number:02x}" * 32}
        address = engine.ask("IpamDriver.RequestAddress", PoolID=given, Address="", Options={NAME: name})["Address"]
        addresses = {"Address": address, "AddressIPv6": "", "MacAddress": ""}
        reply = engine.ask("NetworkDriver.CreateEndpoint", **ids, Interface=addresses, Options={})
        return address, reply["Interface"]["MacAddress"]

    before = started("web", 1)
    engine.ask("NetworkDriver.DeleteEndpoint", NetworkID=NETWORK, EndpointID="01" * 32)
    engine.ask("IpamDriver.ReleaseAddress", PoolID=given, Address=before[0].partition("/")[0])
    assert started("db", 2) != before
    assert started("web", 3) == before


def test_names_of_another_address_manager_cannot_be_kept(engine: Engine) -> None:
    """``sticky`` with Docker's address manager, which tells no names, is refused with the missing option."""
    four = {"AddressSpace": "LocalDefault", "Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}
    options = {"com.docker.network.generic": {"pynet.sticky": "name"}}
    status, reply = engine.tell("NetworkDriver.CreateNetwork", NetworkID=NETWORK, Options=options, IPv4Data=[four])
    assert (status, "add --ipam-driver pynet" in reply["Err"]) == (400, True)


def test_a_reserved_address_is_for_the_container_of_its_name(engine: Engine) -> None:
    """Engine 29 names the container in its request, which gets the reserved address; others get another one or none."""
    given = pool(engine)
    four = {"AddressSpace": "pynet-local", "Pool": "10.9.0.0/24", "Gateway": "10.9.0.1/24"}
    engine.ask("NetworkDriver.CreateNetwork", NetworkID=NETWORK, Options={}, IPv4Data=[four], IPv6Data=[])
    engine.service.world.live.reserve_address(ReserveAddress(NETWORK, "web", ip_address("10.9.0.2")))

    def request(name: str, address: str = "") -> dict[str, Any]:
        return engine.tell("IpamDriver.RequestAddress", PoolID=given, Address=address, Options={NAME: name})[1]

    assert "reserved" in request("db", "10.9.0.2")["Error"]
    assert request("db")["Address"] != "10.9.0.2/24"
    assert request("web")["Address"] == "10.9.0.2/24"
    engine.ask("IpamDriver.ReleaseAddress", PoolID=given, Address="10.9.0.2")
    assert request("app")["Address"] != "10.9.0.2/24"
    assert request("web", "10.9.0.2")["Address"] == "10.9.0.2/24"
