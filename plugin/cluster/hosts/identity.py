"""The id of this host in the cluster, and the address at which other hosts reach it."""

import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address
from pathlib import Path

from plugin.cluster.hosts.records import HostIdentity
from plugin.errors import Failed, InvalidRequest
from plugin.protocol.messages import Address
from plugin.store.base import Put, Store
from plugin.store.remote.address import StoreAddress
from plugin.store.sqlite.files import write_private

LinkAddress = tuple[str, IPv4Interface | IPv6Interface]


def host_identity(local: Store, file: Path) -> HostIdentity:
    """Return this host's identity, which is made when there is none.

    The id is in ``file`` too: a host that lost its store keeps its id, and so its addresses in the cluster store.

    Raises:
        Failed: the file cannot be read or written.
    """
    known = local.get(HostIdentity, "self")
    try:
        written = file.read_text().strip() if file.exists() else ""
        identity = known.record if known else HostIdentity(written or secrets.token_hex(6))
        if written and written != identity.id:
            identity = replace(identity, id=written)
        if not written:
            write_private(file, identity.id + "\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
        raise Failed(f"keep this host's id in '{file}': {reason}") from error
    if known is None or known.record != identity:
        local.transact(Put(identity))
    return identity


def advertised_address(
    wish: str, store: StoreAddress, links: Sequence[LinkAddress], last: Address | None = None
) -> Address:
    """Return the address at which other hosts reach this one.

    ``wish`` is PYNET_ADVERTISE: an address of this host, or the name of a link of which the first address is taken;
    when it is empty, the source address of the route to ``store``, or ``last`` while there is no route.

    Raises:
        InvalidRequest: this host has no such address or link, or no route to the store; the text names what it has.
    """
    if not wish:
        return _address_towards(store) or _refuse_unknown(store, last)
    on_link = [address.ip for link, address in links if link == wish]
    if on_link:
        return min(on_link, key=lambda address: address.version)
    own = {address.ip for _, address in links}
    try:
        address = ip_address(wish)
    except ValueError:
        names = ", ".join(sorted({link for link, _ in links}))
        raise InvalidRequest(
            f"read PYNET_ADVERTISE: '{wish}' is neither an address nor a link with one; links are: {names}"
        ) from None
    if address not in own:
        has = ", ".join(str(address) for address in sorted(own, key=lambda a: (a.version, int(a))))
        raise InvalidRequest(f"read PYNET_ADVERTISE: address '{address}' is not on this host, which has: {has}")
    return address


def _address_towards(store: StoreAddress) -> Address | None:
    """Return the source address that the kernel would use; connecting a UDP socket sends nothing."""
    for host, port in store.endpoints:
        with suppress(OSError):
            for family, kind, _, _, target in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
                with suppress(OSError), socket.socket(family, kind) as sock:
                    sock.connect(target)
                    address = ip_address(sock.getsockname()[0])
                    if not address.is_loopback:
                        return address
    return None


def _refuse_unknown(store: StoreAddress, last: Address | None) -> Address:
    if last is None:
        raise InvalidRequest(
            f"find the address for other hosts: no route to '{store}' leaves this host; set PYNET_ADVERTISE"
        )
    return last
