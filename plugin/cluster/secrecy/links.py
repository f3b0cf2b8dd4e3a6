"""The WireGuard links of this host: one, and a second one while the keys change."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv6Address, IPv6Interface

from netlink.errors import Exists, Missing, NotSupported
from netlink.wireguard import WireGuardPeer, WireGuardState
from plugin.cluster.secrecy.key_file import OwnKey
from plugin.errors import Conflict, Unsupported
from plugin.host.link_settings import carrier_settings
from plugin.host.own_links import OwnLinks
from plugin.interfaces import Kernel, WireGuards
from plugin.model.desired import SharedLink, WantedLink
from plugin.model.link_owner import Owner
from plugin.model.names import WIREGUARD, Alias, carrier_name

SLOTS = (0, 1)


class Carriers:
    """Makes and removes them, each with the ``address`` of this host inside the tunnels.

    ``port`` is the UDP port of the first, the next one that of the second. Every verb may raise ``KernelError``.
    """

    def __init__(self, kernel: Kernel, wireguard: WireGuards, owner: str, address: IPv6Address, port: int) -> None:
        self._kernel = kernel
        self._wireguard = wireguard
        self._owner = owner
        self._links = OwnLinks(kernel, Owner(owner))
        self.address = address
        self._port = port

    def names(self) -> Sequence[str]:
        """Return the names of both links, whether they are there or not."""
        return carriers_of(self._owner)

    def port(self, slot: int) -> int:
        """Return the UDP port of a link."""
        return self._port + slot

    def try_kernel(self) -> None:
        """Check that this host can encrypt; nothing is made.

        Raises:
            Unsupported: the kernel has no WireGuard, or no IPv6.
        """
        try:
            self._wireguard.try_wireguard()
        except NotSupported as error:
            raise Unsupported(
                f"option 'pynet.encrypt': this kernel has no WireGuard (module '{WIREGUARD}'); load or install it, or "
                "leave the option out on all hosts"
            ) from error
        try:
            self._kernel.read_setting("net/ipv6/conf/default/disable_ipv6")
        except Missing as error:
            raise Unsupported(
                "option 'pynet.encrypt': this kernel runs without IPv6 (ipv6.disable=1), which the tunnels use inside"
            ) from error

    def wanted(self, slot: int) -> SharedLink:
        """Describe a link, but for its MTU, which follows that of the link to the other hosts."""
        name = self.names()[slot]
        alias = str(Alias(self._owner, WIREGUARD, str(slot)))
        return SharedLink(WantedLink(name, WIREGUARD, alias), tuple(carrier_settings(name)))

    def ensure(self, key: OwnKey, mtu: int) -> WireGuardState:
        """Make the link of ``key`` unless it is there, and mend its key, port, address and MTU; return its state.

        Raises:
            Conflict: another link has its name, or another program its port.
        """
        shared, port = self.wanted(key.slot), self.port(key.slot)
        name, found = shared.link.name, self._links.expect(shared.link.name, str(key.slot))
        if found is None:
            self._wireguard.add_wireguard(name, mtu)
        try:
            self._wireguard.set_key(name, key.raw, port)
            if found is None or not found.up or found.alias != shared.link.alias:
                settings = {each.path: each.value for each in shared.settings}
                self._kernel.finish_link(name, shared.link.alias, settings)
        except Exists as error:
            if found is None:
                self._links.remove(name, str(key.slot))
            raise Conflict(
                f"UDP port {port}, which pynet's WireGuard needs, is taken on this host; end the program that has it "
                f"(ss -lunp), or choose another PYNET_WIREGUARD_PORT ({error})"
            ) from error
        if found is not None and found.mtu != mtu:
            self._kernel.set_mtu(name, mtu)
        with suppress(Exists):
            self._kernel.add_address(name, IPv6Interface((self.address, 128)))
        return self._wireguard.state(name)

    def state(self, slot: int) -> WireGuardState:
        """Return the state of a link; raises ``Missing`` without it."""
        return self._wireguard.state(self.names()[slot])

    def remove(self, slot: int) -> None:
        """Remove a link if pynet made it."""
        self._links.remove(self.names()[slot], str(slot))

    def set_peers(
        self, slot: int, state: WireGuardState, wanted: Mapping[str, WireGuardPeer], renewed: Collection[str] = ()
    ) -> None:
        """Give a link in ``state`` its peers, and take all others from it; those with keys ``renewed`` begin anew."""
        name = self.names()[slot]
        gone = [key for key in state.handshakes if key not in wanted or key in renewed]
        coming = [peer for key, peer in wanted.items() if state.peers.get(key) != peer or key in renewed]
        if gone or coming:
            self._wireguard.set_peers(name, coming, gone)

    def nudge(self, slot: int, publics: Sequence[str]) -> None:
        """Begin handshakes with peers where there is no session."""
        self._wireguard.nudge(self.names()[slot], publics)

    def lead(self, ways: Mapping[int, Collection[IPv6Address]]) -> None:
        """Lead to the hosts of each link; a host that changes the link is led to all the time. Other routes go."""
        links = {self.names()[slot]: set(to) for slot, to in ways.items()}
        for name, to in links.items():
            if coming := to - self._wireguard.led(name):
                self._wireguard.lead(name, coming)
        for name, to in links.items():
            if going := self._wireguard.led(name) - to:
                self._wireguard.end_lead(name, going)


def carriers_of(owner: str) -> Sequence[str]:
    """Return the names of the links that may carry encrypted networks of the pynet called ``owner``."""
    return [carrier_name(owner, slot) for slot in SLOTS]
