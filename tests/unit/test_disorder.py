"""Verbs in any order, repeated, with failures and restarts between them, as engines send them (moby daemon/libnetwork).

The machine knows what the engine was told, and compares it with the store and the imaginary host.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Interface

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from plugin.errors import Conflict, NotFound, PynetError
from plugin.firewall.elements import endpoint_elements, network_elements, port_elements
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.protocol.messages import (
    CreateEndpoint,
    EndpointOptions,
    EndpointRef,
    Interface,
    Join,
    NetworkRef,
    PortBinding,
    ProgramExternalConnectivity,
)
from plugin.request.retries import Owed
from tests.elements import texts
from tests.fakes import World
from tests.unit import requests as rq
from tests.unit.test_background import restarted

EXAMPLES = int(os.environ.get("PYNET_EXAMPLES", "100"))
NETWORKS = ("a1" * 32, "x4k2mz9q1w7e5r3t8y6u0ip2a")  # the second as swarm makes them: 25 characters, base 36
ENDPOINTS = ("e0" * 32, "f1" * 32)
networks, endpoints = st.sampled_from([0, 1]), st.sampled_from([0, 1])
steps = st.sampled_from([0, 0, 0, 1, 2, 3, 4, 6, 9])  # which step of a verb breaks; 0 for none


class Disorder(RuleBasedStateMachine):
    """Two networks with two endpoints each, and three ports that all of them want; everything exists at the start."""

    @initialize()
    def start(self) -> None:
        self.world = World()
        self.before = self.world.snapshot()
        for net in (0, 1):
            self.create_network(net, "0", 0)
            for end in (0, 1):
                self.create_endpoint(net, end, None, 0)
                self.program(net, end, [net + end], 0)

    # --- what the engine does ------------------------------------------------------------------

    @rule(net=networks, mtu=st.sampled_from(["0", "0", "1400"]), breaks=steps)
    def create_network(self, net: int, mtu: str, breaks: int) -> None:
        options = {"com.docker.network.driver.mtu": mtu}
        request = rq.network(NETWORKS[net], f"10.{net}.0.1/24", f"fd00:{net}::1/64", options=options)
        known = self.world.store.get(Network, request.network_id)
        differs = known is not None and known.record.options != options
        if differs and not self._is_owed(Owed.network(request.network_id)):
            with pytest.raises(Conflict, match="exists already with other settings"):
                self.world.driver.create_network(request)
            return
        self._try(lambda: self.world.driver.create_network(request), breaks)

    @rule(net=networks, breaks=steps)
    def delete_network(self, net: int, breaks: int) -> None:
        """Also with endpoints left, twice, and of a network that nobody knows."""
        self._try(lambda: self.world.driver.delete_network(NetworkRef(NETWORKS[net])), breaks)

    @rule(net=networks, end=endpoints, mac=st.sampled_from([None, None, "02:aa:bb:cc:dd:ee"]), breaks=steps)
    def create_endpoint(self, net: int, end: int, mac: str | None, breaks: int) -> None:
        interface = Interface(IPv4Interface(f"10.{net}.0.{end + 2}/24"), mac_address=mac)
        request = CreateEndpoint(NETWORKS[net], self._endpoint(net, end), interface)
        if not self._stands(Network, request.network_id):
            with pytest.raises(NotFound):
                self.world.driver.create_endpoint(request)
            return
        known = self.world.store.get(Endpoint, f"{request.network_id}/{request.endpoint_id}")
        differs = known is not None and known.record.mac != (mac or f"02:42:0a:{net:02x}:00:{end + 2:02x}")
        if differs and not self._is_owed(Owed.endpoint(request.network_id, request.endpoint_id)):
            with pytest.raises(Conflict):
                self.world.driver.create_endpoint(request)
            return
        self._try(lambda: self.world.driver.create_endpoint(request), breaks)

    @rule(net=networks, end=endpoints)
    def join(self, net: int, end: int) -> None:
        """The same answer each time, also after Leave and after a restart."""
        request = Join(NETWORKS[net], self._endpoint(net, end), "/var/run/docker/netns/0123456789ab")
        if not self._joinable(net, end):
            with pytest.raises(NotFound):
                self.world.driver.join(request)
            return
        reply = self.world.driver.join(request)
        assert reply.src_name in self.world.kernel.by_name
        assert str(reply.gateway) == f"10.{net}.0.1"

    @rule(net=networks, end=endpoints, breaks=steps)
    def leave(self, net: int, end: int, breaks: int) -> None:
        self._try(lambda: self.world.driver.leave(self._reference(net, end)), breaks)

    @rule(net=networks, end=endpoints, breaks=steps)
    def delete_endpoint(self, net: int, end: int, breaks: int) -> None:
        self._try(lambda: self.world.driver.delete_endpoint(self._reference(net, end)), breaks)

    @rule(net=networks, end=endpoints, wanted=st.sampled_from([[], [0], [1], [2], [0, 1], [1, 2]]), breaks=steps)
    def program(self, net: int, end: int, wanted: list[int], breaks: int) -> None:
        """A repeated Program replaces the published ports; a port that another endpoint has is refused."""
        options = EndpointOptions(port_map=tuple(PortBinding(6, 80, host_port=8080 + port) for port in wanted))
        request = ProgramExternalConnectivity(NETWORKS[net], self._endpoint(net, end), options)
        if not self._joinable(net, end):
            with suppress(NotFound):  # without ports and without published ones there is nothing to look for
                self.world.driver.program_external_connectivity(request)
            return
        key = f"{request.network_id}/{request.endpoint_id}"
        before = self.world.store.get(Endpoint, key)
        try:
            self._try(lambda: self.world.driver.program_external_connectivity(request), breaks, raising=True)
        except PynetError:
            assert self.world.store.get(Endpoint, key) == before
        else:
            after = self.world.store.get(Endpoint, key)
            assert after is not None
            assert {port.host_port for port in after.record.published} == {8080 + port for port in wanted}

    # --- what happens to pynet -----------------------------------------------------------------

    @rule()
    def rest(self) -> None:
        """Let the background work happen; afterwards store and host agree."""
        self.world.bury()
        self._compare(with_tombstones=False)

    @rule()
    def restart(self) -> None:
        """Kill pynet and start it; pending retries are done before, as nothing else would know of them."""
        self.world.reaper.retries.run()
        self.world = restarted(self.world)
        self.world.reaper.bury([item.record for item in self.world.store.list(Tombstone)])

    # --- what is always true -------------------------------------------------------------------

    @invariant()
    def store_and_host_agree(self) -> None:
        if not self.world.reaper.retries._owed:
            self._compare(with_tombstones=True)
        assert self.world.locks._locks == {}

    def teardown(self) -> None:
        """Whatever happened, after every removal nothing is left."""
        for net in (0, 1):
            for end in (0, 1):
                self.world.driver.delete_endpoint(self._reference(net, end))
            self.world.driver.delete_network(NetworkRef(NETWORKS[net]))
        self.world.bury()
        assert self.world.snapshot() == self.before

    # --- helpers -------------------------------------------------------------------------------

    def _try(self, call: Callable[[], object], breaks: int, *, raising: bool = False) -> None:
        """Make a call whose step ``breaks`` fails; only then may the call be refused."""
        self.world.failing_at(breaks)
        try:
            call()
        except PynetError:
            if raising or not breaks:
                raise
        finally:
            self.world.healed()

    def _compare(self, *, with_tombstones: bool) -> None:
        store = self.world.store
        doomed = {item.record.link for item in store.list(Tombstone)} if with_tombstones else set()
        nets = {item.record.id: item.record for item in store.list(Network)}
        ends = [item.record for item in store.list(Endpoint)]
        wanted = {net.link for net in nets.values()} | {host_link_name(end.id) for end in ends}
        found = {name for name in self.world.kernel.by_name if not name.startswith("pnc")}
        assert wanted <= found <= wanted | doomed
        gateways = {(net.link, str(subnet.gateway)) for net in nets.values() for subnet in net.subnets}
        assert {(link, str(address)) for link, address in self.world.kernel.assigned} == gateways
        held = {(port.proto, port.host_port) for end in ends for port in end.published}
        assert {(proto, port) for proto, _, port in self.world.sockets.taken} == held
        if not doomed:
            self._compare_firewall(nets, ends)

    def _compare_firewall(self, nets: dict[str, Network], ends: list[Endpoint]) -> None:
        parts = [network_elements(net) for net in nets.values()] + list(self.world.settings.elements().values())
        parts += [endpoint_elements(nets[end.network_id], end) for end in ends]
        parts += [port_elements(nets[end.network_id], end, end.published) for end in ends]
        wanted = {(name, value) for part in parts for name, values in texts(part).items() for value in values}
        assert self.world.nft.elements == wanted

    def _is_owed(self, owed: Owed) -> bool:
        return self.world.reaper.retries.pending(owed)

    def _stands(self, kind: type[Network] | type[Endpoint], key: str) -> bool:
        return self.world.store.get(kind, key) is not None and not self._is_owed(Owed(kind.kind, key))

    def _joinable(self, net: int, end: int) -> bool:
        key = f"{NETWORKS[net]}/{self._endpoint(net, end)}"
        return self._stands(Network, NETWORKS[net]) and self._stands(Endpoint, key)

    def _reference(self, net: int, end: int) -> EndpointRef:
        return EndpointRef(NETWORKS[net], self._endpoint(net, end))

    @staticmethod
    def _endpoint(net: int, end: int) -> str:
        return f"{net:02x}" + ENDPOINTS[end][2:]


Disorder.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)
test_disorder = Disorder.TestCase


def test_the_machine_would_notice() -> None:
    """The comparison of the machine notices a missing link."""
    machine = Disorder()
    machine.start()
    stored = machine.world.store.get(Network, NETWORKS[0])
    assert stored is not None
    machine._compare(with_tombstones=False)
    machine.world.kernel.delete_link(machine.world.kernel.by_name[stored.record.link])
    with pytest.raises(AssertionError):
        machine._compare(with_tombstones=False)
