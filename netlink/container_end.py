"""Changes the end of a veth pair that is in a container: only a process in its network namespace can do that.

A message to the host's end cannot: veth has no rtnl_link_ops.changelink, and RTM_SETLINK with the attributes of another
namespace moves the link there (do_setlink, net/core/rtnetlink.c).
"""

from contextlib import closing

from netlink import request, uapi
from netlink.errors import Missing, kernel_errors
from netlink.gso import gso_sizes
from netlink.links import dump_link_bodies, read_links
from netlink.namespace import namespace_of
from netlink.request import Requests
from netlink.wire import word


def change_container_end(process: int, mac: str, *, mtu: int, gso: int) -> None:
    """Give the link with ``mac`` beside ``process`` another MTU and largest packet, in bytes; 0 leaves one as it is.

    Raises:
        KernelError: ``Missing`` without the process or the link, ``Denied`` without CAP_SYS_ADMIN.
    """
    action = f"change the link of process {process} that has MAC {mac}"
    with namespace_of(process), kernel_errors(action):
        links = [link for link in read_links(dump_link_bodies()) if link.mac == mac]
        if not links:
            raise Missing(f"{action}: there is none")
        sizes = (word(uapi.IFLA_MTU, mtu) if mtu else b"") + gso_sizes(gso)
        with closing(Requests()) as requests:
            requests.send(request.change(links[0].index, sizes))
