"""Reserves addresses of networks for containers, by their names."""

import re

import structlog

from plugin.engine.names import Names
from plugin.errors import InvalidRequest, NotFound
from plugin.ipam.driver import Ipam
from plugin.ipam.sticky import NamedAddress
from plugin.model.records import Network, Pool
from plugin.protocol.change_messages import Reservation, ReserveAddress
from plugin.store.base import Store

log = structlog.get_logger()

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,253}", re.ASCII)  # of containers (moby daemon/names)


class FixedAddresses:
    """The caller holds the lock of the network."""

    def __init__(self, store: Store, ipam: Ipam, names: Names) -> None:
        self._store = store
        self._ipam = ipam
        self._names = names

    def reserve(self, network: Network, request: ReserveAddress) -> Reservation:
        """Reserve an address.

        Raises:
            InvalidRequest: no pool of pynet on this host has the address, or no container can have it or the name.
            Conflict: it is taken, or the name has another one.
        """
        if request.address is None or not _NAME.fullmatch(request.name):
            raise InvalidRequest(f"'{request.name}' is no name that a container can have")
        pool = next((pool for pool in self._pools(network) if request.address in pool.subnet), None)
        if pool is None:
            raise InvalidRequest(
                f"address '{request.address}' cannot be reserved: in network {self._names.network(network.id)} it is "
                "given out by no pool of pynet on this host (--ipam-driver pynet)"
            )
        self._ipam.reserve(pool, request.name, request.address)
        log.info("address reserved", network=network.id, name=request.name, address=str(request.address))
        return Reservation(network.id, request.name, [request.address])

    def unreserve(self, network: Network, request: ReserveAddress) -> Reservation:
        """End the reservations for a name, of both families; raises ``NotFound`` without one."""
        reserved = []
        for pool in self._pools(network):
            found = self._store.get(NamedAddress, NamedAddress.key_of(pool.id, request.name))
            reserved += [pool] if found is not None and found.record.reserved else []
        if not reserved:
            raise NotFound(f"network {self._names.network(network.id)} has no address reserved for '{request.name}'")
        addresses = [self._ipam.unreserve(pool, request.name) for pool in reserved]
        log.info("no longer reserved", network=network.id, name=request.name, addresses=[str(one) for one in addresses])
        return Reservation(network.id, request.name, addresses)

    def _pools(self, network: Network) -> list[Pool]:
        """Return the pools of this host from which the network has its subnets."""
        found = []
        for subnet in network.subnets:
            pools = self._store.list(Pool, f"{subnet.space}/{subnet.pool}" if subnet.space else "")
            found += [item.record for item in pools if item.record.subnet == subnet.pool]
        return found
