"""Networks whose containers the host should reach, and does not (``plugin.host.shim``)."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from netlink.errors import KernelError
from plugin.doctor.facts import Facts, HostFinding, Severity, Unreached
from plugin.interfaces import Kernel
from plugin.model.records import Network
from plugin.options.host_access import HostAccessSettings

SILENT = "net/ipv4/conf/all/arp_ignore"


def unreached(kernel: Kernel, networks: Iterable[Network]) -> Iterator[Unreached]:
    """Yield why the host does not reach containers of networks; may raise ``KernelError``."""
    wanted = [network for network in networks if HostAccessSettings.readable(network.in_force).host_access]
    silent = "0"
    with suppress(KernelError):
        silent = kernel.read_setting(SILENT) if wanted else silent
    for network in wanted:
        there = {address.version for address in kernel.source_addresses(network.link)}
        for version in sorted((set(network.families) or {4}) - there):  # by DHCP a network has IPv4 and no subnet
            yield Unreached(network.id, network.link, version)
        if silent != "0":
            yield Unreached(network.id, network.link, 4, silent)


def host_access(facts: Facts) -> Iterator[HostFinding]:
    """The host's own address leads containers to it, and its answers tell them the MAC."""
    for each in facts.unreached:
        network = f"network '{each.network[:12]}', which has pynet.host_access=on"
        if each.silent:
            cause = f"'{SILENT}' is {each.silent}, so the host does not tell containers of {network}, its MAC address"
            cure = "set it to 0, and set arp_ignore on the links that need it alone"
            commands = ("sysctl -w net.ipv4.conf.all.arp_ignore=0", "grep -r arp_ignore /etc/sysctl.conf /etc/sysctl.d")
            yield HostFinding(Severity.WARNING, cause, cure, commands)
            continue
        cause = f"'{each.link}' has no IPv{each.version} address or is down: no way leads to containers of {network}"
        cure = f"give '{each.link}' an address of the LAN; pynet then sets the routes by itself"
        yield HostFinding(Severity.WARNING, cause, cure, (f"ip addr show dev {each.link}",))
