"""pynet finds objects that the engine forgot by asking it, and leaves running ones alone."""

import sys
import time
from collections.abc import Iterator

import pytest

from tests.engine.lab.api import Api
from tests.engine.lab.host import REPOSITORY, Host
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene
from tests.engine.lab.service import PLUGINS, PYNET, Plugin
from tests.engine.lab.snapshot import listening, unchanged

pytestmark = pytest.mark.usefixtures("pynet")
GRACE = 2  # seconds
REFUSER = (sys.executable, "-m", "tests.engine.lab.refuser", f"{PLUGINS}/asking.sock")
ENVIRONMENT = {
    "PYNET_SOCKET": f"{PLUGINS}/asking.sock",
    "PYNET_STATE_DIR": "/var/lib/pynet-asking",
    "PYNET_DOCKER_SOCKET": "/run/docker.sock",
    "PYNET_DOCKER_GRACE": str(GRACE),
}


@pytest.fixture
def asker(host: Host) -> Iterator[Plugin]:
    """A second pynet, beside the one of all tests, that asks the engine."""
    plugin = Plugin(host, "asking", PYNET, ENVIRONMENT)
    plugin.start()
    yield plugin
    wait_until(lambda: "table inet asking" not in host.net("nft", "list", "ruleset"), "the tables to go", 10)
    plugin.stop()


@pytest.fixture
def asking(host: Host, asker: Plugin) -> Iterator[Scene]:
    """Networks of the second pynet, and containers."""
    scene = Scene(host, asker.name)
    yield scene
    scene.close()


def held(host: Host) -> bool:
    """Whether somebody holds the port that the test publishes."""
    return any(line.endswith(":8123") for line in listening(host))


def test_what_a_killed_engine_forgot_is_removed(asking: Scene) -> None:
    """The engine drops the endpoints of dead containers and tells a v1 plugin nothing: their ports would stay."""
    host = asking.host
    with unchanged(host):
        net = asking.network()
        asking.container(net, "-p", "8123:80")
        host.kill_engine()
        assert held(host)
        host.start_engine()
        wait_until(lambda: not held(host), "the forgotten port to be free")
        asking.close()
    log = host.log("asking").read_text()  # whoever comes first: the link has gone, and the engine does not know it
    assert "EndpointLost" in log or "endpoint unknown to the engine removed" in log


def test_a_network_that_was_removed_without_pynet_goes(asking: Scene, asker: Plugin) -> None:
    """A network that the engine removed while pynet was away is found and removed."""
    host = asking.host
    with unchanged(host):
        net = asking.network("--ipam-driver", asking.driver)
        time.sleep(GRACE)  # in this time the engine was seen with the network, and is believed from then on
        asker.kill()
        refuser = Plugin(
            host, asker.name, REFUSER, {"PYTHONPATH": str(REPOSITORY)}
        )  # without it the engine would try for a minute
        refuser.start()
        asking.remove(net)
        refuser.kill()
        asker.start()
        wait_until(lambda: "network unknown to the engine removed" in asker.log.read_text(), "the network to go")
        wait_until(lambda: "pool unknown to the engine removed" in asker.log.read_text(), "its pool to go")


def test_what_lives_through_a_restart_of_the_engine_stays(asking: Scene) -> None:
    """With ``--live-restore`` containers run on, and the engine knows them, and the pool, again when it answers."""
    host = asking.host
    host.stop_engine()
    host.start_engine("--live-restore")
    net = asking.network("--ipam-driver", asking.driver)
    one = asking.container(net, "-p", "8123:80")
    host.kill_engine()
    host.start_engine("--live-restore")
    gone = asking.container(net)
    host.docker("rm", "-f", gone.name)
    time.sleep(3 * GRACE)  # in this time everything would have gone that the engine does not know
    assert held(host)
    assert asking.container(net).reaches(one.name)


def test_an_address_that_no_endpoint_has_comes_back(asking: Scene, asker: Plugin) -> None:
    """As of a request that the engine gave up; that of a container stays."""
    net = asking.network("--ipam-driver", asking.driver, "--subnet", "10.66.0.0/29")
    one = asking.container(net)
    api = Api(asking.host.path(f"{PLUGINS}/{asker.name}.sock"))
    lost = {"PoolID": "pynet-local/10.66.0.0/29", "Address": "10.66.0.6"}
    api.call("POST", "/IpamDriver.RequestAddress", lost)
    api.close()
    wait_until(lambda: "address unknown to the engine removed" in asker.log.read_text(), "the address to be free")
    assert asking.container(net, "--ip", "10.66.0.6").reaches(one.ip(net))
