"""Finds IPv6 default routes from router advertisements that the host loses when it forwards IPv6.

A forwarding host accepts them only on links with ``accept_ra=2``. When forwarding is turned on, the kernel removes
those of all other links (net/ipv6/addrconf.c dev_forward_change).
"""

from contextlib import suppress

import structlog

from netlink.errors import KernelError
from netlink.sysctl import FORWARDING
from plugin.interfaces import Kernel

log = structlog.get_logger()


def warn_of_lost_routes(kernel: Kernel) -> None:
    """Warn of the default routes that the host loses if IPv6 forwarding is turned on now."""
    with suppress(KernelError):
        if kernel.read_setting(FORWARDING[6]) == "0":
            for link in deaf_links(kernel):
                log.warning(
                    "the host loses the IPv6 default route that routers advertise, as pynet turns IPv6 forwarding on",
                    link=link,
                    keep=f"sysctl -w net.ipv6.conf.{link}.accept_ra=2",
                )


def deaf_links(kernel: Kernel) -> list[str]:
    """Return the links whose advertised default route is lost while the host forwards IPv6.

    Once the host forwards, these are links with an address and without a default route: a lost route leaves no other
    trace.

    Raises:
        KernelError: the kernel does not answer.
    """
    routes = kernel.ipv6_default_routes()
    if kernel.read_setting(FORWARDING[6]) == "0":
        names = {link for link, advertised in routes if advertised}
    else:
        bridges = {link.name for link in kernel.links() if link.kind == "bridge"}
        there = set() if routes else {link for link, address in kernel.addresses() if address.version == 6}
        names = there - bridges - {"lo"}
    return sorted(name for name in names if kernel.read_setting(f"net/ipv6/conf/{name}/accept_ra") == "1")
