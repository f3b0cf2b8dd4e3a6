"""A container on several networks publishes each family by the network that has its gateway, as Engine 29 tells it.

The engine is modelled after moby 29.7 (daemon/libnetwork/endpoint.go, sandbox.go, drivers/remote/driver.go).
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import permutations

import pytest

from netlink.errors import KernelError
from plugin.errors import PynetError
from plugin.model.records import Endpoint
from plugin.protocol.messages import EndpointOptions, EndpointRef, Join, PortBinding, ProgramExternalConnectivity
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import restarted

FAMILIES = {"four": (4,), "six": (6,), "both": (4, 6), "more": (4, 6)}
NETWORKS = {name: f"{number:02x}" * 32 for number, name in enumerate(FAMILIES, 1)}
ENDPOINTS = {name: f"e{number}" * 32 for number, name in enumerate(FAMILIES, 1)}
REFERENCES = {name: EndpointRef(NETWORKS[name], ENDPOINTS[name]) for name in FAMILIES}
PLACES = {4: "0.0.0.0", 6: "::"}


@dataclass
class Engine:
    """Speaks for one container of an engine: it tells an endpoint when that one's own role changes, and no other."""

    world: World
    port: int = 8080
    joined: dict[str, int] = field(default_factory=dict)  # priority by network
    roles: dict[str, tuple[bool, bool]] = field(default_factory=dict)

    def gateway(self, version: int) -> str | None:
        """The network of the highest priority; then of the most families, then by name."""
        order = sorted(self.joined, key=lambda name: (-self.joined[name], -len(FAMILIES[name]), name))
        return next((name for name in order if version in FAMILIES[name]), None)

    def tell(self, name: str) -> None:
        """Program or revoke when the role of the endpoint has changed."""
        four, six = self.gateway(4), self.gateway(6)
        role = name == four, name == six
        if role == self.roles.get(name, (False, False)):
            return
        self.roles[name] = role
        if not any(role):
            self.world.driver.revoke_external_connectivity(REFERENCES[name])
            return
        binding = PortBinding(6, 80, host_port=self.port)
        options = EndpointOptions(port_map=(binding,), no_proxy_6to4=six is not None and name != six)
        self.world.driver.program_external_connectivity(
            ProgramExternalConnectivity(NETWORKS[name], ENDPOINTS[name], options)
        )

    def join(self, name: str, priority: int = 0) -> None:
        """The old gateways are told first."""
        number = list(FAMILIES).index(name) + 1
        four = f"10.{number}.0.2/24" if 4 in FAMILIES[name] else None
        six = f"fd00:{number}::2/64" if 6 in FAMILIES[name] else None
        request = replace(rq.endpoint(four, six), network_id=NETWORKS[name], endpoint_id=ENDPOINTS[name])
        self.world.driver.create_endpoint(request)
        self.world.driver.join(Join(request.network_id, request.endpoint_id, "/run/docker/netns/one"))
        before = [self.gateway(4), self.gateway(6)]
        self.joined[name] = priority
        if name in (self.gateway(4), self.gateway(6)):
            for old in dict.fromkeys(old for old in before if old):
                self.tell(old)
        self.tell(name)

    def leave(self, name: str) -> None:
        """What is left is told afterwards."""
        del self.joined[name]
        if self.roles.pop(name, (False, False)) != (False, False):
            self.world.driver.revoke_external_connectivity(REFERENCES[name])
        self.world.driver.leave(REFERENCES[name])
        for new in dict.fromkeys(new for new in (self.gateway(4), self.gateway(6)) if new):
            self.tell(new)
        self.world.driver.delete_endpoint(REFERENCES[name])

    def wanted(self) -> set[tuple[str, str, int]]:
        """Each family leads to its gateway; IPv6 to that of IPv4 where there is none."""
        found = set()
        for version in (4, 6):
            gateway = self.gateway(version) or self.gateway(4)
            if version in FAMILIES.get(gateway or "", ()) or (gateway and version == 6):
                found.add((PLACES[version], str(gateway), self.port))
        return found

    def published(self) -> set[tuple[str, str, int]]:
        """Where the ports of the container are published, and by which network."""
        names = {identity: name for name, identity in NETWORKS.items()}
        records = [item.record for item in self.world.store.list(Endpoint)]
        ports = [(port, names[record.network_id]) for record in records for port in record.published]
        return {(str(port.host), name, port.host_port) for port, name in ports}


