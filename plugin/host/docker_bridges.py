"""Tells Docker's own bridges from the other bridges of the host."""

import re
from collections.abc import Iterable

from netlink.links import Link
from plugin.interfaces import Links
from plugin.model.names import NETWORK, Alias, is_own_bridge

_DOCKER_BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}")
_PLAIN_NAME = re.compile(r"[0-9A-Za-z_.:@-]+")
_DOCKER_PORT = re.compile(r"veth[0-9a-f]{7}")


def foreign_links(kernel: Links) -> list[Link]:
    """Return the bridges without pynet's names, and the ports of those that may be Docker's; raises ``KernelError``.

    Pynet's own bridges and ports may be thousands, which nobody has to read.
    """
    bridges = [link for link in kernel.links(kind="bridge") if not is_own_bridge(link.name)]
    ports = [port for link in bridges if not is_docker_name(link.name) for port in kernel.links(master=link.index)]
    return list({link.index: link for link in (*bridges, *ports)}.values())


def docker_bridges(links: Iterable[Link]) -> frozenset[str]:
    """Return the bridges with a name of Docker's own drivers, or with a port that is named like their host ends."""
    every = list(links)
    with_docker_port = {link.master for link in every if link.kind == "veth" and _DOCKER_PORT.fullmatch(link.name)}
    return frozenset(
        link.name
        for link in every
        if link.kind == "bridge"
        and not is_own_bridge(link.name)
        and (is_docker_name(link.name) or link.index in with_docker_port)
    )


def other_bridges(links: Iterable[Link]) -> list[str]:
    """Return the bridges that neither Docker nor a pynet made, without those whose names nft cannot take."""
    every = list(links)
    known = docker_bridges(every)
    bridges = {link.name for link in every if link.kind == "bridge" and not _is_of_pynet(link)}
    return sorted(name for name in bridges - known if _PLAIN_NAME.fullmatch(name))


def _is_of_pynet(link: Link) -> bool:
    """Return whether a pynet made a bridge, whose name may be the choice of the user or of a mode."""
    return is_own_bridge(link.name) or Alias.read(link.alias).what == NETWORK


def is_docker_name(name: str) -> bool:
    """Return whether Docker's own drivers give bridges such a name."""
    return _DOCKER_BRIDGE.fullmatch(name) is not None
