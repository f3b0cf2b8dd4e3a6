"""The state is lost, and neither the engine nor its containers notice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.lab.host import Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import Plugin, published_by_pynet
from tests.engine.lab.snapshot import unchanged


def delete(state: Path) -> None:
    """Remove the database."""
    for file in state.glob("pynet.db*"):
        file.unlink()


def overwrite(state: Path) -> None:
    """Leave nothing that could be read."""
    for file in state.glob("pynet.db*"):
        file.write_bytes(b"\xff" * 20_000)


@pytest.mark.parametrize("lose", [delete, overwrite])
def test_a_lost_state_comes_back_from_the_kernel(
    pynet_scene: Scene, pynet: Plugin, host: Host, lose: Callable[[Path], None]
) -> None:
    """Ports, addresses and networks are known again; a new container gets an address of its own; all can be removed."""
    with unchanged(host):
        net = pynet_scene.network("--ipam-driver", "pynet")
        one = pynet_scene.container(net, "-p", "0.0.0.0:8080:80")
        before = published_by_pynet(host)
        pynet.kill()
        lose(host.path(pynet.state))
        pynet.start()

        assert published_by_pynet(host) == before
        two = pynet_scene.container(net)
        assert two.ip(net) != one.ip(net)
        assert one.reaches(two.name)
        host.docker("restart", "-t", "0", one.name)
        wait_until(lambda: two.reaches(one.name), "the restarted container to be reached")
        pynet_scene.close()


def test_a_state_that_is_deleted_under_the_running_process_comes_back(
    pynet_scene: Scene, pynet: Plugin, host: Host
) -> None:
    """The next call writes all of it again, and a kill after it loses nothing."""
    net = pynet_scene.network()
    one = pynet_scene.container(net)
    delete(host.path(pynet.state))
    two = pynet_scene.container(net)
    pynet.kill()
    pynet.start()

    assert pynet_scene.container(net).reaches(one.name)
    assert two.reaches(one.name)
