"""Names of containers over several hosts: records in the cluster store, and answers for the resolver."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Interface, ip_address, ip_network
from typing import NoReturn

import pytest

from plugin.cluster.hosts.records import KnownHost
from plugin.cluster.hosts.titles import HostTitles
from plugin.cluster.names.announcing import NameAnnouncer, sweep_names
from plugin.cluster.names.directory import ANYBODY, NameDirectory
from plugin.cluster.names.records import ClusterName
from plugin.cluster.names.zone import NetworkZone, OtherHosts
from plugin.engine.endpoint_names import EndpointName, EndpointNames, EngineEvent
from plugin.errors import Failed
from plugin.model.records import Endpoint, Network, NetworkSubnet, Overlay
from plugin.model.resolver_place import HOST
from plugin.store.base import Event, Put, Remove, Versioned
from plugin.store.memory import MemoryStore

BLUE = Network("n1", "overlay", "pn-1", overlay=Overlay("blue", 1, 4789, 1450))
SUBNETS = (NetworkSubnet(ip_network("10.5.0.0/24")), NetworkSubnet(ip_network("fd05::/64")))


class Engine:
    """An engine whose containers all run."""

    def __init__(self, *told: EndpointName) -> None:
        self.told = list(told)

    def follow(self) -> Iterator[EngineEvent]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""

    def networks(self) -> Mapping[str, str]:
        return {"n1": "Blue", "n2": "red"}

    def running(self) -> Mapping[str, Sequence[str]]:
        return {one.container: [one.network_id] for one in self.told}

    def joined(self, container: str) -> Sequence[str]:
        return self.running().get(container, ())

    def container(self, container: str) -> Sequence[EndpointName]:
        return [one for one in self.told if one.container == container]


class House:
    """A host with network blue and container web, and the cluster store."""

    def __init__(self) -> None:
        self.local, self.shared = MemoryStore(), MemoryStore()
        network = Network(BLUE.id, BLUE.mode, BLUE.link, subnets=SUBNETS, overlay=BLUE.overlay)
        other = NetworkSubnet(ip_network("10.6.0.0/24"))
        self.local.transact(Put(network), Put(Network("n2", "bridge", "pn-2", subnets=(other,))))
        self.local.transact(Put(Endpoint("e1", "n1", "02:00:00:00:00:01", IPv4Interface("10.5.0.2/24"))))
        self.engine = Engine(EndpointName("c1", "n1", "e1", ("web", "app"), (ip_address("10.5.0.2"),)))
        self.told = EndpointNames(self.engine)
        self.told.load()
        self.far, self.dead = NameDirectory(), set[str]()
        self.announcer = NameAnnouncer((self.local, self.shared), self.far, self.told.of, {"blue": "n1"}.get, "here")
        others = OtherHosts(self.far, lambda host: host not in self.dead, "here", HostTitles(self.shared).of)
        self.zone = NetworkZone(self.local, self.told, others)

    def hear(self) -> None:
        """Let the watch report the records of the store."""
        self.far.listed("blue", self.shared.list(ClusterName, "blue/"))

    def records(self) -> list[ClusterName]:
        return [item.record for item in self.shared.list(ClusterName)]


@pytest.fixture
def house() -> House:
    return House()


def _far(endpoint: str, address: str, *names: str, host: str = "there") -> ClusterName:
    return ClusterName("blue", endpoint, host, names, (ip_address(address),))


def test_names_are_written_once(house: House) -> None:
    """An endpoint has one record, which is written again only after a change."""
    house.announcer.write([("blue", ANYBODY)])
    before = house.shared.list(ClusterName)
    house.hear()
    house.announcer.write([("blue", ANYBODY), ("blue", "blue/e1")])
    assert house.shared.list(ClusterName) == before
    assert house.records() == [ClusterName("blue", "e1", "here", ("web", "app"), (ip_address("10.5.0.2"),))]


def test_a_new_name_is_written(house: House) -> None:
    """After ``docker rename`` the record has the new name."""
    house.announcer.write([("blue", ANYBODY)])
    house.hear()
    house.engine.told = [EndpointName("c1", "n1", "e1", ("shop",))]
    house.told.listen(house.announcer.renamed)
    house.told.heard(EngineEvent("rename", "c1"))
    house.announcer.write([("blue", "blue/e1")])
    assert house.records()[0].names == ("shop",)


def test_a_closed_container_has_no_name(house: House) -> None:
    """Its address is that of another host's container, so its name would lead there; it is back when it is opened."""
    house.announcer.write([("blue", ANYBODY)])
    house.hear()
    (own,) = house.local.list(Endpoint)
    house.local.transact(Put(replace(own.record, taken="there")))
    house.announcer.write([("blue", "blue/e1")])
    assert (house.records(), house.zone.addresses("n1", "web")) == ([], None)
    house.hear()
    house.local.transact(Put(own.record))
    house.announcer.write([("blue", "blue/e1")])
    assert house.zone.addresses("n1", "web")
    assert len(house.records()) == 1


@pytest.mark.parametrize("heard", [True, False])
def test_names_go_with_the_endpoint(house: House, *, heard: bool) -> None:
    """The record goes too if the watch has not reported it yet."""
    house.announcer.write([("blue", ANYBODY)])
    if heard:
        house.hear()
    house.local.transact(Remove(Endpoint, "n1/e1"))
    house.announcer.write([("blue", "blue/e1")])
    assert not house.records()


