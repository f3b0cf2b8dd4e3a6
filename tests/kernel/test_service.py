"""``pynet serve`` under a service manager, on a real kernel and through the real socket."""

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.kernel.activator import PYNET, Activator, Call, call

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
NAME = "com.docker.network.endpoint.name"


@pytest.fixture
def activator(tmp_path: Path) -> Iterator[Callable[..., Activator]]:
    """Make a service manager in the namespace of the test."""
    made: list[Activator] = []

    def make(**environment: str) -> Activator:
        made.append(Activator(tmp_path, **environment))
        return made[0]

    yield make
    for manager in made:
        manager.close()


def named(number: int) -> str:
    """A network id; links are named after its first digits."""
    return f"{number:012x}".ljust(64, "0")


def network(number: int, subnet: str) -> dict[str, Any]:
    """The request for a network."""
    data = {"AddressSpace": "pynet-local", "Pool": subnet, "Gateway": subnet.replace("0/24", "1/24")}
    return {"NetworkID": named(number), "Options": {}, "IPv4Data": [data], "IPv6Data": []}


def test_no_call_is_lost_while_pynet_restarts(activator: Callable[..., Activator]) -> None:
    """Four clients make and remove networks while pynet restarts three times, and no call is lost."""
    manager, stop = activator(), Event()
    manager.start()

    def work(client: int) -> int:
        done = 0
        while not stop.is_set():
            number = client * 1000 + done
            call(manager.path, "NetworkDriver.CreateNetwork", **network(number, f"10.{client}.{done % 250}.0/24"))
            call(manager.path, "NetworkDriver.DeleteNetwork", NetworkID=named(number))
            done += 1
        return done

    with ThreadPoolExecutor(4) as clients:
        working = [clients.submit(work, client) for client in range(1, 5)]
        try:
            for _ in range(3):
                while not manager.heard().startswith("READY"):
                    pass
                manager.restart()
        finally:
            stop.set()
    assert all(result.result() > 0 for result in working)
    assert manager.path.is_socket()


def test_a_call_that_was_begun_is_finished(activator: Callable[..., Activator]) -> None:
    """The end is asked for while half of a body is there; the other half still gets its answer.

    Calls are accepted in turn, so the answer to the next one says that this one does not wait for another pynet.
    """
    manager = activator()
    manager.start()
    assert manager.heard() == "READY=1"
    body = json.dumps(network(1, "10.1.1.0/24")).encode()
    with closing(Call(manager.path)) as connection:
        connection.putrequest("POST", "/NetworkDriver.CreateNetwork")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:20])
        call(manager.path, "Plugin.Activate")
        manager.ask_to_end()
        assert manager.heard() == "STOPPING=1"
        connection.send(body[20:])
        assert connection.getresponse().status == 200
    assert manager.wait()[0] == 0
    assert manager.path.is_socket()


def test_it_is_ready_when_it_serves_and_keeps_saying_so(activator: Callable[..., Activator]) -> None:
    """READY comes after the recovery, then the watchdog hears of every request that was answered."""
    manager = activator(WATCHDOG_USEC="300000")
    manager.start()
    assert [manager.heard() for _ in range(3)] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]


def test_a_socket_of_another_name_is_refused(activator: Callable[..., Activator]) -> None:
    """The unit and the setting must agree, or the driver would have a name that nobody expects."""
    manager = activator(PYNET_SOCKET="/run/other.sock")
    manager.start()
    code, log = manager.wait()
    assert (code, "PYNET_SOCKET is '/run/other.sock'" in log) == (78, True)
    assert len(log.splitlines()) == 1


def test_engine_29_keeps_addresses_by_name(activator: Callable[..., Activator]) -> None:
    """Requests as 29 sends them, through the socket: the container that is made again has its address and MAC."""
    manager = activator()
    manager.start()
    sticky = {"pynet.sticky": "name", "pynet.keep": "1h"}
    wish = {"AddressSpace": "pynet-local", "Pool": "10.29.0.0/24", "SubPool": "", "Options": None, "V6": False}
    pool = call(manager.path, "IpamDriver.RequestPool", **wish)["PoolID"]
    options = {"com.docker.network.generic": sticky, "com.docker.network.enable_ipv4": True}
    call(manager.path, "NetworkDriver.CreateNetwork", **network(29, "10.29.0.0/24") | {"Options": options})

    def started(name: str, endpoint: str) -> tuple[str, str]:
        given = call(manager.path, "IpamDriver.RequestAddress", PoolID=pool, Address="", Options={NAME: name})
        ids = {"NetworkID": named(29), "EndpointID": endpoint * 64}
        interface = {"Address": given["Address"], "AddressIPv6": "", "MacAddress": ""}
        reply = call(manager.path, "NetworkDriver.CreateEndpoint", **ids, Interface=interface, Options={})
        return given["Address"], reply["Interface"]["MacAddress"]

    before = started("web", "a")
    call(manager.path, "NetworkDriver.DeleteEndpoint", NetworkID=named(29), EndpointID="a" * 64)
    call(manager.path, "IpamDriver.ReleaseAddress", PoolID=pool, Address=before[0].partition("/")[0])
    manager.restart()
    assert started("db", "b") != before
    assert started("web", "c") == before
    call(manager.path, "NetworkDriver.DeleteNetwork", NetworkID=named(29))


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"PYNET_THREADS": "2"}, 78, "must be 16 to 256"),
        ({"PYNET_SOKET": "x"}, 78, "'PYNET_SOKET' is not known"),
        ({"PYNET_POOLS": "10.0.0.0/8"}, 78, "not of the form"),
    ],
)
def test_a_bad_setting_ends_it(tmp_path: Path, environment: dict[str, str], code: int, words: str) -> None:
    """A bad setting ends pynet with one sentence and the exit code for settings."""
    places = {"PYNET_SOCKET": str(tmp_path / "s"), "PYNET_STATE_DIR": str(tmp_path / "state")}
    ended = subprocess.run([PYNET, "serve"], env=places | environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, words in ended.stderr) == (code, True), ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


