"""Bytes that a sound or a broken engine sends, answered by the real server."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from cli.server.socket import BACKLOG
from cli.server.worker import COMMANDS, CONNECTIONS
from tests.contract.contract import error_validator, validator

HEADERS = "User-Agent: Go-http-client/1.1\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n"
ACTIVATE = f"POST /Plugin.Activate HTTP/1.1\r\nHost: plugin.moby.localhost\r\n{HEADERS}Content-Length: 0\r\n\r\n"
DELETE = f"POST /NetworkDriver.DeleteNetwork HTTP/1.1\r\nHost: \r\n{HEADERS}"
STATUS = "GET /v1/status HTTP/1.1\r\nHost: pynet\r\n\r\n"
TIMEOUT = 20.0  # seconds; nothing here takes one, a hang must not take for ever


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Path of a socket that is served."""
    with serving() as path:
        yield path


@contextmanager
def serving(*how: str) -> Iterator[str]:
    """Serve a socket and yield its path; clients queue while the server starts. The admin socket is beside it."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = str(Path(folder) / "pynet.sock")
        listeners = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for listener, place in zip(listeners, (path, admin_of(path)), strict=True):
            listener.bind(place)
            listener.listen(BACKLOG)
        numbers = [listener.fileno() for listener in listeners]
        command = [sys.executable, "-m", "tests.contract.serving", *how, *map(str, numbers)]
        server = subprocess.Popen(command, pass_fds=numbers, stderr=subprocess.DEVNULL)
        try:
            yield path
        finally:
            server.terminate()
            server.wait(TIMEOUT)


def admin_of(address: str) -> str:
    """Return the path of the admin socket."""
    return address.replace("pynet.sock", "admin.sock")


def dial(address: str) -> socket.socket:
    """Connect as the engine does."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(TIMEOUT)
    client.connect(address)
    return client


def exchange(address: str, data: str, *, half_close: bool = False) -> tuple[int, str, dict[str, object]]:
    """Send bytes as they are; return status, headers and body of what comes back before the server closes."""
    answer = b""
    with dial(address) as client:
        with suppress(BrokenPipeError):  # an answer may come before everything is read
            client.sendall(data.encode())
            if half_close:
                client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := client.recv(65536):
                answer += part
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split(" ")[1]), head, json.loads(body)


def request(body: str, length: int | None = None) -> str:
    """Return a DeleteNetwork request that announces ``length`` bytes."""
    return f"{DELETE}Content-Length: {len(body) if length is None else length}\r\n\r\n{body}"


CHUNKS = f"{DELETE}Transfer-Encoding: chunked\r\n\r\n12\r\n"
HOSTS = [
    "Host: \r\n",
    "Host: plugin.moby.localhost\r\n",
    "Host: /run/x.sock\r\n",
    "Host: a:b:c\r\n",
    "Host: [::\r\n",
    "Host: é x\r\n",
]


@pytest.mark.parametrize("host", HOSTS)
def test_any_host_is_served(address: str, host: str) -> None:
    """20.10 sends an empty Host, newer engines a made-up one; the reply has a length and ends the connection."""
    wish = ACTIVATE.replace("Host: plugin.moby.localhost\r\n", host)
    status, head, reply = exchange(address, wish)

    assert status == 200
    validator("Plugin.Activate", "reply").validate(reply)
    for header in ("content-length:", "connection: close", "content-type: application/vnd.docker.plugins.v1.2+json"):
        assert header in head.lower()


@pytest.mark.parametrize("path", ["/", "/x//Plugin.Activate", "/Plugin.Activate/", "/%00", "/%ff"])
def test_an_unknown_path_is_not_implemented(address: str, path: str) -> None:
    """Never a redirect: the engine's client would follow it with a GET."""
    status, _, reply = exchange(address, ACTIVATE.replace("/Plugin.Activate", path, 1))

    assert status == 404
    error_validator().validate(reply)


def test_a_body_needs_no_content_type(address: str) -> None:
    """The engine never sends one."""
    assert exchange(address, request('{"NetworkID":"a1"}\n'))[::2] == (200, {})


def test_a_chunked_body_is_read(address: str) -> None:
    """No engine sends one, but a proxy between may."""
    chunks = '12\r\n{"NetworkID":"a1"}\r\n0\r\n\r\n'

    assert exchange(address, f"{DELETE}Transfer-Encoding: chunked\r\n\r\n{chunks}")[::2] == (200, {})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (request(""), "an earlier attempt may have been carried out"),
        (request('{"NetworkID":', 400), "ends before the 400 bytes"),
        (request("", 400), "ends before the 400 bytes"),
        (request("", 9 << 20), "larger than 8388608 bytes"),
        (f"{DELETE}Transfer-Encoding: chunked\r\n\r\n900000\r\n{'a' * (9 << 20)}\r\n0\r\n\r\n", "larger than 8388608"),
    ],
    ids=["drained", "half", "none of it", "too much announced", "too much sent"],
)
def test_a_broken_body_is_refused(address: str, data: str, words: str) -> None:
    """A retry without its body, a caller that dies half-way and one that never ends get status 400 and a sentence."""
    status, _, reply = exchange(address, data, half_close=True)

    assert status == 400
    error_validator().validate(reply)
    assert words in str(reply["Err"])


def test_too_much_is_refused_before_it_is_read(address: str) -> None:
    """The announced length is enough to refuse: the answer comes while the caller still holds the body back."""
    status, _, reply = exchange(address, request("", 9 << 20))

    assert (status, "larger than" in str(reply["Err"])) == (400, True)