def engine_of(world: World) -> Engine:
    """Make the networks."""
    for number, (name, families) in enumerate(FAMILIES.items(), 1):
        gateways = {4: f"10.{number}.0.1/24", 6: f"fd00:{number}::1/64"}
        world.driver.create_network(rq.network(NETWORKS[name], *(gateways[version] for version in families)))
    return Engine(world)


ORDERS = [order for count in (2, 3) for order in permutations(FAMILIES, count)]


@pytest.mark.parametrize("preferred", [None, *FAMILIES])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_every_order_of_joining_and_leaving_publishes_both(
    world: World, order: tuple[str, ...], preferred: str | None
) -> None:
    """After every join and leave, each family is published by the network that has its gateway."""
    engine = engine_of(world)
    for name in order:
        engine.join(name, 10 if name == preferred else 0)
        assert engine.published() == engine.wanted()
    for name in order:
        engine.leave(name)
        assert engine.published() == engine.wanted()
    assert not world.sockets.taken


def test_a_restart_remembers_who_is_of_one_container(world: World) -> None:
    """After a restart, a network that is connected later still takes its family over."""
    engine = engine_of(world)
    engine.join("four")
    engine.world = restarted(world)
    engine.join("six")
    assert engine.published() == engine.wanted()


def test_a_port_that_is_taken_gives_the_family_back(world: World) -> None:
    """If a port of the second network is taken, the first one publishes both families again."""
    engine = engine_of(world)
    engine.join("four")
    world.sockets.taken.add((6, "::", 8081))
    before, engine.port = engine.published(), 8081
    with pytest.raises(PynetError, match=r"8081/tcp on \[::\]:8081: address already in use"):
        engine.join("six")
    assert engine.published() == before
    assert world.sockets.taken == {(6, "0.0.0.0", 8080), (6, "::", 8080), (6, "::", 8081)}


@pytest.mark.parametrize("step", range(1, 12))
def test_whatever_fails_the_container_stays_published(world: World, step: int) -> None:
    """Whatever fails, both families stay published: both by the first network, or each by its own."""
    engine = engine_of(world)
    engine.join("four")
    before = engine.published()
    world.failing_at(step)
    with suppress(PynetError, KernelError):
        engine.join("six")
    world.healed()
    assert engine.published() in (before, engine.wanted())
    assert {(6, "0.0.0.0", 8080), (6, "::", 8080)} >= world.sockets.taken >= {(6, "::", 8080)}


@pytest.mark.parametrize("step", range(1, 8))
def test_what_cannot_be_taken_over_stays_with_nobody(world: World, step: int) -> None:
    """Whatever fails when a network leaves, IPv4 stays published, and no port is held without being published."""
    engine = engine_of(world)
    engine.join("four")
    engine.join("six")
    world.failing_at(step)
    with suppress(PynetError, KernelError):
        world.driver.revoke_external_connectivity(REFERENCES["six"])
    world.healed()
    world.bury()
    assert ("0.0.0.0", "four", 8080) in engine.published()
    assert {(address, port) for _, address, port in world.sockets.taken} == {
        (place, port) for place, _, port in engine.published()
    }


@pytest.mark.parametrize("mode", ["nat", "routed"])
def test_routed_ports_need_no_gateway(world: World, mode: str) -> None:
    """Routed ports are open without a Program; Revoke leaves them open, Leave closes them."""
    options = {"com.docker.network.bridge.gateway_mode_ipv4": mode}
    world.driver.create_network(rq.network(options=options))
    world.driver.create_endpoint(rq.endpoint())
    world.driver.join(replace(rq.join(), options=rq.program(8080).options))
    opened = [("routed_ports4", "10.9.0.2 . tcp . 80")] if mode == "routed" else []
    for change in ("nothing", "program_external_connectivity", "revoke_external_connectivity"):
        if change == "program_external_connectivity":
            world.driver.program_external_connectivity(rq.program(8080))
        elif change == "revoke_external_connectivity":
            world.driver.revoke_external_connectivity(rq.ENDPOINT)
        assert [element for element in world.nft.elements if element[0] == "routed_ports4"] == opened
    world.driver.leave(rq.ENDPOINT)
    assert [element for element in world.nft.elements if element[0] == "routed_ports4"] == []