def test_a_lost_record_is_written_again(house: House) -> None:
    """After ``pynet cluster forget`` of a host that lives, its names come back."""
    house.announcer.write([("blue", ANYBODY)])
    house.shared.transact(Remove(ClusterName, "blue/e1"))
    house.hear()
    house.announcer.write([("blue", ANYBODY)])
    assert house.records()


def test_names_that_the_engine_has_not_told_stay(house: House) -> None:
    """After a restart of pynet the engine may be away; the record of a container that runs stays."""
    house.announcer.write([("blue", ANYBODY)])
    house.hear()
    house.engine.told = []
    house.told.load()
    house.announcer.write([("blue", ANYBODY)])
    assert house.records()


def test_a_write_that_fails_stays_due(house: House) -> None:
    """While the store is away nothing is lost: the loop tries again."""
    away = NameAnnouncer((house.local, Away()), house.far, house.told.of, {"blue": "n1"}.get, "here")
    with pytest.raises(Failed):
        away.write([("blue", "blue/e1")])
    assert away.wait() == {("blue", "blue/e1")}


class Away(MemoryStore):
    """A store that does not answer."""

    def get(self, kind: object, key: str) -> NoReturn:
        raise Failed("no answer")

    def transact(self, *changes: object) -> None:
        raise Failed("no answer")


def test_records_of_other_hosts_are_theirs(house: House) -> None:
    """A host neither changes nor removes what another host announced, not even by a sweep."""
    house.shared.transact(Put(_far("e9", "10.5.0.9", "db")), Put(_far("e8", "10.5.0.8", "old", host="here")))
    house.hear()
    house.announcer.write([("blue", "blue/e9")])
    sweep_names(house.shared, "blue", "here")
    assert [record.endpoint for record in house.records()] == ["e9"]


def test_a_name_is_answered_from_both_sides(house: House) -> None:
    """Containers of one name on two hosts are answered both, this host's first; case does not matter."""
    house.far.listed("blue", [Versioned(_far("e9", "10.5.0.9", "db", "app"), 1)])
    assert house.zone.addresses("n1", "APP") == (ip_address("10.5.0.2"), ip_address("10.5.0.9"))
    assert house.zone.addresses("n1", "db.blue.pynet") == (ip_address("10.5.0.9"),)
    assert house.zone.network_of(ip_address("10.5.0.2")) == "n1"
    assert house.zone.addresses("n1", "db")
    assert house.zone.addresses("n1", "nobody") is None


def test_other_networks_learn_nothing(house: House) -> None:
    """Only clients of a network get its names; the host itself may ask for full names."""
    house.far.listed("blue", [Versioned(_far("e9", "10.5.0.9", "db"), 1)])
    assert house.zone.addresses("n2", "db") is None
    assert house.zone.addresses("n2", "db.blue.pynet") is None
    assert house.zone.addresses(HOST, "db.blue.pynet")
    assert house.zone.addresses(HOST, "db") is None
    assert house.zone.network_of(ip_address("10.6.0.9")) == "n2"
    assert house.zone.network_of(ip_address("192.0.2.1")) is None


def test_names_of_dead_hosts_are_not_answered(house: House) -> None:
    """A name dies with the lease of its host, and is back with it."""
    house.far.listed("blue", [Versioned(_far("e9", "10.5.0.9", "db"), 1)])
    house.dead.add("there")
    assert house.zone.addresses("n1", "db") is None
    house.dead.clear()
    assert house.zone.addresses("n1", "db")


def test_a_lie_about_an_address_is_not_answered(house: House) -> None:
    """Anybody may write into the store: an address outside of the network leads nowhere."""
    house.far.listed("blue", [Versioned(_far("e9", "192.0.2.1", "db"), 1)])
    assert house.zone.addresses("n1", "db") == ()


def test_addresses_have_names(house: House) -> None:
    """The full name is first; the host gets nothing else."""
    house.far.listed("blue", [Versioned(_far("e9", "10.5.0.9", "db"), 1)])
    assert house.zone.names("n1", ip_address("10.5.0.2")) == ("web.blue.pynet", "web", "app")
    assert house.zone.names(HOST, ip_address("10.5.0.9")) == ("db.blue.pynet",)
    assert house.zone.names("n1", ip_address("10.5.0.77")) == ()


def test_hosts_are_shown_by_name(house: House) -> None:
    """A report has the name of the other host, once it was read also while the store is away; this host has none."""
    house.shared.transact(Put(KnownHost("there", "node2", ip_address("192.0.2.2"))))
    house.far.listed("blue", [Versioned(_far("e9", "10.5.0.9", "db"), 1)])
    assert [(one.host, one.host_name) for one in house.zone.reports()] == [("", ""), ("there", "node2")]
    titles = HostTitles(Away())
    assert titles.of(["there"]) == titles.of(["there"]) == {}


def test_late_news_change_nothing(house: House) -> None:
    """A watch may report an older revision after a listing."""
    house.far.listed("blue", [Versioned(_far("e9", "10.5.0.9", "db"), 5)])
    house.far.heard("blue", Event(ClusterName.kind, "blue/e9", None, 4))
    assert house.zone.addresses("n1", "db")
    house.far.heard("blue", Event(ClusterName.kind, "blue/e9", None, 6))
    assert house.zone.addresses("n1", "db") is None
