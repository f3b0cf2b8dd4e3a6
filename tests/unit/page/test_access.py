"""Nobody reads the page but who has its token, and it changes nothing."""

import base64
import configparser
import hashlib
import re
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from fnmatch import fnmatch
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import page as page_folder
from cli.main import main
from cli.page.asking import VERBS, verb_of
from cli.page.document import SCRIPTS, document
from cli.page.server import CONNECTIONS, LOOPBACK, PageServer
from cli.page.serving import welcome
from handlers.routes import ROUTES
from plugin.errors import Conflict
from tests.unit.page.conftest import TOKEN, Page
from tests.unit.page.crowd import Crowd

STATIC = Path(page_folder.__file__).parent / "static"
REFUSED: Mapping[str, tuple[str, str, dict[str, str | None], int]] = {  # method, path, headers, status
    "host of a web site": ("GET", "/", {"Host": "evil.example:80"}, 403),
    "host of a web site, for data": ("GET", "/api/overview", {"Host": "evil.example"}, 403),
    "host that begins like ours": ("GET", "/api/overview", {"Host": "127.0.0.1.evil.example:80"}, 403),
    "no host": ("GET", "/api/overview", {"Host": None}, 403),
    "origin of another page": ("GET", "/api/overview", {"Origin": "http://evil.example"}, 403),
    "origin of another port": ("GET", "/api/overview", {"Origin": "http://127.0.0.1:1"}, 403),
    "origin of a file": ("GET", "/api/overview", {"Origin": "null"}, 403),
    "request by another site": ("GET", "/api/overview", {"Sec_Fetch_Site": "cross-site"}, 403),
    "request by another port": ("GET", "/api/overview", {"Sec_Fetch_Site": "same-site"}, 403),
    "no token": ("GET", "/api/overview", {"Authorization": None}, 403),
    "wrong token": ("GET", "/api/overview", {"Authorization": "Bearer wrong"}, 403),
    "empty token": ("GET", "/api/overview", {"Authorization": "Bearer "}, 403),
    "token that is not ASCII": ("GET", "/api/overview", {"Authorization": "Bearer \xe9"}, 403),
    "token in the query": ("GET", f"/api/overview?token={TOKEN}", {"Authorization": None}, 403),
    "change": ("POST", "/api/overview", {}, 405),
    "change of the state": ("POST", "/v1/reconcile", {}, 405),
    "other method": ("DELETE", "/", {}, 405),
    "head": ("HEAD", "/", {}, 405),
    "path of the admin socket": ("GET", "/v1/overview", {}, 404),
    "verb outside of the list": ("GET", "/api/log", {}, 404),
    "verb that changes": ("GET", "/api/reconcile", {}, 404),
    "path that climbs": ("GET", "/api/../v1/backup", {}, 404),
    "file of the host": ("GET", "//etc/passwd", {}, 404),
}

BAD = {
    "page --port 0": (64, "0 is not in the range 1<=x<=65535"),
    "page --port 65536": (64, "65536 is not in the range 1<=x<=65535"),
    "page --port http": (64, "'http' is not a valid integer range"),
    "page everything": (64, "unexpected extra argument (everything)"),
    "page": (69, "no pynet serves '/nowhere/admin.sock'"),
}


@pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSED.values(), ids=REFUSED)
def test_who_may_not_read_gets_a_sentence_and_pynet_is_not_asked(
    page: Page, method: str, path: str, headers: dict[str, str | None], status: int
) -> None:
    """Other names, other pages, other users, and everything that is no question of the page."""
    found, sent, body = page.get(path, method, **headers)

    assert (found, sent["Connection"]) == (status, "close")
    assert method == "HEAD" or body["Err"]
    assert page.crowd.asked == []


def test_the_page_itself_may_read(page: Page) -> None:
    """By its address, by localhost, and by another port that ssh forwards."""
    for host in (f"{LOOPBACK}:{page.port}", f"localhost:{page.port}", "127.0.0.1:9000"):
        status, headers, body = page.get(
            "/api/overview", Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin"
        )
        assert (status, len(body["Overview"]["networks"])) == (200, 4)
        assert headers["Cache-Control"] == "no-store"
    assert page.crowd.asked == ["Overview"] * 3


