"""Differences between the records and the kernel: one small type each, with a sentence.

The sentence names the difference and its repair; it is the log line of the repair and the line of a dry run.
"""

from dataclasses import fields
from typing import ClassVar

from netlink.values import dataclass
from plugin.protocol.messages import Address, InterfaceAddress


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference; ``network`` is the id of the network to which it belongs, or ""."""

    text: ClassVar[str]

    network: str

    @property
    def kind(self) -> str:
        """Name of the type, under which repairs are counted."""
        return type(self).__name__

    @property
    def sentence(self) -> str:
        """The difference and its repair; ids have twelve characters."""
        short = {each.name: str(getattr(self, each.name)) for each in fields(self)}
        short |= {name: short[name][:12] for name in ("network", "endpoint") if name in short}
        return self.text.format(**short)


@dataclass(frozen=True, slots=True)
class NetworkUnclear(Finding):
    """The record of a network cannot be understood, as after a step back to an older pynet; it can only be removed."""

    text = "network '{network}' cannot be looked after, {why}: remove it and create it again"

    why: str


@dataclass(frozen=True, slots=True)
class LinkMissing(Finding):
    """The kernel has no link that carries a network; made again with its addresses and settings."""

    text = "link '{link}' of network '{network}' is missing: make it again"

    link: str


@dataclass(frozen=True, slots=True)
class LinkForeign(Finding):
    """Another link has the name; pynet did not make it and leaves it alone."""

    text = (
        "link '{link}' of network '{network}' is another one, of kind '{found}' (kind '{wanted}' is needed), which "
        "pynet did not make: give that one another name, or remove the network"
    )

    link: str
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class EndpointLost(Finding):
    """Both ends of an endpoint's pair are gone, as after a reboot; only the engine can make a container a new one."""

    text = "endpoint '{endpoint}' of network '{network}' has lost its link '{link}': forget it and give its ports back"

    endpoint: str
    link: str


@dataclass(frozen=True, slots=True)
class ParentAstray(Finding):
    """The link of the host upon which the links of containers are is gone, has another name, or is another link."""

    text = "link '{link}', the parent of network '{network}', is not there or is another one: find it or make it again"

    link: str


@dataclass(frozen=True, slots=True)
class EndpointCut(Finding):
    """The link of a container went with its parent; only the engine can make a container a new one."""

    text = (
        "endpoint '{endpoint}' of network '{network}' has lost its link, which went with its parent '{link}': restart "
        "its container once '{link}' is there"
    )

    endpoint: str
    link: str


@dataclass(frozen=True, slots=True)
class LinkDetached(Finding):
    """A port is not in the bridge of its network."""

    text = "link '{link}' of network '{network}' is not in bridge '{bridge}': attach it"

    link: str
    bridge: str


@dataclass(frozen=True, slots=True)
class PortChanged(Finding):
    """A port learns MACs that it should not, keeps group frames from the rules, or is in another group or VLAN."""

    text = "port '{link}' of network '{network}' has other flags, VLANs or another group than pynet gave it: set them"

    link: str


@dataclass(frozen=True, slots=True)
class VlansMixed(Finding):
    """A user's bridge does not keep VLANs apart any more, which only its user may change."""

    text = (
        "bridge '{link}' mixes the VLAN of network '{network}' with all others: turn vlan_filtering on again (ip link "
        "set {link} type bridge vlan_filtering 1)"
    )

    link: str


@dataclass(frozen=True, slots=True)
class LinkDown(Finding):
    """A link was set down."""

    text = "link '{link}' of network '{network}' is down: set it up"

    link: str


@dataclass(frozen=True, slots=True)
class LinkChanged(Finding):
    """An attribute of a link (``what`` is alias, MAC, MTU or gso_max_size) has another value."""

    text = "{what} of link '{link}' of network '{network}' is '{found}': set it to '{wanted}'"

    link: str
    what: str
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class LimitChanged(Finding):
    """The limit of a link's rate is gone or another one, or frames go past it; ``wanted`` is "none" to end it."""

    text = "limit of link '{link}' of network '{network}' is '{found}': set it to '{wanted}'"

    endpoint: str
    link: str
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class AddressMissing(Finding):
    """A gateway address is not on its link."""

    text = "address {address} is not on link '{link}' of network '{network}': add it"

    link: str
    address: InterfaceAddress


