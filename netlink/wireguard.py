"""WireGuard links, their peers, and the routes that lead to the peers.

Generic netlink, as uapi/linux/wireguard.h describes it, packed here: pyroute2 takes one peer a message, each through
its own event loop, and needs 22 MB more.
"""

import errno
import socket
import sys
from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from ipaddress import ip_address

from netlink import request, uapi
from netlink.deadline import remaining
from netlink.dump import dump
from netlink.errors import NotSupported, kernel_errors
from netlink.host_routes import route_by, routes_by
from netlink.ip import FAMILY, Address
from netlink.own_changes import MADE, OwnChanges
from netlink.request import Requests, link_index
from netlink.values import dataclass
from netlink.wire import attribute, attributes, check, error_number, message, messages, nested, number, text, word

FAMILY_NAME = "wireguard"
NUDGE = 1  # seconds between keepalives, the least: the first goes at once, and with it the handshake
TOGETHER = 100  # peers in one message: one takes 140 bytes, and the length of an attribute has 16 bits
MISSING = "this kernel has no WireGuard (module 'wireguard', in Linux since 5.6)"


@dataclass(frozen=True, slots=True)
class WireGuardPeer:
    """A peer by its ``public`` key (base64): its packets have the source ``allowed`` inside, and go to ``endpoint``."""

    public: str
    endpoint: Address
    port: int
    allowed: Address


@dataclass(frozen=True, slots=True)
class WireGuardState:
    """A link as the kernel has it: its own ``public`` key, UDP ``port``, and ``peers`` with the handshakes.

    ``handshakes`` has the time of the last one by public key, in seconds since the epoch; 0 is none. A peer that pynet
    cannot have written, such as one without an endpoint, is only in ``handshakes``.
    """

    public: str
    port: int
    peers: Mapping[str, WireGuardPeer]
    handshakes: Mapping[str, int]


