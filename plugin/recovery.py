"""At start: the kernel is brought in line with the store. What pynet made and no longer knows is removed."""

from collections.abc import Mapping

import structlog

from netlink.dump import Link
from netlink.errors import KernelError
from plugin.firewall.firewall import Firewall
from plugin.model import Endpoint, Network, Tombstone, host_link_name
from plugin.modes.base import Mode
from plugin.network_options import NETWORK_OPTIONS
from plugin.options import read_options
from plugin.ports import Kernel
from plugin.store.base import Put, Store
from plugin.undo import Undo

log = structlog.get_logger()


def recover(store: Store, kernel: Kernel, firewall: Firewall, modes: Mapping[str, Mode], owner: str) -> None:
    """Write the rules, make missing bridges, and leave tombstones for links of ``owner`` that nobody knows.

    A network that cannot be made again is logged and kept: its name must stay removable.
    """
    networks = [item.record for item in store.list(Network)]
    firewall.load(networks)
    for network in networks:
        if not kernel.link_exists(network.link):
            _make_again(network, modes[network.mode])
    known = {network.link for network in networks}
    known |= {host_link_name(item.record.id) for item in store.list(Endpoint)}
    for link in kernel.links():
        if _is_orphan(link, owner, known):
            log.info("orphan link found", link=link.name, alias=link.alias)
            store.transact(Put(Tombstone(link.name)))


def _make_again(network: Network, mode: Mode) -> None:
    try:
        with Undo() as undo:
            mode.create_network(network, read_options(NETWORK_OPTIONS, network.options), undo)
        log.info("network made again", network=network.id[:12], link=network.link)
    except KernelError as error:
        log.warning("network not made again", network=network.id[:12], link=network.link, error=str(error))


def _is_orphan(link: Link, owner: str, known: set[str]) -> bool:
    return link.alias.startswith(f"{owner}/") and link.name not in known
