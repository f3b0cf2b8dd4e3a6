"""A kernel that has no memory, no descriptor or no answer left: a sentence, an undo, and success afterwards."""

import errno
import os
import resource
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from netlink.errors import kernel_error
from netlink.nft_elements import Element
from netlink.nftables import Nftables, open_runner
from netlink.request import Requests
from netlink.setelem import SetElements
from plugin.driver import Driver
from plugin.errors import Failed, PynetError
from tests.kernel.container import sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
LOOK = (
    "ip -o link | cut -d: -f2; ip -o address show scope global; ss -Hlntu; nft list ruleset; "
    "sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding"
)
DUAL = rq.network(rq.NETWORK_ID, "10.9.0.1/24", "fd00:9::1/64")
Call = Callable[[Driver], Any]


class Refusing(Requests):
    """The real kernel, but the ``at``-th request from now on is refused, or done and its answer lost."""

    def __init__(self) -> None:
        super().__init__()
        self.at, self.number, self.done = 0, 0, False

    def send(self, request: bytes) -> None:
        self.at -= 1
        if self.at != 0 or self.done:
            super().send(request)
        if self.at == 0:
            raise OSError(self.number, os.strerror(self.number))

    def send_all(self, requests: Sequence[bytes]) -> list[int]:
        numbers = []
        for request in requests:
            self.at -= 1
            numbers += super().send_all([request]) if self.at != 0 or self.done else [0]
            numbers[-1] = self.number if self.at == 0 else numbers[-1]
        return numbers


class RefusingElements(SetElements):
    """The real nftables, but the next transaction is refused, or done and its answer lost."""

    def __init__(self) -> None:
        super().__init__()
        self.refuses, self.done = False, False

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> bool:
        refuses, self.refuses = self.refuses, False
        done = (self.done or not refuses) and super().change(table, delete, add)
        if refuses:
            raise kernel_error(f"change elements of nftables table '{table}'", errno.ENOMEM)
        return done


class Scene:
    """A driver over both, with a network of somebody else, so that the tables stay."""

    def __init__(self) -> None:
        self.requests, self.elements = Refusing(), RefusingElements()
        self.pynet = Pynet(requests=self.requests, nft=Nftables(open_runner(), self.elements))
        self.driver = self.pynet.driver
        self.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))


@pytest.fixture
def scene() -> Iterator[Scene]:
    """Return a scene in the namespace of the test."""
    scene = Scene()
    yield scene
    scene.pynet.close()


def nothing(_driver: Driver) -> None:
    """Prepare nothing."""


def a_network(driver: Driver) -> None:
    """Prepare a network."""
    driver.create_network(DUAL)


def an_endpoint(driver: Driver) -> None:
    """Prepare an endpoint."""
    a_network(driver)
    driver.create_endpoint(rq.endpoint(address_ipv6="fd00:9::2/64"))


VERBS: dict[str, tuple[Call, Call]] = {
    "CreateNetwork": (nothing, a_network),
    "CreateEndpoint": (a_network, lambda driver: driver.create_endpoint(rq.endpoint(address_ipv6="fd00:9::2/64"))),
    "Program": (an_endpoint, lambda driver: driver.program_external_connectivity(rq.program(8080, 8081))),
}
REQUESTS = [("CreateNetwork", step) for step in (1, 2, 3, 4)] + [("CreateEndpoint", step) for step in (1, 2, 3, 4)]


@contextmanager
def refused(scene: Scene, verb: str, sentence: str) -> Iterator[Call]:
    """Yield the verb, which has to fail with ``sentence`` in the block; all is as before it, and it then succeeds."""
    prepare, call = VERBS[verb]
    prepare(scene.driver)
    before = sh(LOOK)
    with pytest.raises(PynetError, match=sentence) as caught:
        yield call
    scene.requests.at, scene.elements.refuses = 0, False
    scene.pynet.firewall.heal()
    assert not getattr(caught.value, "__notes__", None)
    assert sh(LOOK) == before
    call(scene.driver)
    assert sh(LOOK) != before


@pytest.mark.parametrize("done", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("number", [errno.ENOBUFS, errno.ENOMEM], ids=errno.errorcode.get)
@pytest.mark.parametrize(("verb", "step"), REQUESTS)
def test_a_kernel_without_memory(scene: Scene, verb: str, step: int, number: int, done: bool) -> None:
    """A kernel without memory may refuse any request, also one that it carried out, and nothing is left."""
    with refused(scene, verb, os.strerror(number).lower()) as call:
        scene.requests.at, scene.requests.number, scene.requests.done = step, number, done
        call(scene.driver)


@pytest.mark.parametrize("done", [False, True], ids=["refused", "answer lost"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_firewall_that_refuses(scene: Scene, verb: str, done: bool) -> None:
    """A verb whose nftables transaction is refused leaves nothing; after a lost answer the tables are repaired."""
    with refused(scene, verb, "change elements of nftables table 'pynet': cannot allocate memory") as call:
        scene.elements.refuses, scene.elements.done = True, done
        call(scene.driver)


def test_a_process_without_descriptors(scene: Scene) -> None:
    """If no descriptor is left for the second port, the first port is released."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with refused(scene, "Program", "hold port .*: too many open files") as call:
        scene.pynet.kernel.links()
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
        try:
            call(scene.driver)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_bridge_without_a_free_port(scene: Scene) -> None:
    """The sentence names the bridge and its limit, nothing is left, and the endpoint is made once a port has gone."""
    a_network(scene.driver)
    port = "link add v{0} type vxlan id {0} dstport 4789\nlink set v{0} master pn-a1a1a1a1a1a1\n".format
    sh(f"ip -batch - <<END\n{''.join(map(port, range(1, 1024)))}END")
    before = sh(LOOK)
    with pytest.raises(PynetError, match="bridge 'pn-a1a1a1a1a1a1': the bridge has 1,023 ports, the most that"):
        scene.driver.create_endpoint(rq.endpoint())
    assert sh(LOOK) == before

    sh("ip link delete v1")
    scene.driver.create_endpoint(rq.endpoint())


def test_a_removal_without_memory_is_done_later(scene: Scene) -> None:
    """A removal that fails without memory is done later, as the engine takes it for done."""
    before = sh(LOOK)
    an_endpoint(scene.driver)
    scene.driver.program_external_connectivity(rq.program(8080))
    scene.elements.refuses = True
    with pytest.raises(Failed, match="cannot allocate memory"):
        scene.driver.delete_network(rq.NETWORK)
    scene.pynet.reaper.retries.run()
    scene.pynet.reaper.clear("pn-a1a1a1a1a1a1")
    scene.pynet.reaper.clear("pnhe0e0e0e0e0e0")

    assert sh(LOOK) == before