def test_the_document_needs_nothing_else_and_allows_nothing_else(page: Page) -> None:
    """Everybody may load it, as it has no data; its own script and style alone may run, by their hashes."""
    status, headers, html = page.get("/", Authorization=None)
    policy = headers["Content-Security-Policy"]

    assert (status, headers["X-Frame-Options"], headers["Referrer-Policy"]) == (200, "DENY", "no-referrer")
    for tag in ("script", "style"):
        [text] = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"(?:src|href)=\"(?!#|data:)", html) == []


def test_scripts_make_no_html_of_texts() -> None:
    """No file writes HTML, evaluates a text, or loads another file; the list has every file."""
    html = document().html.decode()
    forbidden = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "import(")

    assert [word for word in forbidden if word in html] == []
    assert html.count("// ") > len(SCRIPTS)


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda path: path.name)
def test_a_static_file_is_small_tidy_and_part_of_the_packages(file: Path) -> None:
    """It says what it is for, in short lines; each of its functions is used and has at most 40 lines."""
    text, every = file.read_text(), document().html.decode()
    settings = configparser.ConfigParser()
    settings.read(STATIC.parents[2] / "setup.cfg")
    functions = re.findall(r"^(?:async )?function (\w+)\(.*?^}$", text, re.DOTALL | re.MULTILINE)

    assert any(fnmatch(f"static/{file.name}", each) for each in settings["options.package_data"]["cli.page"].split())
    assert file.suffix == ".html" or text.startswith(("// ", "/* "))
    assert max(map(len, text.splitlines())) <= 120
    assert text.count("\n") <= 400
    assert not re.search(r"[ \t]$|\bvar \w|[^=!]==[^=]|!=[^=]", text, re.MULTILINE)
    assert [name for name in functions if len(re.findall(rf"\b{name}\b", every)) < 2] == []
    lengths = [
        part.count("\n") + 1 for part in re.findall(r"^(?:async )?function .*?^}$", text, re.DOTALL | re.MULTILINE)
    ]
    assert max(lengths, default=0) <= 40


def test_a_crowd_of_connections_is_refused_and_the_page_goes_on(page: Page) -> None:
    """Other users of the machine can connect, and take no more than some threads."""
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection((LOOPBACK, page.port))) for _ in range(CONNECTIONS + 5)]
        opened[-1].settimeout(10)
        assert opened[-1].recv(1) == b""
    until = time.monotonic() + 10
    while page.server.connections > CONNECTIONS // 2:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert page.get("/")[0] == 200


def test_only_reading_verbs_are_passed_on() -> None:
    """A verb of a later pynet, or one that changes something, is not found."""
    known = {path: verb_of(path) for path in VERBS}

    assert {verb: ROUTES[verb][0] for verb in known.values() if verb}.keys() == {
        verb for verb in VERBS.values() if verb in ROUTES
    }
    assert {ROUTES[verb][0] for verb in known.values() if verb} == {"GET"}
    assert verb_of("/api/backup") is None


def test_a_port_that_is_taken_is_a_sentence(page: Page) -> None:
    """The other page goes on."""
    with pytest.raises(Conflict, match=rf"port {page.port}: address already in use; choose another with --port"):
        PageServer(page.port, document(), TOKEN, Crowd(0))
    assert page.get("/")[0] == 200


def test_the_way_from_another_machine_is_told_where_there_is_no_screen() -> None:
    """The command of ssh has the address at which the user reached this machine."""
    far = welcome("http://x/#t", 8321, {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.9 22", "USER": "anna"})

    assert far.startswith("http://x/#t\n")
    assert far.endswith("  ssh -N -L 8321:127.0.0.1:8321 anna@192.0.2.9")
    assert "ssh" not in welcome("http://x/#t", 8321, {"DISPLAY": ":0"})


@pytest.mark.parametrize(("words", "said"), BAD.items())
def test_a_bad_command_line_is_a_sentence(words: str, said: tuple[int, str]) -> None:
    """And no page is served; neither is one without a pynet."""
    found = CliRunner().invoke(main, words.split(), env={"PYNET_ADMIN_SOCKET": "/nowhere/admin.sock"})

    assert (found.exit_code, found.stdout) == (said[0], "")
    assert said[1] in found.stderr
