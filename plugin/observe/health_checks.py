"""The checks of ``plugin.observe.health`` that ask the store, the kernel and the reconciler."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from plugin.firewall.firewall import Firewall
from plugin.interfaces import Links, Nft
from plugin.model.records import Tombstone
from plugin.protocol.messages import Status
from plugin.store.base import Remove, Store

PAGE = bytes(4096)  # a page of SQLite
NOBODYS = "health"  # key of a record that never exists


def store_refuses(store: Store, folder: Path) -> str:
    """Return "" if a transaction can be written.

    The transaction removes nothing, so it only takes the locks of a writer. A page of a file without a name tells that
    the disk takes more. Neither waits for the disk.

    Raises:
        Busy, Failed: the store refuses.
        OSError: the disk refuses.
    """
    store.transact(Remove(Tombstone, NOBODYS))
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        os.write(file.fileno(), PAGE)
    return ""


def kernel_refuses(kernel: Links) -> str:
    """Return "" if the kernel answers about links; raises ``KernelError``."""
    return "" if kernel.link("lo") is not None else "the kernel knows no link 'lo'"


def rules_lack(firewall: Firewall, nft: Nft, table: str) -> str:
    """Return "" if the tables that guard networks are there, or if there is no network; raises ``KernelError``."""
    if firewall.missing:
        return "the nftables tables are missing and cannot be written: links of networks are down"
    if firewall.count() and not nft.exists(table):
        return f"nftables tables '{table}' are missing; they are written again in a moment"
    return ""


def not_repaired(status: Callable[[], Status]) -> str:
    """Return "" if everything that others changed could be repaired."""
    failing = status().failing
    more = f", and {len(failing) - 1} more" if failing[1:] else ""
    return f"{failing[0].sentence}{more}" if failing else ""
