"""Makes the links, rules and addresses that a mode describes, for a creation and for a repair alike.

The order is rules, links, settings, addresses: nothing flows before the rules are there.
"""

from contextlib import suppress
from dataclasses import replace

from netlink.bridge_port import BridgePort
from netlink.errors import Exists, InUse, Missing, NotSupported
from netlink.veth import VethPair
from netlink.vxlan import VxlanLink
from plugin.errors import Conflict, Unsupported
from plugin.host.link_addresses import check_families, give_addresses
from plugin.host.own_links import OwnLinks
from plugin.model.desired import Desired, WantedLink
from plugin.model.link_owner import Owner
from plugin.model.names import host_link_name
from plugin.model.records import Endpoint, Network
from plugin.modes.base import HostParts, Mode
from plugin.modes.limits import IFB, add_limiter, check_limits, set_limit
from plugin.request.undo import Undo


class Applier:
    """Every step pushes its undo step on ``undo``. Every verb may raise ``KernelError`` and ``PynetError``."""

    def __init__(self, parts: HostParts) -> None:
        self._kernel = parts.kernel
        self._tunnels = parts.shared.tunnels
        self._firewall = parts.firewall
        self._settings = parts.settings
        self.shims = parts.shims
        self.serve_names = parts.serve_names
        self.secrecy = parts.shared.secrecy
        self._links = OwnLinks(parts.kernel, Owner(parts.owner))

    def create_network(self, mode: Mode, network: Network, undo: Undo) -> Network:
        """Make a network, and return its record with the agreed values and the adopted link."""
        check_limits(self._kernel, self._links, network)
        network = mode.prepare(network, undo)
        check_families(network)
        part = mode.desired(network)
        self._create(part, undo)
        self._settings.prepare(network, undo)
        give_addresses(self._kernel, network, part.addresses, undo)
        mode.links_made(network, undo)
        self.serve_names(network)
        return network

    def create_endpoint(self, mode: Mode, network: Network, endpoint: Endpoint, undo: Undo) -> Endpoint:
        """Make an endpoint, and return its full record; raises ``Conflict`` where another link has its name."""
        endpoint = mode.prepare_endpoint(network, endpoint, undo)
        mode.announce(network, endpoint, undo)
        part = mode.desired_port(network, endpoint)
        self._create(part, undo)
        self.shims.make(part, undo)
        return endpoint

    def make_again(self, mode: Mode, network: Network, link: str, undo: Undo) -> Network:
        """Make a link of a network that the kernel has no more, and return the record as it is then.

        The network's links in a bridge that is made again are made with it: they are not in the new one. A link is
        pynet's own from then on, also in the place of one that it had adopted. Its rules are there already.
        """
        network = mode.owned(network) if link == network.link else network
        part = mode.desired(network)
        for wanted in part.links:
            if link in (wanted.name, wanted.master):
                self._links.clear(wanted.name, network.id)
                self._make(wanted, part, undo)
        give_addresses(self._kernel, network, [pair for pair in part.addresses if pair[0] == link], undo)
        mode.links_made(network, undo)
        return network

    def make_limiter(self, wanted: WantedLink, part: Desired, undo: Undo) -> None:
        """Make again the link ``wanted`` of ``part`` through which the frames of an endpoint go, with its limit."""
        self._links.clear(wanted.name, wanted.endpoint)
        self._make(wanted, part, undo)
        for limit in part.limits:
            if limit.link == wanted.name:
                set_limit(self._kernel, limit)

    def drop_limiter(self, name: str, endpoint_id: str) -> None:
        """Delete a limiter that is not wanted; before, end the redirection into it, or its frames would be lost."""
        with suppress(Missing):
            self._kernel.end_redirect(host_link_name(endpoint_id))
        self._links.remove(name, endpoint_id)

    def _create(self, part: Desired, undo: Undo) -> None:
        """Free the names, as another's rules would go with them, then make rules and links."""
        for wanted in part.links:
            if not wanted.adopted:
                self._links.clear(wanted.name, wanted.endpoint or part.network)
        for owner, elements in part.elements.items():
            if owner not in part.kept:
                self._firewall.put(owner, elements)
                undo.push(self._firewall.forget, owner)
        for wanted in part.links:
            self._make(wanted, part, undo)
        for limit in part.limits:
            set_limit(self._kernel, limit)

    def _make(self, wanted: WantedLink, part: Desired, undo: Undo) -> None:
        """Make a link, with its settings before it is up; one that is adopted is set up, and keeps the MAC it has."""
        if wanted.adopted:
            self._kernel.set_up(wanted.name)
            if wanted.mac:
                self._kernel.set_mac(wanted.name, wanted.mac)
            return
        name, alias, mtu = wanted.name, wanted.alias, wanted.mtu
        if wanted.moves:
            self._add_child(wanted, undo)
            return
        undo.push(self._links.remove, name, wanted.endpoint or part.network)  # before: the kernel's answer may be lost
        settings = {each.path: each.value for each in part.settings if each.link == name}
        if wanted.peer:
            port = wanted.port or BridgePort()
            pair = VethPair(name, wanted.peer, wanted.peer_mac, wanted.master, mtu, alias, port, settings)
            pair = replace(pair, mac=wanted.mac, peer_mtu=wanted.peer_mtu)
            if wanted.gso and self._kernel.takes_gso():
                pair = replace(pair, gso=wanted.gso, master_gso=wanted.master_gso)
            self._kernel.add_veth(pair)
            return
        if wanted.tunnel:
            self._add_vxlan(wanted.tunnel)
        elif wanted.kind == IFB:
            add_limiter(self._kernel, wanted)
        else:
            self._kernel.add_bridge(name, wanted.mac, mtu)
        self._kernel.finish_link(name, alias, settings)

    def _add_child(self, wanted: WantedLink, undo: Undo) -> None:
        """Make a link that the engine moves into a container; it stays down until then.

        Whether its MAC is free is asked of the kernel, which knows the links in other namespaces too.
        """
        undo.push(self._links.remove, wanted.name, wanted.endpoint)  # before: the kernel's answer may be lost
        try:
            self._kernel.add_child(wanted.child)
        except InUse as error:
            raise Conflict(
                f"'{wanted.parent}' cannot have links of kind '{wanted.kind}' now: it has children of another kind, or "
                f"is part of a bridge ({error})"
            ) from error
        except NotSupported as error:
            raise Unsupported(f"{error}") from error
        try:
            self._kernel.try_child(wanted.name)
        except Exists as error:
            raise Conflict(
                f"MAC address '{wanted.mac}' is already in use on '{wanted.parent}', by the link itself or by a "
                f"container ({error})"
            ) from error

    def _add_vxlan(self, link: VxlanLink) -> None:
        try:
            self._tunnels.add_vxlan(link)
        except Exists as error:
            raise Conflict(f"VNI {link.vni} is used by another link of this host ({error})") from error
        except NotSupported as error:
            raise Unsupported(f"mode overlay needs VXLAN, which this kernel does not have ({error})") from error
