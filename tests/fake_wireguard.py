"""WireGuard links of the imaginary host."""

from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from netlink.errors import Exists, Missing, NotSupported
from netlink.wireguard import WireGuardPeer, WireGuardState
from plugin.protocol.messages import Address

if TYPE_CHECKING:
    from tests.fakes import FakeKernel

EMPTY = WireGuardState("", 0, {}, {})


class FakeWireGuards:
    """Links with keys, peers and routes; handshakes are made by the test."""

    def __init__(self, kernel: "FakeKernel") -> None:
        self._kernel = kernel
        self.supported = True
        self.taken: set[int] = set()  # UDP ports
        self.links: dict[str, WireGuardState] = {}
        self.routes: dict[Address, str] = {}
        self.greeted: list[str] = []
        self.cut: list[Address] = []  # to which nothing led for a moment

    def try_wireguard(self) -> None:
        if not self.supported:
            raise NotSupported("ask for WireGuard: this kernel has none")

    def add_wireguard(self, name: str, mtu: int) -> None:
        self._kernel.steps.take("add wireguard")
        self._kernel.add_link(name, "wireguard", 0)
        self._kernel.change(name, mtu=mtu)
        self.links[name] = EMPTY

    def set_key(self, name: str, private: bytes, port: int) -> None:
        self._kernel.steps.take("set key")
        public = b64encode(sha256(private).digest()).decode()
        if port in self.taken:
            raise Exists(f"port {port}: address already in use")
        self.links[name] = replace(self.state(name), public=public, port=port)

    def state(self, name: str) -> WireGuardState:
        self._forget_gone()
        if name not in self.links:
            raise Missing(name)
        return self.links[name]

    def set_peers(self, name: str, add: Collection[WireGuardPeer], remove: Collection[str] = ()) -> None:
        self._kernel.steps.take("set peers")
        state = self.state(name)
        peers = {key: peer for key, peer in state.peers.items() if key not in remove}
        handshakes = {key: at for key, at in state.handshakes.items() if key in peers}
        peers |= {peer.public: peer for peer in add}
        self.links[name] = replace(state, peers=peers, handshakes=dict.fromkeys(peers, 0) | handshakes)

    def nudge(self, name: str, publics: Sequence[str]) -> None:
        self.greeted += publics

    def lead(self, name: str, to: Collection[Address]) -> None:
        self._kernel.steps.take("lead")
        self.routes |= dict.fromkeys(to, name)

    def end_lead(self, name: str, to: Collection[Address]) -> None:
        self.cut += [address for address in to if self.routes.get(address) == name]
        self.routes = {address: link for address, link in self.routes.items() if address not in to or link != name}

    def led(self, name: str) -> set[Address]:
        self.state(name)
        return {address for address, link in self.routes.items() if link == name}

    def shake(self, name: str, at: int) -> None:
        """Let a link have a handshake with each of its peers."""
        state = self.state(name)
        self.links[name] = replace(state, handshakes=dict.fromkeys(state.peers, at))

    def snapshot(self) -> object:
        """Everything there is."""
        self._forget_gone()
        return dict(self.links), dict(self.routes)

    def _forget_gone(self) -> None:
        self.links = {name: state for name, state in self.links.items() if self._kernel.link_exists(name)}
        self.routes = {to: name for to, name in self.routes.items() if name in self.links}
