"""Containers on the LAN that the host should reach, and does not (``plugin.host.shim``), or whose addresses it has."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from netlink.errors import KernelError
from plugin.doctor.facts import Doubled, Facts, HostFinding, Severity, Unreached
from plugin.interfaces import Kernel
from plugin.model.names import SHIM
from plugin.model.records import Endpoint, Network
from plugin.options.host_access import HostAccessSettings
from plugin.protocol.messages import Address

SILENT, STRICT = "arp_ignore", "rp_filter"
IsOwn = Callable[[Address], bool]  # whether an address is the host's
WHY = {
    SILENT: "so the host does not tell containers its MAC address",
    STRICT: "so the host drops what containers send, which comes in by the parent and is answered by another link",
}


def unreached(kernel: Kernel, networks: Iterable[Network]) -> Iterator[Unreached]:
    """Yield why the host does not reach containers of networks; may raise ``KernelError``."""
    wanted = [network for network in networks if HostAccessSettings.readable(network.in_force).host_access]
    shims = kernel.links(kind="ipvlan") if wanted else []
    by_parent = {link.below for link in shims if link.kind == "ipvlan" and link.name.startswith(SHIM)}
    for network in wanted:
        there = {address.version for address in kernel.source_addresses(network.link)}
        for version in sorted((set(network.families) or {4}) - there):  # by DHCP a network has IPv4 and no subnet
            yield Unreached(network.id, network.link, version)
        if (value := _setting(kernel, "all", SILENT)) > 0:
            yield Unreached(network.id, network.link, 4, _path("all", SILENT), str(value))
        parent = kernel.link(network.link)
        strict = {name: _setting(kernel, name, STRICT) for name in (network.link, "all")}  # the larger one holds
        if parent is not None and parent.index in by_parent and max(strict.values()) == 1:
            name = next(name for name, value in strict.items() if value == 1)
            yield Unreached(network.id, network.link, 4, _path(name, STRICT), "1")


def doubled(endpoints: Iterable[Endpoint], networks: Iterable[Network], is_own: IsOwn) -> Iterator[Doubled]:
    """Yield the addresses that containers on the LAN have, and the host too; may raise ``KernelError``."""
    lan = {network.id for network in networks if not network.host_gateway}
    for end in (each for each in endpoints if each.network_id in lan):
        yield from (Doubled(end.network_id, end.id, own.ip) for own in (end.ipv4, end.ipv6) if own and is_own(own.ip))


def doubled_addresses(facts: Facts) -> Iterator[HostFinding]:
    """Docker's own address manager gives out any address of the subnet, and knows nothing of the LAN."""
    for each in facts.doubled:
        cause = (
            f"endpoint '{each.endpoint[:12]}' of network '{each.network[:12]}' has {each.address}, which is this "
            "host's own: machines of the LAN reach one of both, by chance"
        )
        cure = (
            f"create the network with --aux-address host={each.address}, or with an --ip-range that the LAN does not "
            "use; --ipam-driver pynet leaves the host's addresses out"
        )
        yield HostFinding(Severity.ERROR, cause, cure, ("ip -br address", "pynet endpoint ls"))


def host_access(facts: Facts) -> Iterator[HostFinding]:
    """The host's own address leads containers to it, and its answers tell them the MAC."""
    for each in facts.unreached:
        network = f"network '{each.network[:12]}', which has pynet.host_access=on"
        if each.setting:
            name = each.setting.rpartition("/")[2]
            cause = f"'{each.setting}' is {each.value}, {WHY[name]}: no way leads to containers of {network}"
            instead = 2 if name == STRICT else 0
            cure = f"set it to {instead}, and {name} on the links alone that need another value"
            commands = [f"sysctl -w {each.setting.replace('/', '.')}={instead}", f"grep -r {name} /etc/sysctl.d"]
        else:
            no_address = f"'{each.link}' has no IPv{each.version} address or is down"
            cause = f"{no_address}: no way leads to containers of {network}"
            cure = f"give '{each.link}' an address of the LAN; pynet then sets the routes by itself"
            commands = [f"ip addr show dev {each.link}"]
        yield HostFinding(Severity.WARNING, cause, cure, tuple(commands))


def _path(link: str, name: str) -> str:
    return f"net/ipv4/conf/{link}/{name}"


def _setting(kernel: Kernel, link: str, name: str) -> int:
    """Return a setting; 0 where it cannot be read."""
    with suppress(KernelError, ValueError):
        return int(kernel.read_setting(_path(link, name)))
    return 0
