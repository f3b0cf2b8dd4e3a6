"""The common parts of remote stores: reading PYNET_STORE, asking several servers, and finding missed changes."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netlink.deadline import within
from plugin.errors import Failed, InvalidRequest
from plugin.model.records import Tombstone
from plugin.store.base import ClusterStore, Event, StoreAway
from plugin.store.remote.address import Access, StoreAddress, read_access
from plugin.store.remote.consul.store import ConsulStore
from plugin.store.remote.etcd.store import EtcdStore
from plugin.store.remote.factory import STORES, open_cluster_store, parse_store_address
from plugin.store.remote.http import HttpAnswer, HttpEndpoints, HttpRequest
from plugin.store.remote.subscriptions import KnownRevisions
from plugin.store.remote.zookeeper.store import ZooKeeperStore
from plugin.store.rows import Aside, Row, encode

# --- PYNET_STORE ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("etcd://h1", StoreAddress("etcd", (("h1", 2379),))),
        ("etcd://h1:1,10.0.0.2:2/a/b/", StoreAddress("etcd", (("h1", 1), ("10.0.0.2", 2)), "a/b")),
        ("zookeeper://[2001:db8::1]:7,[::1]", StoreAddress("zookeeper", (("2001:db8::1", 7), ("::1", 2181)))),
        ("consul://localhost/pynet", StoreAddress("consul", (("localhost", 8500),))),
    ],
)
def test_urls_are_read_and_written(text: str, address: StoreAddress) -> None:
    """Several endpoints, default ports, IPv6 and a prefix; what is written is read as the same."""
    assert parse_store_address(text) == address
    assert parse_store_address(str(address)) == address


CLASSES: dict[str, Callable[[StoreAddress, Access], ClusterStore]] = {
    "etcd": EtcdStore,
    "zookeeper": ZooKeeperStore,
    "consul": ConsulStore,
}


@pytest.mark.parametrize("scheme", STORES)
def test_each_scheme_opens_its_store(scheme: str) -> None:
    """The table names a class for each; nothing listens at the address, and nothing is asked yet."""
    store = open_cluster_store(parse_store_address(f"{scheme}://192.0.2.1"), Access())
    assert type(store) is CLASSES[scheme]
    store.close()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("h1:2379", "not of the form etcd://HOST:PORT"),
        ("redis://h1", "'redis' is not a store; stores are: etcd, zookeeper, consul"),
        ("etcd://", "'' is not HOST:PORT"),
        ("etcd://h1,,h2", "'' is not HOST:PORT"),
        ("etcd://h1:70000", "port 70000 is not between 1 and 65535"),
        ("etcd://2001:db8::1:2379", "'2001:db8::1:2379' is not HOST:PORT"),
        ("etcd://h1/a b", "prefix 'a b' has other characters than"),
        ("etcd://me:secret@h1", "credentials do not belong in the URL; set PYNET_STORE_USER"),
    ],
)
def test_urls_that_do_not_parse_are_refused(text: str, why: str) -> None:
    """One sentence that names the part; a password is not repeated in it."""
    with pytest.raises(InvalidRequest, match=f"read store '.*': .*{why}") as caught:
        parse_store_address(text)
    assert "secret" not in str(caught.value)


def test_files_of_the_settings_are_read_at_once(tmp_path: Path) -> None:
    """A missing file, and half of a pair, are refused before any server is asked."""
    (tmp_path / "password").write_text("right\n")
    assert read_access((None, None, None), "me", tmp_path / "password") == Access(user="me", password="right")
    for files, user, password, text in (
        ((tmp_path / "ca", None, None), "", None, "ca': no such file"),
        ((None, tmp_path / "password", None), "", None, "PYNET_STORE_CERT and PYNET_STORE_KEY belong together"),
        ((None, None, None), "me", None, "PYNET_STORE_USER needs PYNET_STORE_PASSWORD_FILE"),
        ((None, None, None), "me", tmp_path, "is a directory"),
    ):
        with pytest.raises(InvalidRequest, match=text):
            read_access(files, user, password)


# --- several endpoints ---------------------------------------------------------------------------

Serve = Callable[..., tuple[str, int]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server; it answers with these statuses in turn, the last one for ever."""
    servers = []

    def start(*statuses: int) -> tuple[str, int]:
        left = list(statuses)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                status = left.pop(0) if len(left) > 1 else left[0]
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return "127.0.0.1", server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def endpoints(*places: tuple[str, int]) -> HttpEndpoints:
    return HttpEndpoints(StoreAddress("etcd", places), Access(), lambda a: "no leader" if a.status == 503 else "")


