"""The names by which containers find each other, as the engine tells them."""

from collections.abc import Iterator, Mapping, Sequence

from cli.engine.events import endpoint_names
from plugin.engine.endpoint_names import EndpointName, EndpointNames, EngineEvent

NET = "n" * 64


class FakeEngine:
    """An engine with containers that run or start."""

    def __init__(self) -> None:
        self.told: dict[str, list[EndpointName]] = {}
        self.up: set[str] = set()
        self.asked: list[str] = []

    def put(self, container: str, *names: str, network: str = NET) -> None:
        self.told.setdefault(container, []).append(EndpointName(container, network, f"e-{container}-{network}", names))

    def follow(self) -> Iterator[EngineEvent]:
        return iter(())

    def close(self) -> None:
        """Nothing is open."""

    def networks(self) -> Mapping[str, str]:
        return {NET: "Blue"}

    def running(self) -> Mapping[str, Sequence[str]]:
        return {container: [told.network_id for told in self.told[container]] for container in self.up}

    def joined(self, container: str) -> Sequence[str]:
        return self.running().get(container, ())

    def container(self, container: str) -> Sequence[EndpointName]:
        self.asked.append(container)
        return self.told.get(container, [])


def test_a_container_is_asked_for_when_it_has_started() -> None:
    """The engine answers questions about a container that starts only when it runs, so pynet asks then."""
    engine = FakeEngine()
    names = EndpointNames(engine)
    engine.put("c1", "web")
    names.heard(EngineEvent("connect", "c1", NET))
    assert not engine.asked
    names.heard(EngineEvent("start", "c1"))
    assert names.having(NET, "web") == (f"e-c1-{NET}",)


def test_other_containers_are_not_asked_for() -> None:
    """A host may have many containers on networks of other drivers; they cost nothing."""
    engine = FakeEngine()
    names = EndpointNames(engine, ours=lambda network: network == NET)
    engine.put("c1", "web", network="other")
    names.heard(EngineEvent("connect", "c1", "other"))
    names.heard(EngineEvent("start", "c1"))
    names.heard(EngineEvent("rename", "c1"))
    assert not engine.asked


def test_a_container_that_joined_before_the_connection_is_asked_for() -> None:
    """The connection to the engine may begin between a container's Join and its start."""
    engine = FakeEngine()
    names = EndpointNames(engine)
    names.load()
    engine.put("c1", "web")
    engine.up.add("c1")
    names.heard(EngineEvent("start", "c1"))
    assert names.having(NET, "web")


def test_a_rename_and_a_second_network_are_heard() -> None:
    """Names follow ``docker rename`` and ``docker network connect`` of a container that runs."""
    engine, changed = FakeEngine(), list[str]()
    names = EndpointNames(engine)
    engine.put("c1", "web")
    engine.up.add("c1")
    names.load()
    names.listen(lambda _, endpoint: changed.append(endpoint))
    engine.told["c1"] = []
    engine.put("c1", "shop")
    engine.put("c1", "shop", "alias", network="second")
    names.heard(EngineEvent("connect", "c1", "second"))
    assert names.having(NET, "web") == ()
    assert names.having(NET, "shop")
    assert names.having("second", "alias")
    assert len(changed) == 2


def test_names_go_when_a_container_leaves_a_network() -> None:
    """Only the names on that network go."""
    engine = FakeEngine()
    names = EndpointNames(engine)
    engine.put("c1", "web")
    engine.put("c1", "web", network="second")
    engine.up.add("c1")
    names.load()
    names.heard(EngineEvent("disconnect", "c1", NET))
    assert names.having(NET, "web") == ()
    assert names.having("second", "web")


def test_two_containers_may_share_an_alias() -> None:
    """The engine answers with both, and the other one stays when the first goes."""
    engine = FakeEngine()
    names = EndpointNames(engine)
    for container in ("c1", "c2"):
        engine.put(container, container, "db")
        engine.up.add(container)
    names.load()
    assert len(names.having(NET, "db")) == 2
    names.heard(EngineEvent("disconnect", "c1", NET))
    assert names.having(NET, "db") == (f"e-c2-{NET}",)


def test_networks_have_names_as_soon_as_they_are_made() -> None:
    """``NAME.NETWORK.pynet`` needs the name of a network of which no container is known."""
    names = EndpointNames(FakeEngine())
    names.load()
    names.heard(EngineEvent("create", network="n2", title="red"))
    assert names.networks == {NET: "Blue", "n2": "red"}
    names.heard(EngineEvent("destroy", network="n2"))
    assert names.networks == {NET: "Blue"}


def test_names_of_old_and_new_engines() -> None:
    """Up to 25 the engine lists aliases, since 26 names for DNS too; the container's own name is first."""
    end = {"NetworkID": NET, "EndpointID": "e1", "IPAddress": "10.0.0.2", "GlobalIPv6Address": ""}
    old = {**end, "Aliases": ["DB", "0123456789ab"]}
    new = {**end, "Aliases": ["db"], "DNSNames": ["Web", "db", "0123456789ab", "host"]}
    found = [
        endpoint_names({"Id": "0123456789abcdef", "Name": "/Web", "NetworkSettings": {"Networks": {"blue": each}}})
        for each in (old, new)
    ]
    assert found[0][0].names == ("web", "db", "0123456789ab")
    assert found[1][0].names == ("web", "db", "0123456789ab", "host")
