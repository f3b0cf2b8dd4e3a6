"""The engine tells pynet the names by which containers find each other, as soon as a container runs."""

import json
from collections.abc import Iterator

import pytest

from cli.engine.events import EventfulEngine
from plugin.engine.endpoint_names import EndpointNames
from tests.engine.lab.host import Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import command
from tests.engine.lab.shell import CommandFailed


@pytest.fixture
def names(host: Host) -> Iterator[EndpointNames]:
    """Names that follow the engine of the host."""
    found = EndpointNames(EventfulEngine(host.socket))
    thread = found.start()
    wait_until(lambda: found.answers, "the engine's events")
    yield found
    found.stop()
    thread.join(10)


def _known(names: EndpointNames, network: str, name: str) -> bool:
    identity = next((key for key, title in names.networks.items() if title == network), "")
    return bool(names.having(identity, name))


def test_aliases_and_renames_are_heard(pynet_scene: Scene, names: EndpointNames) -> None:
    """Container name, alias, a second network and ``docker rename``, and all of it gone with the container."""
    first, second = pynet_scene.network(), pynet_scene.network()
    box = pynet_scene.container(first, "--network-alias", "Shop")
    wait_until(lambda: _known(names, first, "shop") and _known(names, first, box.name), "name and alias")
    pynet_scene.host.docker("network", "connect", "--alias", "db", second, box.name)
    wait_until(lambda: _known(names, second, "db"), "the alias on a second network")
    pynet_scene.host.docker("rename", box.name, f"{box.name}-new")
    wait_until(lambda: _known(names, first, f"{box.name}-new"), "the new name")
    pynet_scene.host.docker("rename", f"{box.name}-new", box.name)
    pynet_scene.host.docker("rm", "-f", box.name)
    wait_until(lambda: not names.all() or not _known(names, second, "db"), "the names to be gone")


def test_pynet_prints_the_names(pynet_scene: Scene) -> None:
    """``pynet dns`` shows a container as long as it runs, by its alias and by its full name."""
    network, host = pynet_scene.network(), pynet_scene.host
    box = pynet_scene.container(network, "--network-alias", "shop")
    wait_until(lambda: box.ip(network) in _looked_up(host, "shop"), "the alias")
    assert box.ip(network) in _looked_up(host, f"{box.name}.{network}.pynet")
    host.docker("rm", "-f", box.name)
    wait_until(lambda: not _looked_up(host, "shop"), "the name to be gone")


def _looked_up(host: Host, name: str) -> list[str]:
    try:
        rows = json.loads(command(host, "dns", "lookup", name, "--json"))
    except CommandFailed as failure:
        rows = json.loads(failure.stdout)
    return [address for row in rows for address in row["addresses"]]


def test_names_are_read_again_after_a_restart_of_the_engine(pynet_scene: Scene, names: EndpointNames) -> None:
    """The connection breaks with the engine; then everything is read anew."""
    network = pynet_scene.network()
    pynet_scene.host.stop_engine()
    pynet_scene.host.start_engine()
    box = pynet_scene.container(network, "--network-alias", "late")
    wait_until(lambda: _known(names, network, "late"), "the alias of a container that came later")
    assert _known(names, network, box.name)
