"""The addresses of the resolver, which the host has on link ``lo`` while the resolver serves."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from ipaddress import ip_interface
from typing import Any

import structlog

from netlink.errors import Exists, KernelError, Missing
from plugin.errors import Failed
from plugin.interfaces import Addresses
from plugin.model.resolver_place import RESOLVER
from plugin.protocol.messages import Address, InterfaceAddress

log = structlog.get_logger()

LINK = "lo"


class ResolverAddresses:
    """Gives the addresses and takes them back; in between, ``restore`` repairs what others took away."""

    def __init__(self, kernel: Addresses) -> None:
        self._kernel = kernel
        self._guard = threading.Lock()  # guards _given, and changes of addresses
        self._given: Sequence[Address] = ()

    def give(self) -> Sequence[Address]:
        """Give the host the addresses and return them; a host without IPv6 gets one.

        Raises:
            Failed: the IPv4 address cannot be had.
        """
        given: list[Address] = []
        with self._guard:
            for version, address in RESOLVER.items():
                try:
                    self._add(address)
                except KernelError as error:
                    if version == 4:
                        raise Failed(f"add address '{address}' to link '{LINK}': {error}") from error
                    log.debug("resolver without IPv6", error=str(error))
                    continue
                given.append(address)
            self._given = given
        return given

    def take(self) -> None:
        """Take back the addresses that were given; raises ``KernelError``."""
        with self._guard:
            given, self._given = self._given, ()
            for address in given:
                with suppress(Missing):
                    self._kernel.delete_address(LINK, _own(address))

    def missing(self) -> Sequence[Address]:
        """Return the addresses that were given and are not there; raises ``KernelError``."""
        if not self._given:
            return ()
        there = {address.ip for address in self._kernel.addresses_of(LINK)}
        return [address for address in self._given if address not in there]

    def restore(self, address: Address) -> bool:
        """Give an address again that somebody took away; return whether it is still wanted. Raises ``KernelError``."""
        with self._guard:
            if address in self._given:
                self._add(address)
                return True
        return False

    def _add(self, address: Address) -> None:
        with suppress(Exists):
            self._kernel.add_address(LINK, _own(address))


def _own(address: Address) -> InterfaceAddress:
    found: Any = ip_interface(f"{address}/{address.max_prefixlen}")
    return found  # type: ignore[no-any-return]