def ask(http_endpoints: HttpEndpoints) -> HttpAnswer:
    try:
        return http_endpoints.ask("read", HttpRequest("POST", "/x", {}))
    finally:
        http_endpoints.close()


def test_the_next_endpoint_is_asked(serve: Serve) -> None:
    """One that refuses connections, one that has no leader and one that hangs up are passed over."""
    assert ask(endpoints(("127.0.0.1", 1), serve(503), serve(0), serve(200))).status == 200


def test_an_answer_may_be_the_second(serve: Serve) -> None:
    """Whoever writes learns that a server may have carried out an earlier attempt, and only then."""
    assert ask(endpoints(serve(0, 200))).repeated
    assert not ask(endpoints(("127.0.0.1", 1), serve(200))).repeated


def test_refusals_are_answers(serve: Serve) -> None:
    """What is not only for the moment is not tried elsewhere."""
    assert ask(endpoints(serve(400), serve(200))).status == 400


def test_everybody_s_trouble_is_named(serve: Serve) -> None:
    """When the time is over the sentence says what each endpoint did instead of answering."""
    places = (("127.0.0.1", 1), serve(503), serve(0), ("no-such-host.invalid", 1))
    with within(0.5), pytest.raises(StoreAway) as caught:
        ask(endpoints(*places))
    text = str(caught.value)
    assert text.startswith("read store 'etcd://127.0.0.1:1,")
    for why in ("127.0.0.1:1: connection refused", "no leader", "it closed the connection"):
        assert why in text


def test_no_time_is_a_sentence_too(serve: Serve) -> None:
    """A request whose time another operation has used up asks nobody."""
    with within(0), pytest.raises(StoreAway, match="there was no time left to ask it"):
        ask(endpoints(serve(200)))


def test_a_closed_store_asks_nobody(serve: Serve) -> None:
    """After close a sentence comes at once."""
    closed = endpoints(serve(200))
    closed.close()
    with pytest.raises(Failed, match="it is closed"):
        ask(closed)


def test_an_answer_that_is_no_json_is_said() -> None:
    """A proxy's page in the place of an answer is shown as far as it fits."""
    with pytest.raises(Failed, match=r"read the store's answer: '<html>.*' is not JSON"):
        HttpAnswer(200, "<html>" + "x" * 200, {}).json()


# --- what a watch has seen -----------------------------------------------------------------------


def row(key: str, revision: int, owner: str = "") -> Row:
    return Row(key, revision, encode(Tombstone(key, owner)))


def told(events: "list[Event]") -> list[tuple[str, str | None]]:
    return [(e.key, e.record.owner if isinstance(e.record, Tombstone) else None) for e in events]


def test_each_change_is_told_once() -> None:
    """What comes again after a connection broke is known, and a removal of what nobody knew is nothing."""
    seen = KnownRevisions(Tombstone, {"a": 5}, Aside())
    assert told(seen.apply(row("a", 5))) == []
    assert told(seen.apply(row("a", 6, "x"))) == [("a", "x")]
    assert told(seen.apply(Row("a", 7))) == [("a", None)]
    assert told(seen.apply(Row("a", 7))) == []


def test_a_listing_tells_the_difference() -> None:
    """Gone, changed and new, in the order of their revisions; what stayed is not told."""
    seen = KnownRevisions(Tombstone, {"gone": 1, "same": 2, "old": 3}, Aside())
    rows = [row("new", 9, "n"), row("same", 2), row("old", 8, "o")]
    assert told(list(seen.replace(rows, 10))) == [("gone", None), ("old", "o"), ("new", "n")]
    assert told(list(seen.replace(rows, 11))) == []


def test_a_record_that_cannot_be_read_is_left_out() -> None:
    """What a newer pynet wrote on another host does not end the watch of this one."""
    seen = KnownRevisions(Tombstone, {}, Aside())
    assert told(seen.apply(Row("a", 1, '{"what": 1}'))) == [("a", None)]
    assert told(seen.apply(row("a", 2, "x"))) == [("a", "x")]