@pytest.mark.parametrize("verb", ["Plugin.Activate", "NetworkDriver.GetCapabilities", "IpamDriver.GetCapabilities"])
def test_too_much_is_refused_where_no_body_is_read(address: str, verb: str) -> None:
    """What is announced counts for every verb."""
    wish = ACTIVATE.replace("Plugin.Activate", verb).replace("Content-Length: 0", f"Content-Length: {9 << 20}")
    status, _, reply = exchange(address, wish)

    assert (status, "larger than 8388608 bytes" in str(reply["Err"])) == (400, True)
    error_validator().validate(reply)


@pytest.mark.parametrize("data", ["", "POST /NetworkDriver.Del", request("")[:-2], "\x16\x03\x01\x02"])
def test_callers_that_hang_up_harm_nobody(address: str, data: str) -> None:
    """The engine probes a managed plugin by connecting and closing; more of them than threads change nothing."""
    for _ in range(8):
        with dial(address) as client:
            client.sendall(data.encode())

    assert exchange(address, ACTIVATE)[0] == 200


HALVES = {"nothing": "", "half a head": "POST /NetworkDriver.Del", "no body": request("", 400), "chunks": CHUNKS}


@pytest.mark.parametrize("half", HALVES)
def test_callers_that_do_not_go_on_hold_nobody_up(address: str, half: str) -> None:
    """Three times as many as there are threads: none of them has a thread before its request is whole."""
    with ExitStack() as silent:
        for _ in range(12):
            silent.enter_context(dial(address)).sendall(HALVES[half].encode())

        assert exchange(address, ACTIVATE)[0] == 200


def test_more_callers_than_connections_hold_nobody_up(address: str) -> None:
    """The oldest that did not finish their requests make room."""
    with ExitStack() as silent:
        for _ in range(CONNECTIONS + 20):
            silent.enter_context(dial(address))

        assert exchange(address, ACTIVATE)[0] == 200


@pytest.mark.parametrize(("half", "answer"), [("nothing", b""), ("half a head", b""), ("no body", b"HTTP/1.1 400 ")])
def test_a_caller_that_does_not_go_on_is_sent_away(address: str, half: str, answer: bytes) -> None:
    """A caller that stops is disconnected; if it had sent a head, it is told that its body is too short."""
    with dial(address) as client:
        client.sendall(HALVES[half].encode())
        said = b"".join(iter(lambda: client.recv(65536), b""))

        assert said[:13] == answer
        assert (b"ends before the 400 bytes" in said) == bool(answer)


FIELDS = "".join(f"X-{number}: y\r\n" for number in range(70))


@pytest.mark.parametrize(
    ("head", "code", "words"),
    [
        ("POST /Plugin.Activate HTTP/1.1\r\nX: " + "y" * 40_000, 431, "larger than 32768 bytes"),
        (f"POST /Plugin.Activate HTTP/1.1\r\n{FIELDS}", 431, "headers fields"),
        (f"POST /{'x' * 9000} HTTP/1.1", 400, "is not HTTP"),
        ("GARBAGE", 400, "is not HTTP"),
        ("POST / HTTP/1.1\r\nContent-Length: x", 400, "is not HTTP"),
    ],
    ids=["large", "many fields", "long line", "garbage", "no length"],
)
def test_a_head_that_is_too_much_or_no_http_is_refused(address: str, head: str, code: int, words: str) -> None:
    """In the same form as every other refusal."""
    status, _, reply = exchange(address, f"{head}\r\n\r\n")

    assert status == code
    error_validator().validate(reply)
    assert words in str(reply["Err"])


def test_the_server_closes_first(address: str) -> None:
    """A caller that keeps its end open after the answer holds nobody up: nothing waits for it."""
    with dial(address) as client:
        client.sendall(ACTIVATE.encode())
        while client.recv(65536):
            pass

        assert exchange(address, ACTIVATE)[0] == 200


def test_who_asks_for_the_status_keeps_nobody_waiting() -> None:
    """200 callers of the status that hang up while a survey hangs do not keep the next ones from an answer."""
    with serving("hanging") as hanging:
        for _ in range(200):
            with dial(admin_of(hanging)) as client, suppress(BrokenPipeError):
                client.sendall(STATUS.encode())
        capabilities = exchange(hanging, ACTIVATE.replace("Plugin.Activate", "NetworkDriver.GetCapabilities"))
        asked = iter(lambda: exchange(admin_of(hanging), STATUS), None)
        status = next(answer for answer in asked if answer[0] != 503)  # while the last of those are dropped

    assert (capabilities[0], capabilities[2]["Scope"]) == (200, "local")
    assert (status[0], status[2]["Looks"]) == (200, 0)


def test_each_socket_has_its_own_verbs(address: str) -> None:
    """The engine's socket knows no command, and the admin socket no verb of the engine."""
    assert exchange(address, STATUS)[0] == 404
    assert exchange(address, STATUS.replace("GET /v1/status", "POST /Pynet.Status"))[0] == 404
    assert exchange(admin_of(address), ACTIVATE)[0] == 404


def test_silent_commands_leave_the_engine_alone() -> None:
    """One command too many is refused at once, and the engine is answered beside them."""
    with serving() as address, ExitStack() as clients:
        exchange(address, ACTIVATE)
        for _ in range(COMMANDS):
            clients.enter_context(dial(admin_of(address)))
        refused, served = exchange(admin_of(address), STATUS), exchange(address, ACTIVATE)

    assert (refused[0], served[0]) == (503, 200)
    assert refused[2]["Err"] == "32 commands are asking at the same time; ask again in a moment"
