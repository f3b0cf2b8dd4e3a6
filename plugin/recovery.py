"""At start: the kernel is brought in line with the store. What pynet made and no longer knows is removed."""

from collections.abc import Iterable, Mapping

import structlog

from netlink.dump import Link
from netlink.errors import KernelError
from plugin.firewall.elements import endpoint_elements, network_elements, port_elements
from plugin.firewall.firewall import Firewall
from plugin.firewall.ruleset import Elements
from plugin.model import Endpoint, Network, Tombstone, host_link_name, vxlan_name
from plugin.modes.base import Mode
from plugin.network_options import NETWORK_OPTIONS
from plugin.options import read_options
from plugin.ports import Kernel
from plugin.publish.publisher import Publisher, ports_owner
from plugin.store.base import Put, Store
from plugin.undo import Undo

log = structlog.get_logger()


def recover(
    store: Store, kernel: Kernel, firewall: Firewall, publisher: Publisher, modes: Mapping[str, Mode], owner: str
) -> None:
    """Write the rules, make missing bridges, hold ports, and leave tombstones for links of ``owner`` that nobody knows.

    A network that cannot be made again is logged and kept: its name must stay removable.
    """
    networks = [item.record for item in store.list(Network)]
    endpoints = [item.record for item in store.list(Endpoint)]
    firewall.load(_wanted({network.id: network for network in networks}, endpoints))
    for network in networks:
        if not kernel.link_exists(network.link):
            _make_again(network, modes[network.mode])
    known = {name for network in networks for name in (network.link, vxlan_name(network.id))}
    known |= {host_link_name(endpoint.id) for endpoint in endpoints}
    for endpoint in endpoints:
        publisher.restore(endpoint)
    for link in kernel.links():
        if _is_orphan(link, owner, known):
            log.info("orphan link found", link=link.name, alias=link.alias)
            store.transact(Put(Tombstone(link.name)))


def _wanted(networks: Mapping[str, Network], endpoints: Iterable[Endpoint]) -> dict[str, Elements]:
    """Return the elements of every owner that the firewall knows."""
    wanted = {network.link: network_elements(network) for network in networks.values()}
    for endpoint in endpoints:
        network = networks.get(endpoint.network_id)
        if network is not None:
            wanted[host_link_name(endpoint.id)] = endpoint_elements(network, endpoint)
        if network is not None and endpoint.published:
            wanted[ports_owner(endpoint.id)] = port_elements(network, endpoint.published)
    return wanted


def _make_again(network: Network, mode: Mode) -> None:
    try:
        with Undo() as undo:
            mode.create_network(network, read_options(NETWORK_OPTIONS, network.options), undo)
        log.info("network made again", network=network.id[:12], link=network.link)
    except KernelError as error:
        log.warning("network not made again", network=network.id[:12], link=network.link, error=str(error))


def _is_orphan(link: Link, owner: str, known: set[str]) -> bool:
    return link.alias.startswith(f"{owner}/") and link.name not in known
