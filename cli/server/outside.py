"""Compares the kernel with the files while no pynet serves."""

from collections.abc import Sequence
from contextlib import closing

from cli.server.machine import this_machine
from cli.server.wiring import Host, Pynet
from cli.settings import Settings
from netlink.conntrack import Conntrack
from netlink.direct_routes import DirectRoutes
from netlink.kernel import Kernel
from netlink.listeners import listening
from netlink.namespace import scratch_namespace
from netlink.nftables import Nftables, open_runner
from netlink.own_changes import OwnChanges
from netlink.port_sockets import PortSockets
from netlink.relay import Relay
from netlink.routes import HostNetworks
from netlink.vxlan import Vxlan
from plugin.cluster.secrecy.key_file import KeyFile
from plugin.cluster.secrecy.means import Means
from plugin.errors import Failed
from plugin.firewall.firewall import static_parts
from plugin.host.docker_bridges import docker_bridges
from plugin.model.desired import Held
from plugin.model.findings import Finding, OrphanLink
from plugin.protocol.messages import Repair
from plugin.publish.bindings import EVERYWHERE
from plugin.store.sqlite.store import ReadOnlyStore


def look(settings: Settings) -> list[Repair]:
    """Compare the store with the kernel while no pynet serves, and change nothing.

    Raises:
        KernelError, PynetError: the store or the kernel cannot be read.
        Failed: the kernel has a link that the store does not know. The store may be another pynet's then, and the
            differences would advise the user to delete links that are in use.
    """
    found = _differences(settings)
    strange = [finding for finding in found if isinstance(finding, OrphanLink)]
    if strange:
        raise Failed(
            f"compare the kernel with state folder '{settings.state_dir}': link '{strange[0].link}' with alias "
            f"'{strange[0].alias}' is not in it, so that it may be the state of another pynet; start the pynet that "
            "made the link, and ask again"
        )
    return [Repair(finding.kind, finding.sentence) for finding in found]


def _differences(settings: Settings) -> list[Finding]:
    """Compare once. A scratch namespace shows how this kernel lists the static rules."""
    with scratch_namespace(), closing(Nftables(open_runner())) as scratch:
        parts = static_parts(scratch, settings.name)
    with closing(Nftables(open_runner())) as nft:
        return _differences_from(parts, nft, settings)


def _differences_from(parts: Sequence[bytes], nft: Nftables, settings: Settings) -> list[Finding]:
    host = Host(
        kernel=Kernel(),
        nft=nft,
        tunnels=Vxlan(),
        routes=DirectRoutes(OwnChanges()),
        sockets=PortSockets(Relay()),
        conntrack=Conntrack(),
        networks=HostNetworks(),
        store=ReadOnlyStore(settings.database),
        means=Means(keys=KeyFile(settings.state_dir, this_machine())),
    )
    pynet = Pynet(settings.name, host)
    pynet.firewall.expect(pynet.survey.elements(), docker_bridges(host.kernel.links()), parts)
    return [*pynet.firewall.differences(), *pynet.survey.look(_held(), idle=True).found]


def _held() -> frozenset[Held]:
    """Return the ports on which processes listen; a socket for all of IPv6 may also listen on all of IPv4."""
    found = listening()
    return found | {(proto, EVERYWHERE[0], port) for proto, address, port in found if address == EVERYWHERE[1]}