class WireGuards:
    """The network namespace that this process lives in. Every verb may raise ``KernelError``.

    Links are born in link group ``group``, as other links are (``netlink.links``).
    """

    def __init__(self, group: int = 0, changes: OwnChanges | None = None) -> None:
        self._group = group
        self._changes = changes or OwnChanges()

    def try_wireguard(self) -> None:
        """Raise ``NotSupported`` if the kernel has no WireGuard; it loads a module that it has, and makes nothing."""
        with kernel_errors("ask for WireGuard"):
            _family("ask for WireGuard")

    def add_wireguard(self, name: str, mtu: int) -> None:
        """``ip link add NAME mtu MTU type wireguard``; the link is down, has no key, and gets no address by itself.

        Raises:
            Exists: the name is taken.
            NotSupported: the kernel has no WireGuard.
        """
        action = f"add wireguard '{name}'"
        info = attribute(uapi.IFLA_LINKINFO, text(uapi.IFLA_INFO_KIND, "wireguard"))
        body = request.NO_LINK + text(uapi.IFLA_IFNAME, name) + word(uapi.IFLA_MTU, mtu)
        with kernel_errors(action):
            self._changes.record(MADE, name)
            [code] = _send([message(uapi.RTM_NEWLINK, request.NEW, body + word(uapi.IFLA_GROUP, self._group) + info)])
            if code == errno.EOPNOTSUPP:
                raise NotSupported(f"{action}: {MISSING}")
            check(code)
            _send([request.without_address(socket.if_nametoindex(name))])

    def set_key(self, name: str, private: bytes, port: int) -> None:
        """Give a link its private key (32 bytes) and its UDP port; a key that it has stays untouched.

        Raises:
            Exists: the port is taken (EADDRINUSE), which the kernel says when the link is up.
            Missing: there is no such link.
        """
        own = attribute(uapi.WGDEVICE_A_PRIVATE_KEY, private)
        own += attribute(uapi.WGDEVICE_A_LISTEN_PORT, port.to_bytes(2, sys.byteorder))
        self._set(name, f"give '{name}' its key and UDP port {port}", own)

    def state(self, name: str) -> WireGuardState:
        """Return the state of a link; raises ``Missing`` without it."""
        action = f"look at wireguard '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            family = _family(action)
            asked = _head(uapi.WG_CMD_GET_DEVICE) + word(uapi.WGDEVICE_A_IFINDEX, index)
            bodies = dump(family, asked, uapi.NETLINK_GENERIC, family)
        return _read_state(bodies)

    def set_peers(self, name: str, add: Collection[WireGuardPeer], remove: Collection[str] = ()) -> None:
        """Remove peers by their public keys, then add or change others; sessions of all others go on.

        Each added peer is sent a greeting, so that the handshake is over before there is anything to send.
        """
        going = [_peer(key, flags=uapi.WGPEER_F_REMOVE_ME) for key in remove]
        coming = [_wanted(peer) for peer in add]
        action = f"set peers of '{name}'"
        for peers in (going, coming):
            for start in range(0, len(peers), TOGETHER):
                self._set(name, action, _list_of(peers[start : start + TOGETHER]))
        if add:
            self.nudge(name, [peer.public for peer in add])

    def nudge(self, name: str, publics: Sequence[str]) -> None:
        """Send peers a keepalive now, which begins a handshake where there is no session, and none later."""
        for seconds in (NUDGE, 0):
            keepalive = attribute(uapi.WGPEER_A_KEEPALIVE, seconds.to_bytes(2, sys.byteorder))
            peers = [_peer(key, keepalive, flags=uapi.WGPEER_F_UPDATE_ONLY) for key in publics]
            for start in range(0, len(peers), TOGETHER):
                self._set(name, f"greet peers of '{name}'", _list_of(peers[start : start + TOGETHER]))

    def lead(self, name: str, to: Collection[Address]) -> None:
        """``ip route replace TO dev NAME`` for each address: what led elsewhere leads there without a gap."""
        action = f"lead to peers by '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            for code in _send([_route(uapi.RTM_NEWROUTE, index, address) for address in to]):
                check(code)

    def end_lead(self, name: str, to: Collection[Address]) -> None:
        """``ip route del TO dev NAME`` for each address; routes that are gone are passed over."""
        action = f"lead to peers by '{name}' no more"
        index = link_index(name, action)
        with kernel_errors(action):
            for code in _send([_route(uapi.RTM_DELROUTE, index, address) for address in to]):
                check(0 if code in (errno.ESRCH, errno.ENOENT) else code)

    def led(self, name: str) -> set[Address]:
        """Return the addresses to which pynet's routes lead by a link; raises ``Missing`` without it."""
        action = f"list routes by '{name}'"
        index = link_index(name, action)
        with kernel_errors(action):
            return set(routes_by(index))

    def _set(self, name: str, action: str, body: bytes) -> None:
        index = link_index(name, action)
        with kernel_errors(action):
            family = _family(action)
            head = _head(uapi.WG_CMD_SET_DEVICE) + word(uapi.WGDEVICE_A_IFINDEX, index)
            for _, answer in _ask(message(family, uapi.NLM_F_ACK, head + body)):
                check(error_number(answer))


def _send(requests: Sequence[bytes]) -> list[int]:
    """Send requests by a socket of their own, as they are rare; return one errno a request, 0 for done."""
    with closing(Requests()) as sender:
        return sender.send_all(requests)


def _head(command: int) -> bytes:
    return uapi.GENLMSGHDR.pack(command, 1, 0)


def _ask(request_: bytes) -> list[tuple[int, bytes]]:
    """Send a request of generic netlink, and return the types and bodies of its answers."""
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, uapi.NETLINK_GENERIC) as sock:
        sock.settimeout(remaining(request.PATIENCE))
        sock.bind((0, 0))
        sock.send(request_)
        return [(kind, body) for kind, _, body in messages(sock.recv(1 << 16))]


def _family(action: str) -> int:
    """Return the number by which this kernel knows WireGuard in generic netlink (CTRL_CMD_GETFAMILY)."""
    named = text(uapi.CTRL_ATTR_FAMILY_NAME, FAMILY_NAME)
    asked = message(uapi.GENL_ID_CTRL, 0, uapi.GENLMSGHDR.pack(uapi.CTRL_CMD_GETFAMILY, 1, 0) + named)
    [(kind, body), *_] = _ask(asked)
    if kind == uapi.NLMSG_ERROR:
        if error_number(body) == errno.ENOENT:
            raise NotSupported(f"{action}: {MISSING}")
        check(error_number(body))
    return number(dict(attributes(body[uapi.GENLMSGHDR.size :]))[uapi.CTRL_ATTR_FAMILY_ID])


