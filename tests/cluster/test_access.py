"""Logging in to real stores: credentials, certificates, and the sentences of refusals."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plugin.errors import Busy, Failed, InvalidRequest, PynetError
from plugin.model.records import Tombstone
from plugin.store.base import ClusterStore, Put, StoreAway
from plugin.store.remote.address import Access
from plugin.store.remote.etcd.store import EtcdStore
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from tests.cluster.servers import Consul, Etcd, ZooKeeper, ask
from tests.cluster.test_faults import running

pytestmark = pytest.mark.cluster

TOKEN, OTHER_TOKEN = "b1946ac9-2dcd-4a3a-8f1c-2f6a3b0c7a11", "3f6d1f0e-55a1-4c1b-9d55-0b7a9a4c2e22"


def opened(url: str, **access: Any) -> ClusterStore:
    return open_cluster_store(parse_store_address(url), Access(**access))


def write(store: ClusterStore) -> None:
    """Use a store once and close it."""
    try:
        store.transact(Put(Tombstone("a")))
        assert store.get(Tombstone, "a") is not None
        with store.watch(Tombstone) as events:
            store.transact(Put(Tombstone("b")))
            assert next(events).key == "b"
    finally:
        store.close()


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Etcd]:
    """Return an etcd that wants a user and a password."""
    with running(Etcd(tmp_path)) as etcd:
        admin = EtcdStore(parse_store_address(etcd.url), Access())
        for path, body in (
            ("auth/user/add", {"name": "root", "password": "right"}),
            ("auth/user/grant", {"user": "root", "role": "root"}),
            ("auth/user/add", {"name": "guest", "password": "right"}),
            ("auth/enable", {}),
        ):
            admin._client.ask("prepare", path, body)
        admin.close()
        yield etcd


def test_etcd_takes_user_and_password(guarded: Etcd) -> None:
    """With the right ones everything works, watches included."""
    write(opened(guarded.url, user="root", password="right"))


@pytest.mark.parametrize(
    ("access", "text"),
    [
        ({"user": "root", "password": "wrong"}, r"as 'root': it refused: etcdserver: authentication failed"),
        ({"user": "nobody", "password": "x"}, r"as 'nobody': it refused: etcdserver: authentication failed"),
        ({"user": "guest", "password": "right"}, r"it refused: etcdserver: permission denied"),
        ({}, r"it refused: etcdserver: user name is empty"),
    ],
)
def test_etcd_s_refusal_is_a_sentence(guarded: Etcd, access: dict[str, str], text: str) -> None:
    """It names the store, the user and etcd's reason, never the password, and is no case of being away."""
    with pytest.raises(Failed, match=text) as caught:
        write(opened(guarded.url, **access))
    assert not isinstance(caught.value, StoreAway)
    assert "wrong" not in str(caught.value)


def test_a_login_that_ran_out_is_made_again(guarded: Etcd) -> None:
    """A token lives for minutes; the request that meets its end is carried out all the same."""
    store = opened(guarded.url, user="root", password="right")
    store.transact(Put(Tombstone("a")))
    store._client._token = "stale.1"  # type: ignore[attr-defined]
    write(store)


def test_credentials_that_nobody_asked_for_are_said(tmp_path: Path) -> None:
    """A user for an etcd without authentication is a mistake of somebody, not a success."""
    with running(Etcd(tmp_path)) as etcd, pytest.raises(Failed, match="authentication is not enabled"):
        write(opened(etcd.url, user="root", password="right"))


def test_zookeeper_hides_records_from_others(tmp_path: Path) -> None:
    """ZooKeeper hides records from others: another user, and none, are refused with a sentence."""
    with running(ZooKeeper(tmp_path)) as zookeeper:
        write(opened(zookeeper.url, user="pynet", password="right"))
        for access in ({"user": "pynet", "password": "wrong"}, {}):
            with pytest.raises(Failed, match=r"store 'zookeeper://127.0.0.1:\d+/pynet': it refused: NoAuthError"):
                write(opened(zookeeper.url, **access))


@pytest.fixture
def consul(tmp_path: Path) -> Iterator[Consul]:
    """Return a Consul that wants a token."""
    with running(Consul(tmp_path, token=TOKEN)) as consul:
        yield consul


def token_for(consul: Consul, rules: str) -> str:
    """Make a token with the rights of ``rules``, and return it."""
    made = {}
    bodies = {"policy": {"Name": "some", "Rules": rules}, "token": {"Policies": [{"Name": "some"}]}}
    for path, body in bodies.items():
        request = urllib.request.Request(
            f"http://127.0.0.1:{consul.servers[0].port}/v1/acl/{path}",
            json.dumps(body).encode(),
            {"X-Consul-Token": TOKEN},
            method="PUT",
        )
        made = ask(request)
    return str(made["SecretID"])


def test_consul_takes_a_token(consul: Consul) -> None:
    """The password alone is Consul's token; another one and none are refused with a sentence."""
    write(opened(consul.url, password=TOKEN))
    for access, text in (({"password": OTHER_TOKEN}, "ACL not found"), ({}, "Permission denied")):
        with pytest.raises(Failed, match=rf"write store 'consul://.*': it refused: {text}"):
            write(opened(consul.url, **access))


def test_a_token_that_may_only_read_is_refused(consul: Consul) -> None:
    """A token that may only read is refused, although Consul answers with the status of a conflict."""
    store = opened(consul.url, password=token_for(consul, 'key_prefix "" { policy = "read" }'))
    assert store.list(Tombstone) == []
    with pytest.raises(Failed, match=r"write store 'consul://.*': it refused: Permission denied$") as caught:
        write(store)
    assert not isinstance(caught.value, Busy)


# --- TLS -----------------------------------------------------------------------------------------


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two authorities, and a server's and a client's certificate of the first."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other"):
        openssl(folder, "req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
    for name in ("server", "client"):
        openssl(folder, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder


@pytest.fixture(scope="module")
def tls(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    """Return an etcd that speaks TLS and wants certificates of its clients."""
    options = ["--cert-file", certificates / "server.pem", "--key-file", certificates / "server.key"]
    options += ["--client-cert-auth", "--trusted-ca-file", certificates / "ca.pem"]
    with running(Etcd(tmp_path_factory.mktemp("tls"), 1, [str(word) for word in options], "https")) as etcd:
        yield etcd


def test_etcd_takes_certificates(tls: Etcd, certificates: Path) -> None:
    """Both sides show one of the same authority."""
    write(
        opened(
            tls.url,
            ca=certificates / "ca.pem",
            certificate=certificates / "client.pem",
            key=certificates / "client.key",
        )
    )


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"ca": "other.pem"}, r"its certificate is not accepted: "),
        ({"ca": "ca.pem"}, r"TLS failed: .*(alert|eof)|it closed the connection|connection reset"),
        ({}, r"it closed the connection|connection reset|400"),
    ],
)
def test_certificates_that_do_not_fit_are_said(tls: Etcd, certificates: Path, files: dict[str, str], text: str) -> None:
    """An authority that is not the server's, no certificate of one's own, and no TLS at all."""
    with pytest.raises(PynetError, match=text):
        write(opened(tls.url, **{name: certificates / file for name, file in files.items()}))


def test_a_certificate_that_is_none_is_said(tmp_path: Path) -> None:
    """A file that holds something else is named before anything is asked."""
    (tmp_path / "ca.pem").write_text("nothing\n")
    with pytest.raises(InvalidRequest, match=r"read the store's certificates '.*/ca.pem': "):
        opened("etcd://127.0.0.1:1", ca=tmp_path / "ca.pem")
