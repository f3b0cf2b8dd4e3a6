"""Gives a network's bridge its addresses. If the host refuses IPv6, IPv4 works, and a log line says why."""

from collections.abc import Iterable
from contextlib import suppress

import structlog

from netlink.errors import Exists, KernelError, Missing
from plugin.errors import Unsupported
from plugin.interfaces import Kernel
from plugin.model.records import LEAST_IPV6_MTU, Network
from plugin.protocol.messages import InterfaceAddress
from plugin.request.undo import Undo

log = structlog.get_logger()


def check_families(network: Network) -> None:
    """Log that a network is made without IPv6; raises ``Unsupported`` if it has nothing else."""
    if 6 in {subnet.pool.version for subnet in network.subnets} - set(network.families):
        _go_without(
            network,
            f"its MTU of {network.mtu} bytes is below {LEAST_IPV6_MTU}, the least of IPv6, and "
            "Docker starts no container with an IPv6 address on it",
        )


def give_addresses(
    kernel: Kernel, network: Network, addresses: Iterable[tuple[str, InterfaceAddress]], undo: Undo
) -> None:
    """Add addresses to the network's links; those of a user's bridge are taken back by ``undo``.

    Raises:
        KernelError: an address was refused for another reason than missing IPv6.
        Unsupported: the host refuses IPv6, and the network has nothing else.
    """
    for link, address in addresses:
        try:
            give_address(kernel, link, address)
        except Unsupported as error:
            _go_without(network, str(error))
            continue
        if not network.owns_link:
            undo.push(kernel.delete_address, link, address)


def give_address(kernel: Kernel, link: str, address: InterfaceAddress) -> None:
    """Add an address; raises ``KernelError``, and ``Unsupported`` if the host refuses IPv6 to the link."""
    try:
        kernel.add_address(link, address)
    except KernelError as error:
        if address.version == 4 or isinstance(error, Exists) or not _switched_on(kernel, link):
            raise
        _once_more(kernel, link, address)


def _switched_on(kernel: Kernel, link: str) -> bool:
    """Switch IPv6 of a link on if it is off; return whether it was off. systemd-sysctl may turn it off at birth."""
    path = _switch(link)
    with suppress(Missing):
        if kernel.read_setting(path) == "0":
            return False
        kernel.write_setting(path, "0")
    return True


def _once_more(kernel: Kernel, link: str, address: InterfaceAddress) -> None:
    try:
        kernel.add_address(link, address)
    except KernelError as error:
        raise Unsupported(f"{error}, {_why(kernel, link)}") from error


def _why(kernel: Kernel, link: str) -> str:
    path = _switch(link)
    try:
        return f"'{path}' was {kernel.read_setting(path)}"
    except KernelError:
        return (
            f"the link has no IPv6, as there is no '{path}': the kernel was started with ipv6.disable=1, or the MTU of "
            f"the link is below {LEAST_IPV6_MTU} bytes"
        )


def _switch(link: str) -> str:
    return f"net/ipv6/conf/{link}/disable_ipv6"


def _go_without(network: Network, why: str) -> None:
    if {subnet.pool.version for subnet in network.subnets} == {6}:
        raise Unsupported(f"network '{network.id[:12]}' has no subnet but of IPv6, which it cannot have: {why}")
    log.warning("network without IPv6", network=network.id[:12], link=network.link, reason=why)
