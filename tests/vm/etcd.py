"""A real etcd at address .254 of a switch."""

import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from plugin.store.base import SharedStore
from plugin.store.remote.address import Access
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from tests.vm.site import PREFIX, later

ADDRESS, PORT = f"{PREFIX}254", 2379


def serve_etcd(folder: Path) -> subprocess.Popen[bytes]:
    """Start it in this namespace, and wait until it accepts clients."""
    url = f"http://{ADDRESS}:{PORT}"
    command = ["etcd", "--data-dir", str(folder), "--unsafe-no-fsync", "--log-level", "error"]
    server = subprocess.Popen([*command, "--listen-client-urls", url, "--advertise-client-urls", url])
    assert later(_accepts)
    return server


def open_etcd() -> SharedStore:
    """Return the store of a host."""
    return open_cluster_store(parse_store_address(f"etcd://{ADDRESS}:{PORT}/pynet"), Access())


def _accepts() -> bool:
    with suppress(OSError), socket.create_connection((ADDRESS, PORT), 1):
        return True
    return False
