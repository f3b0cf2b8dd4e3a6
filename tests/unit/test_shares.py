"""Elements that several owners share, on a fake host."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from netlink.nft_elements import Element
from plugin.errors import Conflict
from plugin.firewall.firewall import Firewall
from plugin.firewall.sets import SEAL
from plugin.firewall.wants import Shares
from plugin.model.elements import Elements
from plugin.protocol.messages import EndpointOptions, PortBinding, ProgramExternalConnectivity
from tests.elements import written
from tests.fake_sockets import Steps
from tests.fakes import FakeNft, World
from tests.unit import requests as rq
from tests.unit.test_publisher import OTHER_ENDPOINT, elements, joined, other

LINKS = written({"bridges": ['"pn-a"'], "internal_bridges": ['"pn-a"']})


class Recorder(FakeNft):
    """Remembers what was written: element changes, and how often everything."""

    def __init__(self) -> None:
        super().__init__(Steps())
        self.changes: list[tuple[bool, str, str]] = []
        self.wholes = 0

    def apply(self, text: str) -> None:
        super().apply(text)
        self.wholes += 1

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        super().change(table, delete, add)
        self.changes += [
            (coming, one.of.name, one.text)
            for coming, some in ((False, delete), (True, add))
            for one in some
            if one.of is not SEAL
        ]


def port(number: int, target: str = "10.9.0.2") -> Elements:
    """Return the elements that publish a port on all addresses."""
    where = f"tcp . {number} : {target} . 80"
    return written({"published_ports_any4": [where], "relayed_ports": [f"tcp . {number}"]})


def two(world: World) -> None:
    """Two endpoints that publish one port number on an IPv6 address each, which a relay carries."""
    joined(world).driver.program_external_connectivity(rq.program("[2001:db8::1]:8080"))
    world.driver.create_endpoint(replace(rq.endpoint("10.9.0.3/24"), endpoint_id=OTHER_ENDPOINT))
    world.driver.program_external_connectivity(other("[2001:db8::2]:8080"))


def test_an_element_goes_with_the_last_that_has_it(world: World) -> None:
    """A shared element is removed with its last owner, so internal networks stay closed to both ports."""
    two(world)
    assert elements(world, "relayed_ports") == ["tcp . 8080"]
    world.driver.leave(rq.ENDPOINT)
    assert elements(world, "relayed_ports") == ["tcp . 8080"]
    world.driver.leave(replace(rq.ENDPOINT, endpoint_id=OTHER_ENDPOINT))

    assert elements(world, "relayed_ports") == []


def test_shared_elements_rewrite_nothing() -> None:
    """Shared elements are written and deleted once, and only the first owner writes whole tables."""
    firewall = Firewall(nft := Recorder(), "pynet")
    firewall.put("pn-a", LINKS)
    wholes = nft.wholes
    for owner in ("one", "two"):
        firewall.put(owner, written({"relayed_ports": ["tcp . 8080", "tcp . 8080"]}))
    firewall.forget("one", "two")
    firewall.heal(elements=True)

    assert nft.changes == [(True, "relayed_ports", "tcp . 8080"), (False, "relayed_ports", "tcp . 8080")]
    assert nft.wholes == wholes


class Watched(list[Element]):
    """Elements that count how often somebody goes through them."""

    reads = 0

    def __iter__(self) -> Iterator[Element]:
        self.reads += 1
        return super().__iter__()


def test_a_change_costs_what_changes() -> None:
    """A change of one owner costs only its own elements, whatever 15,000 ports others have."""
    firewall = Firewall(nft := Recorder(), "pynet")
    many = Watched(written({"relayed_ports": [f"tcp . {number}" for number in range(1, 15_001)]}))
    firewall.put("many", many)
    assert many.reads > 0
    nft.changes.clear()
    many.reads = 0
    for wanted in (port(20_000), port(20_001), port(15_000)):
        firewall.put("one", wanted)
    firewall.forget("one")

    assert many.reads == 0
    assert sum(name == "relayed_ports" for _, name, _ in nft.changes) == 4
    assert (False, "relayed_ports", "tcp . 15000") not in nft.changes


def test_a_change_of_many_elements_costs_each_of_them_once() -> None:
    """A second Program with 12,000 ports compared each with all others, for 50 s and with the firewall locked."""
    ports = [f"tcp . {number} : 10.9.0.2 . {number}" for number in range(400)]
    some = Watched(written({"published_ports_any4": ports}))
    more = Watched(written({"published_ports_any4": [*ports, "udp . 53 : 10.9.0.2 . 53"]}))
    shares = Shares({"one": some})
    some.reads = 0

    assert shares.give("one", more) == ([], [more[-1]])
    assert some.reads + more.reads <= 4


def test_a_key_of_a_map_is_of_the_first(world: World) -> None:
    """A key of a map belongs to its first owner; another one is refused until the first is gone."""
    world.firewall.put("pn-a", LINKS)
    world.firewall.put(f"ports of {rq.ENDPOINT_ID}", port(8080))
    before = world.snapshot()
    sentence = f"publish port 8080/tcp on 0.0.0.0: port is already allocated, to endpoint '{rq.ENDPOINT_ID[:12]}'"
    with pytest.raises(Conflict, match=f"^{sentence}$"):
        world.firewall.put(f"ports of {OTHER_ENDPOINT}", port(8080, "10.9.0.3"))
    assert world.snapshot() == before
    world.firewall.heal(elements=True)
    assert world.snapshot() == before
    world.firewall.forget(f"ports of {rq.ENDPOINT_ID}")
    world.firewall.put(f"ports of {OTHER_ENDPOINT}", port(8080, "10.9.0.3"))

    assert elements(world, "published_ports_any4") == ["tcp . 8080 : 10.9.0.3 . 80"]


def test_one_that_moves_a_key_is_no_rival_of_itself() -> None:
    """An owner may move its key, unless another owner shares the old value."""
    shares = Shares({"one": port(8080)})
    assert shares.claimed("one", port(8080, "10.9.0.3")) == ""
    shares.give("two", port(8080))

    assert "port 8080/tcp" not in shares.claimed("one", port(8080))
    assert "'published_ports_any4': 'two' has it already" in shares.claimed("one", port(8080, "10.9.0.3"))


def test_of_two_records_with_one_port_the_later_is_closed(world: World) -> None:
    """Of two records with one port the later is closed and named, and gets the port when the first is gone."""
    wanted = {"pn-a": LINKS, "ports of aa": port(8080), "ports of bb": port(8080, "10.9.0.3")}
    world.firewall.load(wanted)
    ((finding, why),) = world.firewall.refused().items()
    assert ("ports of bb" in finding.sentence, "to endpoint 'aa'" in why) == (True, True)
    assert elements(world, "published_ports_any4") == ["tcp . 8080 : 10.9.0.2 . 80"]
    world.firewall.forget("ports of aa")
    world.firewall.heal(elements=True)

    assert elements(world, "published_ports_any4") == ["tcp . 8080 : 10.9.0.3 . 80"]
    assert world.firewall.refused() == {}


def test_one_port_for_two_of_a_container_is_refused_with_a_sentence(world: World) -> None:
    """``-p 8080:80 -p 8080:81``, and not that a file exists; nothing is held."""
    joined(world)
    twice = EndpointOptions(port_map=tuple(PortBinding(6, port, host_port=8080) for port in (80, 81)))
    with pytest.raises(Conflict, match=r"publish port 8080/tcp on 0\.0\.0\.0: port is already allocated, to endpoint"):
        world.driver.program_external_connectivity(ProgramExternalConnectivity(rq.NETWORK_ID, rq.ENDPOINT_ID, twice))

    assert (elements(world, "published_ports_any4"), world.sockets.taken) == ([], set())


def test_what_nobody_wants_is_no_reason_to_refuse(world: World) -> None:
    """A foreign key in a map is overwritten by writing the tables whole."""
    joined(world)
    world.nft.elements.add(("published_ports_any4", "tcp . 8080 : 10.66.0.6 . 66"))
    world.driver.program_external_connectivity(rq.program(8080))

    assert elements(world, "published_ports_any4") == ["tcp . 8080 : 10.9.0.2 . 80"]
