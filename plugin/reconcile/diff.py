"""Compares the wanted with the actual state: returns findings in the order of their repair. Changes nothing."""

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv6Interface

from netlink.bridge_port import is_like
from netlink.gso import KERNELS_OWN
from netlink.host_routes import HostRoute
from netlink.links import Link
from plugin.firewall.elements import PROTOCOLS, link_local
from plugin.model import findings as f
from plugin.model.desired import Actual, Desired, WantedLink, source_for
from plugin.model.link_owner import Owner
from plugin.model.names import Alias, container_link_name
from plugin.model.records import DEFAULT_MTU
from plugin.modes.limits import describe
from plugin.protocol.messages import InterfaceAddress

OFF = "0"  # of a switch


def differences(desired: Desired, actual: Actual, owner: Owner) -> list[f.Finding]:
    """Return the parts of ``desired`` that the kernel lacks.

    A missing link is made with its addresses and settings, so these are no findings of their own. Neither are those of
    a link that ``owner`` did not make, as pynet changes nothing on it.
    """
    links = [wanted for wanted in desired.links if not wanted.moves]
    absent = {wanted.name for wanted in links if not _is_there(wanted, actual, owner)}
    lost = {wanted.endpoint for wanted in links if wanted.peer and wanted.name in absent}
    found = [*_parent_findings(desired, actual)]
    found += [f.VlansMixed(desired.network, name) for name in sorted({each.master for each in links} & actual.mixed)]
    found += [
        finding
        for wanted in links
        if wanted.peer or wanted.endpoint not in lost
        for finding in _link_findings(desired, wanted, actual, absent, owner)
    ]
    found += _setting_findings(desired, actual, absent)
    found += _limit_findings(desired, actual, absent)
    found += _route_findings(desired, actual, absent)
    addresses = [*desired.addresses]
    addresses += [(w.name, _by_kernel(w)) for w in desired.links if w.name in desired.link_local]
    found += [
        f.AddressMissing(desired.network, link, address)
        for link, address in addresses
        if link not in absent and not _has_address(actual, link, address)
    ]
    found += [
        f.PortNotHeld(desired.network, port.endpoint, PROTOCOLS[port.place[0]], *port.place[1:])
        for port in desired.ports
        if port.endpoint not in lost and port.place not in actual.held
    ]
    return found


def _parent_findings(desired: Desired, actual: Actual) -> Iterator[f.Finding]:
    """Yield a parent that is gone, has another name or is another link, and endpoints whose links went with it."""
    for endpoint in desired.lost:
        yield f.EndpointLost(desired.network, endpoint, container_link_name(endpoint))
    for endpoint in desired.cut:
        yield f.EndpointCut(desired.network, endpoint, desired.parent.name if desired.parent else "")
    if desired.parent is None:
        return
    found = actual.links.get(desired.parent.name)
    if found is None or found.index != desired.parent.index:
        yield f.ParentAstray(desired.network, desired.parent.name)
    elif desired.parent.made and not found.up:
        yield f.LinkDown(desired.network, desired.parent.name)


def host_differences(desired: Iterable[Desired], actual: Actual) -> list[f.Finding]:
    """Return the settings of the host that differ from the networks' needs, each once."""
    wanted = {setting.path: setting for part in desired for setting in part.host}
    return [
        f.HostSettingChanged("", path, found or "", setting.value)
        for path, setting in sorted(wanted.items())
        if not setting.met_by(found := actual.settings.get(path))
    ]


def orphans(links: Iterable[Link], known: Collection[str], owner: Owner, *, unnamed: bool) -> list[f.Finding]:
    """Return the links that this pynet made and that are not ``known``.

    With ``unnamed`` also those without an alias yet, which a creation in flight makes too.
    """
    return [
        f.OrphanLink("", link.name, link.alias)
        for link in links
        if link.name not in known and (owner.made(link) or (unnamed and owner.began(link)))
    ]


def _is_there(wanted: WantedLink, actual: Actual, owner: Owner) -> bool:
    """Return whether the link with the name is the wanted one, and no other."""
    found = actual.links.get(wanted.name)
    if found is None or found.kind != wanted.kind:
        return False
    below = actual.links.get(wanted.parent)
    if below is not None and found.below != below.index:
        return False
    return wanted.adopted or owner.made_for(found, Alias.read(wanted.alias).id)


def _link_findings(
    desired: Desired, wanted: WantedLink, actual: Actual, absent: Collection[str], owner: Owner
) -> Iterator[f.Finding]:
    found = actual.links.get(wanted.name)
    if wanted.parent and wanted.parent not in actual.links:
        return  # the parent is a finding of its own
    if wanted.name in absent and wanted.peer:
        yield f.EndpointLost(desired.network, wanted.endpoint, wanted.name)
    elif found is None or (wanted.parent and wanted.name in absent and owner.made(found)):
        yield f.LinkMissing(desired.network, wanted.name)
    elif wanted.name in absent:
        yield f.LinkForeign(desired.network, wanted.name, found.kind, wanted.kind)
    else:
        yield from _attribute_findings(desired, wanted, found, actual, absent)
        if wanted.port and wanted.port.ruled is not (found.group == owner.ruled_group):
            yield f.PortChanged(desired.network, wanted.name)


