"""The one table of the stores that hosts can share; each is loaded only when it is asked for."""

import re
from collections.abc import Mapping
from pkgutil import resolve_name

from plugin.errors import InvalidRequest
from plugin.store.base import ClusterStore
from plugin.store.remote.address import Access, StoreAddress

# The scheme of the URL, the port unless one is given, and the class; its constructor takes an address and an access.
STORES: Mapping[str, tuple[int, str]] = {
    "etcd": (2379, "plugin.store.remote.etcd.store:EtcdStore"),
    "zookeeper": (2181, "plugin.store.remote.zookeeper.store:ZooKeeperStore"),
    "consul": (8500, "plugin.store.remote.consul.store:ConsulStore"),
}
_FORM = "it is not of the form etcd://HOST:PORT,HOST:PORT/PREFIX"
_ENDPOINT = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]+))?")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


def open_cluster_store(address: StoreAddress, access: Access) -> ClusterStore:
    """Return a store; no server is asked before the first use.

    Raises:
        InvalidRequest: a certificate cannot be read.
    """
    _, name = STORES[address.scheme]
    store: ClusterStore = resolve_name(name)(address, access)
    return store


def parse_store_address(text: str) -> StoreAddress:
    """Read the URL of a cluster store.

    Raises:
        InvalidRequest: it cannot be read; the text names the part.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise InvalidRequest(f"read store '{_hidden(text)}': {_FORM}")
    if scheme not in STORES:
        raise InvalidRequest(
            f"read store '{_hidden(text)}': '{scheme}' is not a store; stores are: {', '.join(STORES)}"
        )
    if "@" in rest:
        raise InvalidRequest(
            f"read store '{_hidden(text)}': credentials do not belong in the URL; "
            "set PYNET_STORE_USER and PYNET_STORE_PASSWORD_FILE"
        )
    hosts, _, prefix = rest.partition("/")
    prefix = prefix.strip("/") or "pynet"
    if not _PREFIX.fullmatch(prefix):
        raise InvalidRequest(f"read store '{text}': prefix '{prefix}' has other characters than A-Z a-z 0-9 . _ - /")
    endpoints = tuple(_endpoint(text, scheme, part.strip()) for part in hosts.split(","))
    return StoreAddress(scheme, endpoints, prefix)


def _endpoint(text: str, scheme: str, part: str) -> tuple[str, int]:
    found = _ENDPOINT.fullmatch(part)
    if found is None:
        raise InvalidRequest(f"read store '{text}': '{part}' is not HOST:PORT; {_FORM}")
    default, _ = STORES[scheme]
    port = int(found["port"] or default)
    if not 1 <= port <= 65535:
        raise InvalidRequest(f"read store '{text}': port {port} is not between 1 and 65535")
    return found["six"] or found["host"], port


def _hidden(text: str) -> str:
    """Return ``text`` without a password, for error texts and logs."""
    return re.sub(r"[^/@]*@", "***@", text)
