"""The cost of each verb with few and with many networks, counted on fakes: it must be the same.

Lines of Python below ``plugin/`` are the measure of work, so that no scan of things in memory escapes.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from plugin.protocol import messages as m
from tests.fake_sockets import Steps
from tests.fake_store import FailingStore
from tests.fakes import FakeKernel, FakeNft, World
from tests.unit.ipam.counting import lines_run

FEW, MANY = 4, 40  # networks
ROOMS = ("driver.py", "ipam_router.py", "engine", "firewall", "host", "ipam", "model", "modes", "network", "publish")
CODE = tuple(f"/plugin/{room}" for room in (*ROOMS, "removal", "request"))
LISTINGS = {"links", "addresses", "list", "rules"}
Do = Callable[[str, Callable[[], Any]], Any]  # calls a verb of this name


class Counted:
    """Counts the calls of a fake that list something, and the length of the lists."""

    def __init__(self, fake: Any, count: Counter[str]) -> None:
        self._fake, self._count = fake, count

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._fake, name)
        return partial(self._call, name, method) if name in LISTINGS else method

    def _call(self, name: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        found = method(*arguments, **named)
        self._count[f"{type(self._fake).__name__}.{name}"] += 1 + len(found)
        return found


class Host:
    """A world with networks of three endpoints with two ports each; the user may have ``named`` their bridges."""

    def __init__(self, networks: int, *, named: bool = False) -> None:
        self._named = named
        self.listed, steps = Counter[str](), Steps()
        kernel: Any = Counted(FakeKernel(steps), self.listed)
        nft: Any = Counted(FakeNft(steps), self.listed)
        store: Any = Counted(FailingStore(steps), self.listed)
        self.world = World(kernel, nft, store)
        for number in range(networks):
            self.begin(number, lambda _, verb: verb())

    def begin(self, number: int, do: Do) -> m.ReleaseAddress:
        """Make a network with all that belongs to it; return the request that gives its last address back."""
        driver, ipam, network_id = self.world.driver, self.world.ipam, f"{number:08x}" * 8
        pool = do("RequestPool", partial(ipam.request_pool, m.RequestPool("pynet-local")))
        gateway = m.RequestAddress(pool.pool_id, options={"RequestAddressType": "com.docker.network.gateway"})
        address = do("RequestAddress", partial(ipam.request_address, gateway)).address
        data = m.IpamData(pool.pool, "pynet-local", address)
        options = {"com.docker.network.bridge.name": f"br{number}"} if self._named else {}
        network = m.CreateNetwork(network_id, m.NetworkOptions(generic=options), ipv4_data=(data,))
        do("CreateNetwork", partial(driver.create_network, network))
        for place in range(3):
            end = self.end(number, place)
            address = do("RequestAddress", partial(ipam.request_address, m.RequestAddress(pool.pool_id))).address
            made = m.CreateEndpoint(*end, m.Interface(address))
            do("CreateEndpoint", partial(driver.create_endpoint, made))
            do("Join", partial(driver.join, m.Join(*end, f"/var/run/docker/netns/{end[1][:12]}")))
            ports = tuple(m.PortBinding(6, 80, host_port=20000 + 6 * number + 2 * place + port) for port in range(2))
            programmed = m.ProgramExternalConnectivity(*end, m.EndpointOptions(port_map=ports))
            do("ProgramExternalConnectivity", partial(driver.program_external_connectivity, programmed))
        return m.ReleaseAddress(pool.pool_id, address.ip)

    def finish(self, number: int, last: m.ReleaseAddress, do: Do) -> None:
        """Remove a network; one of its endpoints goes with it."""
        driver, ipam = self.world.driver, self.world.ipam
        for place in range(2):
            end = m.EndpointRef(*self.end(number, place))
            do("Leave", partial(driver.leave, end))
            do("DeleteEndpoint", partial(driver.delete_endpoint, end))
        do("DeleteNetwork", partial(driver.delete_network, m.NetworkRef(f"{number:08x}" * 8)))
        do("ReleaseAddress", partial(ipam.release_address, last))
        do("ReleasePool", partial(ipam.release_pool, m.ReleasePool(last.pool_id)))

    @staticmethod
    def end(number: int, place: int) -> tuple[str, str]:
        """Return the ids of a network and one of its endpoints."""
        return f"{number:08x}" * 8, f"{number:06x}{place:02x}" * 8


def costs(host: Host, networks: int, cost: Callable[[Host, Callable[[], Any]], tuple[Any, Any]]) -> dict[str, Any]:
    """Return the cost of each verb of one more network; others came and went before it, so that all is warm.

    ``cost`` calls a verb, and returns its result and its cost.
    """
    found: dict[str, Any] = {}

    def do(name: str, verb: Callable[[], Any]) -> Any:
        result, found[name] = cost(host, verb)
        return result

    for number in range(networks, networks + 3):
        host.finish(number, host.begin(number, do), do)
        host.world.bury()
    return found


def lines(_: Host, verb: Callable[[], Any]) -> tuple[Any, int]:
    """Count the lines that a verb runs."""
    results: list[Any] = []
    run = lines_run(lambda: results.append(verb()), *CODE)
    return results[0], run


def listings(host: Host, verb: Callable[[], Any]) -> tuple[Any, Counter[str]]:
    """Count the things that a verb lists."""
    host.listed.clear()
    result = verb()
    return result, Counter(host.listed)


@pytest.mark.parametrize("named", [False, True], ids=["bridges of pynet", "bridges with names of the user"])
def test_no_verb_does_more_work_with_many_networks(*, named: bool) -> None:
    """Each verb runs as many lines with ten times as many networks, endpoints and ports."""
    few, many = (costs(Host(number, named=named), number, lines) for number in (FEW, MANY))

    assert len(few) == 11
    assert all(run > 20 for run in few.values())
    assert few == many


def test_no_verb_lists_more_with_many_networks() -> None:
    """No verb lists links, addresses, rules or elements, and of records only those of its own network or pool."""
    few, many = (costs(Host(number), number, listings) for number in (FEW, MANY))

    assert few == many
    assert {of for listed in many.values() for of in listed} == {"FailingStore.list"}
