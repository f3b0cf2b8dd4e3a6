"""Tells whether a parent that pynet made still carries links of containers, which are in other namespaces."""

from netlink.errors import KernelError, NotSupported
from netlink.lan_links import ChildLink
from plugin.host.own_links import OwnLinks
from plugin.interfaces import Kernel
from plugin.model.names import PARENT, Alias, container_link_name

_PROBE = container_link_name("probe")


def carries_links(kernel: Kernel, links: OwnLinks, name: str) -> bool:
    """Return whether there are links upon the parent ``name``, also if its networks have no records any more.

    The kernel lists none that are in other namespaces, but refuses a passthru link beside them
    (macvlan_common_newlink), and any macvlan link beside those of ipvlan. False for a link of somebody else.
    """
    found = kernel.link(name)
    if found is None or Alias.read(found.alias).what != PARENT:
        return False
    try:
        kernel.add_child(ChildLink(_PROBE, "macvlan", name, "passthru", alias=found.alias))
    except NotSupported:
        return False
    except KernelError:
        return True
    finally:
        links.remove(_PROBE, "")
    return False