def _peer(public: str, more: bytes = b"", *, flags: int) -> bytes:
    return attribute(uapi.WGPEER_A_PUBLIC_KEY, b64decode(public)) + word(uapi.WGPEER_A_FLAGS, flags) + more


def _wanted(peer: WireGuardPeer) -> bytes:
    """Return a peer to which nothing but its one address is allowed."""
    family = FAMILY[peer.allowed.version]
    allowed = attribute(uapi.WGALLOWEDIP_A_FAMILY, family.to_bytes(2, sys.byteorder))
    allowed += attribute(uapi.WGALLOWEDIP_A_IPADDR, peer.allowed.packed)
    allowed += attribute(uapi.WGALLOWEDIP_A_CIDR_MASK, bytes([peer.allowed.max_prefixlen]))
    more = attribute(uapi.WGPEER_A_ENDPOINT, _endpoint(peer.endpoint, peer.port))
    more += nested(uapi.WGPEER_A_ALLOWEDIPS, nested(0, allowed))
    return _peer(peer.public, more, flags=uapi.WGPEER_F_REPLACE_ALLOWEDIPS)


def _list_of(peers: Sequence[bytes]) -> bytes:
    return nested(uapi.WGDEVICE_A_PEERS, b"".join(nested(0, peer) for peer in peers))


def _endpoint(address: Address, port: int) -> bytes:
    """Return struct sockaddr_in or sockaddr_in6."""
    head = FAMILY[address.version].to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
    return head + address.packed + bytes(8) if address.version == 4 else head + bytes(4) + address.packed + bytes(4)


def _route(verb: int, link: int, to: Address) -> bytes:
    flags = uapi.NLM_F_ACK | (uapi.NLM_F_CREATE | uapi.NLM_F_REPLACE if verb == uapi.RTM_NEWROUTE else 0)
    return message(verb, flags, route_by(link, to))


def _read_state(bodies: Sequence[bytes]) -> WireGuardState:
    """Read the answers to WG_CMD_GET_DEVICE; a long list of peers, or of one peer's addresses, takes several."""
    public, port, peers, handshakes = "", 0, dict[str, WireGuardPeer](), dict[str, int]()
    for body in bodies:
        found = dict(attributes(body[uapi.GENLMSGHDR.size :]))
        public = _key(found.get(uapi.WGDEVICE_A_PUBLIC_KEY, b"")) or public
        port = number(found.get(uapi.WGDEVICE_A_LISTEN_PORT, b"")) or port
        for _, each in attributes(found.get(uapi.WGDEVICE_A_PEERS, b"")):
            parts = dict(attributes(each))
            key = _key(parts.get(uapi.WGPEER_A_PUBLIC_KEY, b""))
            handshakes[key] = max(number(parts.get(uapi.WGPEER_A_LAST_HANDSHAKE, b"")[:8]), handshakes.get(key, 0))
            if peer := _read_peer(key, parts):
                peers[key] = peer
    return WireGuardState(public, port, peers, handshakes)


def _read_peer(key: str, parts: Mapping[int, bytes]) -> WireGuardPeer | None:
    """Read a peer; None of one without an endpoint, or with other than one allowed address."""
    where = parts.get(uapi.WGPEER_A_ENDPOINT, b"")
    allowed = [dict(attributes(each)) for _, each in attributes(parts.get(uapi.WGPEER_A_ALLOWEDIPS, b""))]
    if len(where) < 16 or len(allowed) != 1:
        return None
    own, length = (allowed[0].get(kind, b"") for kind in (uapi.WGALLOWEDIP_A_IPADDR, uapi.WGALLOWEDIP_A_CIDR_MASK))
    endpoint = where[4:8] if number(where[:2]) == socket.AF_INET else where[8:24]
    if number(length) != 8 * len(own):
        return None
    return WireGuardPeer(key, ip_address(endpoint), int.from_bytes(where[2:4], "big"), ip_address(own))


def _key(raw: bytes) -> str:
    return b64encode(raw).decode()
