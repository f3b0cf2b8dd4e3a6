"""Compares the kernel with the files while no pynet serves."""

from collections.abc import Callable

from cli.server.overlay import Host, share
from cli.settings import Settings
from netlink.kernel import Kernel
from netlink.listeners import listening
from netlink.namespace import scratch_namespace
from netlink.nftables import Nftables, open_runner
from netlink.vxlan import Vxlan
from plugin.errors import Failed
from plugin.firewall.docker import docker_bridges
from plugin.firewall.firewall import Firewall, static_rules
from plugin.host.forwarding import Forwarding
from plugin.host.sysctls import HostSettings
from plugin.model.desired import Held
from plugin.model.findings import Finding, OrphanLink
from plugin.model.link_owner import Owner
from plugin.modes.bridge import BridgeMode
from plugin.modes.hostbridge import HostBridge
from plugin.modes.overlay import OverlayMode
from plugin.protocol.messages import Repair
from plugin.publish.bindings import EVERYWHERE
from plugin.reconcile.survey import Survey
from plugin.request.locks import Locks
from plugin.store.sqlite.readonly import ReadOnlyStore


def look(settings: Settings) -> list[Repair]:
    """Compare the store with the kernel while no pynet serves, and change nothing.

    Raises:
        KernelError, PynetError: the store or the kernel cannot be read.
        Failed: the kernel has what the store does not know. Then it may be the store of another pynet, and whatever
            would be said about links and rules be advice to delete what is alive.
    """
    found = _looker(settings)()
    strange = [finding for finding in found if isinstance(finding, OrphanLink)]
    if strange:
        raise Failed(
            f"compare the kernel with state folder '{settings.state_dir}': link '{strange[0].link}' with alias "
            f"'{strange[0].alias}' is not in it, so that it may be the state of another pynet; start the pynet that "
            "made the link, and ask again"
        )
    return [Repair(finding.kind, finding.sentence) for finding in found]


def _looker(settings: Settings) -> Callable[[], list[Finding]]:
    """Return what looks once; how the kernel lists the rules is learnt in a namespace made for it."""
    store, kernel, owner = ReadOnlyStore(settings.database), Kernel(), Owner(settings.name)
    with scratch_namespace():
        rules = static_rules(Nftables(open_runner()), settings.name)
    firewall = Firewall(Nftables(open_runner()), settings.name)
    host = HostSettings(kernel, store, Forwarding(kernel, store, firewall))
    bridge = HostBridge(kernel, firewall, host, settings.name)
    shared = share(Host(kernel, Vxlan(), store, firewall, Locks()), None)
    overlay = OverlayMode(bridge, kernel, shared, settings.name)
    survey = Survey(store, kernel, host, {"bridge": BridgeMode(bridge), "overlay": overlay}, owner)

    def look_once() -> list[Finding]:
        firewall.expect(survey.elements(), docker_bridges(kernel.links()), rules)
        return [*firewall.differences(), *survey.look(_held(), idle=True).found]

    return look_once


def _held() -> frozenset[Held]:
    """Return the ports that somebody listens on; a socket for all of IPv6 may be one for all of IPv4 too."""
    found = listening()
    return found | {(proto, EVERYWHERE[0], port) for proto, address, port in found if address == EVERYWHERE[1]}
