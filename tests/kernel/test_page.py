"""``pynet page`` beside a real pynet: the command as a user types it, in the network namespace of the test."""

import http.client
import json
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.contract.contract import document_validator
from tests.kernel.activator import PYNET
from tests.kernel.served import PATIENCE, Served
from tests.kernel.test_commands import MEMBER, NETWORK, NOBODY, command, served

__all__ = ["served"]  # a fixture
pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
ENDPOINT = {"NetworkID": NETWORK["NetworkID"], "EndpointID": "b2" * 32, "Interface": {"Address": "10.9.0.2/24"}}


@contextmanager
def page(served: Served, *words: str, before: tuple[str, ...] = ()) -> Iterator["subprocess.Popen[str]"]:
    """Start the command; end it with SIGKILL if it still runs."""
    env = {"PATH": os.environ["PATH"], "PYNET_SOCKET": str(served.socket)}
    argv = [*before, str(PYNET), "page", *words]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def address_of(process: "subprocess.Popen[str]") -> str:
    """Return the address that the command prints first."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], PATIENCE)[0]
    return process.stdout.readline().strip()


def get(address: str, path: str) -> Any:
    """Ask as the page does, with the token behind the # of the address."""
    url = urlsplit(address)
    with closing(http.client.HTTPConnection(url.netloc, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {url.fragment}"})
        return json.loads(connection.getresponse().read())


@pytest.mark.parametrize("who", [(), MEMBER], ids=["root", "member of the group"])
def test_the_page_shows_the_pynet_that_serves(served: Served, who: tuple[str, ...]) -> None:
    """A network and an endpoint are there after their creation, and gone after their removal, also after a restart."""
    with page(served, before=who) as process:
        address = address_of(process)
        first = get(address, "/api/overview")["Overview"]
        served.call("NetworkDriver.CreateEndpoint", **ENDPOINT)
        second = get(address, f"/api/overview?cursor={first['cursor']}")["Overview"]
        served.kill()
        away = get(address, "/api/overview")
        served.start()
        third = get(address, f"/api/overview?cursor={second['cursor']}")["Overview"]
    for found in (first, second, third):
        document_validator("overview").validate(found)
    assert [len(first[key]) for key in ("networks", "endpoints")] == [1, 0]
    assert [len(second[key]) for key in ("networks", "endpoints")] == [0, 1]
    assert (second["endpoints"][0]["ipv4"], third["whole"]) == ("10.9.0.2/24", True)
    assert "no pynet serves" in away["Err"]


def test_every_part_of_the_page_has_an_answer(served: Served) -> None:
    """What the page asks, the running pynet answers, or says why it cannot."""
    with page(served) as process:
        address = address_of(process)
        found = {path: get(address, f"/api/{path}") for path in ("status", "findings", "cluster")}
    assert (found["status"]["Failing"], found["findings"]) == ([], {"Repairs": []})
    assert "PYNET_STORE names no store" in found["cluster"]["Err"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_page(served: Served, how: signal.Signals) -> None:
    """However it ends: no process, no port, no file."""
    before = set(Path(tempfile.gettempdir()).glob("pynet-page-*"))
    with page(served, "--open") as process:
        url = urlsplit(address_of(process))
        get(url.geturl(), "/api/status")
        process.send_signal(how)
        assert process.wait(PATIENCE) == (130 if how == signal.SIGINT else -how)
    assert set(Path(tempfile.gettempdir()).glob("pynet-page-*")) == before
    with pytest.raises(ConnectionRefusedError):
        get(url.geturl(), "/api/status")
    assert served.ask("Status")["Failing"] == []


def test_a_page_ends_with_the_reader_of_its_output(served: Served) -> None:
    """As when a connection of ssh without a terminal breaks."""
    with page(served) as process:
        address_of(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == 130


def test_it_listens_on_loopback_alone(served: Served) -> None:
    """The port is nobody's but that of 127.0.0.1."""
    with page(served, "--port", "8321") as process:
        assert address_of(process).startswith("http://127.0.0.1:8321/#")
        sockets = subprocess.run(["ss", "-Htln", "sport = :8321"], capture_output=True, text=True, check=True).stdout
        taken = command(served, "page --port 8321")
    assert [line.split()[3] for line in sockets.splitlines()] == ["127.0.0.1:8321"]
    assert (taken.returncode, taken.stdout) == (75, "")
    assert taken.stderr == "Error: serve the page on port 8321: address already in use; choose another with --port\n"


def test_who_may_not_ask_pynet_gets_no_page(served: Served) -> None:
    """The page is no way around the group of the admin socket."""
    refused = command(served, "page", *NOBODY)
    assert (refused.returncode, refused.stdout) == (77, "")
    assert "permission denied; run it as root or join group docker" in refused.stderr
