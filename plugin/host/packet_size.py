"""Chooses the largest packet of a new network's links.

A packet above 64 kB must be able to leave as it is: if it is too large for the outgoing link, the kernel cuts it into
frames of the MTU, in software, although the link would have taken packets of 64 kB.
"""

import structlog

from plugin.interfaces import Kernel
from plugin.model.records import Network
from plugin.options.rates import OFF

log = structlog.get_logger()

BIG = 196608  # bytes, three times the kernel's own limit


def largest_packet(kernel: Kernel, network: Network, wish: str) -> int:
    """Return the largest packet in bytes, 0 for the kernel's own limit; may raise ``KernelError``.

    ``wish`` is "on", "off", or "auto" for on where it pays.
    """
    if wish == "off" or (wish == "auto" and not _pays(kernel, network)):
        return 0
    if kernel.takes_gso():
        return BIG
    if wish == "on":
        log.info("no packets above 64 kB: they need Linux 6.3", network=network.id[:12])
    return 0


def _pays(kernel: Kernel, network: Network) -> bool:
    """Return whether every link by which packets leave the network takes them whole, as far as these are known.

    A user's bridge may have ports that lead out. At a limited rate, other packets would wait long for a large one.
    """
    if (network.settings.rate_in, network.settings.rate_out) != (OFF, OFF):
        return False
    if not network.leads_out:
        return network.owns_link
    uplinks = kernel.uplinks()
    links = [kernel.link(name) for name in (*uplinks, *network.settings.trusted)]
    return bool(uplinks) and network.owns_link and all(link is not None and link.gso >= BIG for link in links)