@pytest.mark.parametrize(
    ("environment", "code", "words"),
    [
        ({"PYNET_THREADS": "2"}, 78, "setting 'PYNET_THREADS' must be 16 to 256, not '2'"),
        ({"PYNET_SOCKET": "/run/other.sock"}, 78, "but PYNET_SOCKET is '/run/other.sock'"),
        ({"PYNET_ADVERTISE": "nowhere", "PYNET_STORE": "etcd://127.0.0.1:1"}, 78, "nowhere"),
        ({"PYNET_STATE_DIR": "/proc/none"}, 74, "open lock file '/proc/none/lock'"),
    ],
)
def test_calls_that_wait_learn_why_it_does_not_start(
    activator: Callable[..., Activator], environment: dict[str, str], code: int, words: str
) -> None:
    """If pynet cannot start, each waiting call gets the sentence, none stays in the socket, and pynet ends."""
    manager = activator(**environment)
    waiting = [Call(manager.path) for _ in range(3)]
    for connection in waiting:
        connection.request("POST", "/NetworkDriver.CreateNetwork", json.dumps(network(1, "10.1.1.0/24")))
    manager.start()
    for connection in waiting:
        answer = connection.getresponse()
        said = json.loads(answer.read())["Err"]
        assert (answer.status, said.startswith("pynet does not serve: "), words in said) == (500, True, True)
        connection.close()
    ended, log = manager.wait()
    assert (ended, words in log, log.count("\n")) == (code, True, 1)
    assert manager.idle


def test_a_start_that_fails_with_nobody_waiting_ends_at_once(activator: Callable[..., Activator]) -> None:
    """A failing start without waiting calls ends at once, and with a corrected setting the next one works."""
    manager = activator(PYNET_THREADS="2")
    manager.start()
    assert manager.wait()[0] == 78
    manager.mend("PYNET_THREADS")
    manager.start()
    assert manager.heard() == "READY=1"
    assert call(manager.path, "NetworkDriver.GetCapabilities")["Scope"] == "local"


def test_a_second_pynet_on_the_same_state_ends(activator: Callable[..., Activator], tmp_path: Path) -> None:
    """A second pynet on the same state ends, names the first one, and leaves no socket."""
    manager = activator()
    manager.start()
    assert manager.heard() == "READY=1"
    places = {"PYNET_SOCKET": str(tmp_path / "second.sock"), "PYNET_STATE_DIR": str(tmp_path / "state")}
    second = subprocess.run([PYNET, "serve"], env=places, capture_output=True, text=True, check=False)
    assert (second.returncode, "another pynet uses it, process" in second.stderr) == (75, True)
    assert not (tmp_path / "second.sock").exists()
    assert call(manager.path, "NetworkDriver.GetCapabilities")["Scope"] == "local"


def test_a_second_pynet_on_the_same_socket_ends(activator: Callable[..., Activator], tmp_path: Path) -> None:
    """A second pynet on the same socket ends, whatever its state folder is."""
    manager = activator()
    manager.start()
    assert manager.heard() == "READY=1"
    places = {"PYNET_SOCKET": str(manager.path), "PYNET_STATE_DIR": str(tmp_path / "other")}
    second = subprocess.run([PYNET, "serve"], env=places, capture_output=True, text=True, check=False)
    assert (second.returncode, "another process answers there" in second.stderr) == (75, True)
    assert manager.path.is_socket()


def test_the_state_of_a_newer_pynet_is_left_alone(tmp_path: Path) -> None:
    """The state of a newer pynet is left alone, and the sentence names the cure."""
    (tmp_path / "state").mkdir()
    with closing(sqlite3.connect(tmp_path / "state/pynet.db")) as database:
        database.execute("PRAGMA user_version = 99")
    places = {"PYNET_SOCKET": str(tmp_path / "s"), "PYNET_STATE_DIR": str(tmp_path / "state")}
    ended = subprocess.run([PYNET, "serve"], env=places, capture_output=True, text=True, check=False)
    assert (ended.returncode, "a newer pynet wrote it (version 99" in ended.stderr) == (65, True)