def _attribute_findings(
    desired: Desired, wanted: WantedLink, found: Link, actual: Actual, absent: Collection[str]
) -> Iterator[f.Finding]:
    master = actual.links.get(wanted.master)
    if master is not None and wanted.master in absent:
        pass  # another's bridge, and no place for a container's port
    elif wanted.master and (master is None or found.master != master.index):
        yield f.LinkDetached(desired.network, wanted.name, wanted.master)
    elif wanted.port and not (is_like(found.port, wanted.port) and _has_vlans(actual, wanted)):
        yield f.PortChanged(desired.network, wanted.name)
    if not wanted.adopted:
        for what, is_, should in (("alias", found.alias, wanted.alias), ("MAC", found.mac, wanted.mac)):
            if should and is_ != should:
                yield f.LinkChanged(desired.network, wanted.name, what, is_, should)
        if wanted.mtu and not _mtu_fits(desired, wanted, found, actual):
            yield f.LinkChanged(desired.network, wanted.name, "MTU", str(found.mtu), str(wanted.mtu))
        if 0 < found.gso < wanted.gso <= found.gso_limit or found.gso > wanted.gso == KERNELS_OWN:
            yield f.LinkChanged(desired.network, wanted.name, "gso_max_size", str(found.gso), str(wanted.gso))
    if not found.up:
        yield f.LinkDown(desired.network, wanted.name)


def _has_vlans(actual: Actual, wanted: WantedLink) -> bool:
    """Return whether a port is in its VLANs, as far as the kernel tells them."""
    tags = wanted.port.tags if wanted.port else {}
    return not tags or actual.vlans.get(wanted.name, tags) == tags


def _mtu_fits(desired: Desired, wanted: WantedLink, found: Link, actual: Actual) -> bool:
    """Return whether the MTU is right: a bridge takes the least of its ports, and without ports the kernel's own.

    A bridge to which a user attached a link is left as it is.
    """
    if found.mtu == wanted.mtu or wanted.kind != "bridge":
        return found.mtu == wanted.mtu
    own = {link.name for link in desired.links}
    ports = [link.name for link in actual.links.values() if link.master == found.index]
    return any(port not in own for port in ports) or (not ports and found.mtu == DEFAULT_MTU)


def _by_kernel(wanted: WantedLink) -> InterfaceAddress:
    """Return the link-local address that the kernel gives to a link."""
    return IPv6Interface((link_local(wanted.mac), 64))


def _has_address(actual: Actual, link: str, address: InterfaceAddress) -> bool:
    found = actual.addresses.get(link, ())
    if not address.is_link_local:
        return address in found
    return not actual.links[link].running or any(
        other.is_link_local and other.version == address.version for other in found
    )


def _limit_findings(desired: Desired, actual: Actual, absent: set[str]) -> Iterator[f.Finding]:
    """Yield limits that are gone, differ or are not in use, and those that nobody wants any more."""
    for limit in desired.limits:
        found = actual.buckets.get(limit.link)
        in_use = actual.redirections.get(limit.source, "") == (limit.link if limit.source else "")
        if absent.isdisjoint({limit.link, limit.source}) and not (in_use and limit.bucket.is_like(found)):
            is_ = "none" if found is None else describe(found) if in_use else "not in use"
            yield f.LimitChanged(desired.network, limit.endpoint, limit.link, is_, describe(limit.bucket))
    wanted = {limit.link for limit in desired.limits}
    for link in desired.links:
        if link.endpoint and link.name not in wanted | absent and link.name in actual.buckets:
            found = actual.buckets[link.name]
            yield f.LimitChanged(desired.network, link.endpoint, link.name, describe(found), "none")


def _route_findings(desired: Desired, actual: Actual, absent: Collection[str]) -> Iterator[f.Finding]:
    """Yield routes that are not as they should be, and those to which the host has lost its address."""
    routes = {(link, route.to): route for link, found in actual.routes.items() for route in found}
    for wanted in desired.routes:
        found = routes.get((wanted.link, wanted.destination))
        source = source_for(actual.sources.get(wanted.source, ()), wanted.destination)
        if source is None and found is not None:
            yield f.RouteLeft(desired.network, wanted.link, wanted.destination)
        elif wanted.link not in absent and source and found != HostRoute(wanted.destination, source, wanted.mac):
            yield f.RouteMissing(desired.network, wanted.endpoint, wanted.link, wanted.destination, source)


def strays(desired: Collection[Desired], actual: Actual, metrics: Collection[int]) -> list[f.Finding]:
    """Return the routes of pynet's that no endpoint wants; ``metrics`` are those of routes to other hosts' containers.

    Such a metric is the VNI of a network, which another pynet of this host may have: then the tunnel's alias tells it.
    """
    wanted = {(route.link, route.destination) for part in desired for route in part.routes}
    found = [(link, route.to) for link, routes in actual.routes.items() for route in routes]
    tunnels = [link for link in actual.links.values() if link.kind == "vxlan"]
    known = {overlay.vni for link in tunnels if (overlay := Alias.read(link.alias).overlay(link.mtu))}
    known |= {link.tunnel.vni for part in desired for link in part.links if link.tunnel}
    left: list[f.Finding] = [f.RouteLeft("", link, to) for link, to in found if (link, to) not in wanted]
    return [*left, *(f.DirectRoutesLeft("", vni) for vni in sorted(set(metrics) - known))]


def _setting_findings(desired: Desired, actual: Actual, absent: Collection[str]) -> Iterator[f.Finding]:
    """Yield changed settings; one that a switch of the host sets too counts only if the switch is on."""
    for wanted in desired.settings:
        found = actual.settings.get(wanted.path)
        if wanted.link in absent or wanted.met_by(found):
            continue
        if not wanted.switch or actual.settings.get(wanted.switch, OFF) != OFF:
            yield f.SettingChanged(desired.network, wanted.path, found or "", wanted.value)
