"""Macvlan mode: containers are on the LAN of a link of the host, with MAC addresses of their own.

    container                 host
    ┌────────────┐           ┌─────────────────────────────┐
    │ eth0  ◄────┼─ macvlan ─┼── eth0, the parent ─────────┼──► LAN, and its router
    └────────────┘           └─────────────────────────────┘

Containers reach each other and the LAN, but not the host by its parent (drivers/net/macvlan.c). What its networks have
in common with those of mode ipvlan is in ``plugin.modes.children``.
"""

from netlink.errors import KernelError
from netlink.lan_links import ChildLink
from plugin.model.names import container_link_name, endpoint_alias
from plugin.model.records import Endpoint, Network
from plugin.modes.children import ChildMode, Variety, other_kind
from plugin.options.host_access import HostAccessSettings
from plugin.options.option import Option
from plugin.options.parent import word_or_first


class MacvlanSettings(HostAccessSettings):
    """Settings of a network of this mode; the key is that of the built-in driver (moby drivers/macvlan)."""

    macvlan_mode = Option(
        "macvlan_mode",
        word_or_first("bridge", "private", "vepa", "passthru"),
        "bridge",
        "bridge, private, vepa or passthru",
        "`bridge`: containers of one link reach each other; `private`: they do not; `vepa`: they do by a switch that "
        "sends frames back; `passthru`: one container has the link for itself, with its MAC address",
    )


class MacvlanMode(ChildMode):
    """See the module's description."""

    name = kernel = "macvlan"
    summary = "on the LAN of a link of the host, by macvlan"
    settings = MacvlanSettings

    @staticmethod
    def variety(network: Network) -> Variety:
        """Return the mode that the user chose."""
        return Variety(MacvlanSettings.readable(network.in_force).macvlan_mode)

    def shared_mac(self, network: Network) -> str:
        """Return the parent's MAC in mode passthru: another one would be given to the parent too."""
        passthru = self.variety(network).mode == "passthru"
        return network.parent.mac if passthru and network.parent else ""

    def conflict(self, network: Network, other: Network) -> str:
        """Refuse a passthru network beside others, in the words of the built-in driver, and links of another kind."""
        if other.mode != self.name:
            return other_kind(network, other)
        mine, theirs = self.variety(network).mode, self.variety(other).mode
        if mine == "passthru":
            return (
                f"cannot use mode passthru, macvlan network {other.id[:12]} is already using parent interface "
                f"{network.link}"
            )
        if theirs == "passthru":
            return f"macvlan network {other.id[:12]} is already using parent interface {network.link} in mode passthru"
        return ""

    def in_container(self, endpoint: Endpoint) -> bool:
        """Ask the kernel whether the MAC is in use: an engine that was killed forgets containers without a word.

        A link with a MAC that another one has in whatever namespace cannot be set up (macvlan_open).
        """
        parent = self._parents.link_of(endpoint.parent) if super().in_container(endpoint) else None
        if parent is None:
            return False
        name, alias = container_link_name(endpoint.id), endpoint_alias(self._owner, endpoint)
        try:
            self._kernel.add_child(ChildLink(name, self.kernel, parent.name, "bridge", mac=endpoint.mac, alias=alias))
            self._kernel.try_child(name)
        except KernelError:
            return True
        finally:
            self._links.remove(name, endpoint.id)
        return False