@dataclass(frozen=True, slots=True)
class RouteMissing(Finding):
    """The host's route to a container is gone, or has another source or MAC."""

    text = (
        "route from {source} to {destination} by link '{link}', to endpoint '{endpoint}' of network '{network}', is "
        "missing or another one: set it"
    )

    endpoint: str
    link: str
    destination: Address
    source: Address


@dataclass(frozen=True, slots=True)
class RouteLeft(Finding):
    """The host has a route to a container that is gone, or to one that it cannot reach without an address there."""

    text = "route to {destination} by link '{link}' leads nowhere: delete it"

    link: str
    destination: Address


@dataclass(frozen=True, slots=True)
class DirectRoutesLeft(Finding):
    """The host has routes to containers of other hosts, of a network that a crash prevented."""

    text = "routes to containers of other hosts with metric {vni}, the VNI of no network: delete them"

    vni: int


@dataclass(frozen=True, slots=True)
class SettingChanged(Finding):
    """A sysctl of a network's link has another value."""

    text = "setting '{path}' is '{found}', network '{network}' needs '{wanted}': set it"

    path: str
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class HostSettingChanged(Finding):
    """A sysctl of the host that networks share has another value."""

    text = "setting '{path}' of the host is '{found}', networks need '{wanted}': set it"

    path: str
    found: str
    wanted: str


@dataclass(frozen=True, slots=True)
class ResolverAddressGone(Finding):
    """An address of pynet's resolver is not on the host, although the resolver serves there."""

    text = "link 'lo' has no address '{address}', at which containers ask for names: add it"

    address: Address


@dataclass(frozen=True, slots=True)
class PortNotHeld(Finding):
    """A published port has no socket that holds it."""

    text = (
        "port {port}/{proto} of {host}, published for endpoint '{endpoint}' of network '{network}', is held by no "
        "socket of pynet: hold it"
    )

    endpoint: str
    proto: str
    host: Address
    port: int


@dataclass(frozen=True, slots=True)
class TableChanged(Finding):
    """pynet's nftables tables are gone, or differ from what was written."""

    text = "nftables tables '{table}' {found}: restore them"

    table: str
    found: str


@dataclass(frozen=True, slots=True)
class RulesRefused(Finding):
    """Elements of an owner cannot be written; it is named by its link: "pn-" or "pnh" and a part of an id."""

    text = "rules of '{owner}' cannot be written: it is closed, remove it and create it again with other options"

    owner: str


@dataclass(frozen=True, slots=True)
class RulesAstray(Finding):
    """The elements of an owner in memory differ from the records; it is named as in ``RulesRefused``."""

    text = "rules of '{owner}' {found}: bring them in line with the records"

    owner: str
    found: str


@dataclass(frozen=True, slots=True)
class TableLeft(Finding):
    """The tables exist and no network needs them."""

    text = "nftables tables '{table}' are needed by no network: remove them"

    table: str


@dataclass(frozen=True, slots=True)
class AcceptsChanged(Finding):
    """The accepts beside another firewall's rules differ from the needed ones."""

    text = "accept rules of pynet in chain '{chain}' are not those that are needed: add and delete some"

    chain: str


@dataclass(frozen=True, slots=True)
class OrphanLink(Finding):
    """A link that this pynet made for a network or an endpoint that it no longer knows."""

    text = "link '{link}' with alias '{alias}' was made for what is gone: delete it"

    link: str
    alias: str


@dataclass(frozen=True, slots=True)
class OrphanSetting(Finding):
    """A setting that was changed for networks that are gone."""

    text = "setting '{path}' is needed by no network any more: put it back to '{before}'"

    path: str
    before: str
