"""Repairs findings. The caller holds the locks and has checked the finding again under them."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from netlink.errors import Exists
from plugin.background.loop import alive
from plugin.errors import Failed
from plugin.firewall.elements import PROTOCOLS
from plugin.host.link_addresses import give_address
from plugin.model import findings as f
from plugin.model.desired import Desired
from plugin.model.names import CARRIER, LIMITER, SHIM, Alias
from plugin.model.records import Endpoint, Network, Tombstone
from plugin.modes.base import desired_of
from plugin.modes.limits import IFB, set_limit
from plugin.modes.registry import link_kinds
from plugin.protocol.messages import EndpointRef
from plugin.removal.removal import Removal
from plugin.request.undo import Undo
from plugin.runtime import Runtime
from plugin.store.base import Put


class Repairs:
    """Every repair may raise ``KernelError`` or ``PynetError``, and can be repeated."""

    def __init__(self, runtime: Runtime, removal: Removal) -> None:
        self._kernel = runtime.kernel
        self._store = runtime.store
        self._firewall = runtime.firewall
        self._settings = runtime.settings
        self._publisher = runtime.publisher
        self._reaper = runtime.reaper
        self._routes = runtime.routes
        self._modes = runtime.modes
        self._applier = runtime.applier
        self._removal = removal
        self._by_kind: Mapping[type[f.Finding], Callable[[Any, Desired], bool | None]] = {
            f.LinkMissing: self._make_link,
            f.ParentAstray: self._follow,
            f.EndpointLost: self._forget,
            f.LinkDetached: self._attach,
            f.PortChanged: self._set_port,
            f.LinkDown: self._set_up,
            f.LinkChanged: self._change,
            f.LimitChanged: self._set_limit,
            f.AddressMissing: self._add_address,
            f.RouteMissing: self._set_route,
            f.RouteLeft: self._delete_route,
            f.DirectRoutesLeft: self._delete_routes,
            f.SettingChanged: self._set,
            f.HostSettingChanged: lambda finding, _: self._settings.turn_on(finding.path),
            f.ResolverAddressGone: lambda finding, _: runtime.places.restore(finding.address),
            f.PortNotHeld: self._hold,
            f.OrphanLink: self._remove_orphan,
            f.OrphanSetting: lambda finding, _: self._settings.put_back(finding.path, finding.before),
        }

    def repair(self, finding: f.Finding, desired: Desired) -> bool:
        """Repair ``finding`` of the network that wants ``desired``; return whether it was still necessary.

        Raises:
            Failed: there is no repair, or the rules are missing: without them nothing may be set up.
        """
        repair = self._by_kind.get(type(finding))
        if repair is None:
            raise Failed(finding.sentence)
        if self._firewall.missing:
            raise Failed("rules are missing and cannot be written, so it waits for them")
        alive()
        return repair(finding, desired) is not False

    def _make_link(self, finding: f.LinkMissing, desired: Desired) -> None:
        """Make the link with its settings and addresses; its rules exist already."""
        limiter = next((link for link in desired.links if link.name == finding.link and link.kind == IFB), None)
        if limiter is not None:
            with Undo() as undo:
                self._applier.make_limiter(limiter, desired, undo)
            return
        if finding.link.startswith(CARRIER):
            self._mend_carrier(finding)
            return
        if any(shared.link.name == finding.link for shared in desired.shared):
            with Undo() as undo:
                self._applier.shims.make(desired, undo)
            return
        before = self._network(finding)
        mode = self._modes[before.mode]
        with Undo() as undo:
            network = self._applier.make_again(mode, before, finding.link, undo)
            if network != before:
                self._store.transact(Put(network))
        if network != before:
            ends = [item.record for item in self._store.list(Endpoint, f"{network.id}/")]
            for owner, elements in desired_of(mode, network, ends).elements.items():
                self._firewall.put(owner, elements)

    def _follow(self, finding: f.ParentAstray, _: Desired) -> None:
        """Find the user's link again that a network is on."""
        network = self._network(finding)
        self._modes[network.mode].followed(network)

    def _forget(self, finding: f.EndpointLost, _: Desired) -> None:
        """Remove the endpoint as DeleteEndpoint does, so that other hosts are told too."""
        self._removal.endpoint(EndpointRef(finding.network, finding.endpoint))

    def _remove_orphan(self, finding: f.OrphanLink, _: Desired) -> None:
        """Leave the link to the reaper, unless links of its kind must be deleted at once.

        A limiter goes without a tombstone: its endpoint may be there, and get a new one of that name.
        """
        if finding.link.startswith(LIMITER):
            self._applier.drop_limiter(finding.link, Alias.read(finding.alias).id)
            return
        if finding.link.startswith(SHIM):
            self._applier.shims.delete(finding.link)
            return
        self._reaper.bury([Tombstone(finding.link, Alias.read(finding.alias).id)])
        if any(kind.at_once and finding.link.startswith(kind.prefix) for kind in link_kinds(self._modes)):
            self._reaper.clear(finding.link)

    def _set_up(self, finding: f.LinkDown, _: Desired) -> None:
        """Set a link up; one of WireGuard lost its address and routes when it was set down."""
        if finding.link.startswith(CARRIER):
            self._mend_carrier(finding)
        else:
            self._kernel.set_up(finding.link)

    def _mend_carrier(self, finding: f.LinkMissing | f.LinkDown) -> None:
        """Make a WireGuard link with all that belongs to it; during a start its network is not known there yet."""
        self._applier.secrecy.resume(finding.network)
        self._applier.secrecy.sync()

    def _attach(self, finding: f.LinkDetached, desired: Desired) -> None:
        self._kernel.set_master(finding.link, finding.bridge)
        self._set_port(finding, desired)

    def _set_port(self, finding: f.LinkDetached | f.PortChanged, desired: Desired) -> None:
        """Give a port its flags, which it loses when it leaves its bridge."""
        wanted = next(link for link in desired.links if link.name == finding.link)
        if wanted.port is not None:
            self._kernel.set_port(finding.link, wanted.port)
        endpoint = self._store.get(Endpoint, f"{finding.network}/{wanted.endpoint}")
        if endpoint is not None:
            self._publisher.reattached(endpoint.record)

    def _change(self, finding: f.LinkChanged, _: Desired) -> None:
        match finding.what:
            case "alias":
                self._kernel.set_alias(finding.link, finding.wanted)
            case "MAC":
                self._kernel.set_mac(finding.link, finding.wanted)
            case "gso_max_size":
                self._kernel.set_gso(finding.link, int(finding.wanted))
            case _:
                self._kernel.set_mtu(finding.link, int(finding.wanted))

    def _set_limit(self, finding: f.LimitChanged, desired: Desired) -> None:
        wanted = next((limit for limit in desired.limits if limit.link == finding.link), None)
        if wanted is None:
            self._kernel.delete_bucket(finding.link)
        else:
            set_limit(self._kernel, wanted)

    def _add_address(self, finding: f.AddressMissing, _: Desired) -> None:
        with suppress(Exists):
            give_address(self._kernel, finding.link, finding.address)

    def _set_route(self, finding: f.RouteMissing, desired: Desired) -> None:
        for route in desired.routes:
            if (route.link, route.destination) == (finding.link, finding.destination):
                self._applier.shims.set(route)

    def _delete_route(self, finding: f.RouteLeft, _: Desired) -> None:
        self._applier.shims.unset(finding.link, finding.destination)

    def _delete_routes(self, finding: f.DirectRoutesLeft, _: Desired) -> None:
        self._routes.change_routes(finding.vni, (), self._routes.routes().get(finding.vni, ()))

    def _set(self, finding: f.SettingChanged, desired: Desired) -> None:
        wanted = next(setting for setting in desired.settings if setting.path == finding.path)
        self._settings.set(self._network(finding), wanted)

    def _hold(self, finding: f.PortNotHeld, _: Desired) -> None:
        endpoint = self._store.get(Endpoint, f"{finding.network}/{finding.endpoint}")
        refused = {} if endpoint is None else self._publisher.restore(endpoint.record)
        for (proto, host, port), error in refused.items():
            if (PROTOCOLS[proto], host, port) == (finding.proto, finding.host, finding.port):
                raise error

    def _network(self, finding: f.Finding) -> Network:
        known = self._store.get(Network, finding.network)
        if known is None:
            raise Failed(f"network '{finding.network[:12]}' is gone")
        return known.record
