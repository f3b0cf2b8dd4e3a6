"""Listens for routes of ``netlink.host_routes`` that others delete, as long as there is a link that has some."""

import re
import socket
from collections.abc import Callable, Mapping

from netlink import uapi
from netlink.host_routes import PROTOCOL, gone
from netlink.ip import FAMILIES
from netlink.links import parse_link
from netlink.own_changes import GONE, OwnChanges
from netlink.request import link_name
from netlink.wire import attributes, messages, number


class RouteMonitor:
    """A socket that is open while there are such links, the shims, as some hosts change many routes.

    Names of shims begin with ``prefix`` and end with twelve hexadecimal digits; ``shim_of`` returns the name for a link
    of the host, whether that has one or not. ``parents`` returns the links of the host upon which containers have
    links, with their indices by name.
    """

    def __init__(
        self,
        prefix: str,
        shim_of: Callable[[str], str],
        changes: OwnChanges,
        parents: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self._parents = parents
        self._shim_of = shim_of
        self._name = re.compile(prefix.encode() + rb"[0-9a-f]{12}(?=\0)")
        self._changes = changes
        self._socket: socket.socket | None = None
        self.links = {name for _, name in socket.if_nameindex() if self._name.match(name.encode() + b"\0")}

    def note(self, kind: int, body: bytes) -> None:
        """Note a link that comes or goes, from the body of an RTM_NEWLINK or RTM_DELLINK message."""
        if body[0] == socket.AF_UNSPEC and (found := self._name.search(body)):
            name = found.group().decode()
            (self.links.discard if kind == uapi.RTM_DELLINK else self.links.add)(name)

    def astray(self, kind: int, body: bytes) -> str:
        """Return the parent that a message is about if it went, came back, is down or has another name, else ""."""
        parents = self._parents()
        if not parents or body[0] != socket.AF_UNSPEC:
            return ""
        link = parse_link(body)
        before = next((name for name, index in parents.items() if index == link.index), "")
        if before:
            return before if kind == uapi.RTM_DELLINK or link.name != before or not link.up else ""
        return link.name if link.name in parents else ""

    def listening(self) -> socket.socket | None:
        """Return the socket, opened or closed as there are shims now."""
        if self.links and self._socket is None:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
            self._socket.bind((0, uapi.RTMGRP_IPV4_ROUTE | uapi.RTMGRP_IPV6_ROUTE))
        elif not self.links and self._socket is not None:
            self._socket.close()
            self._socket = None
        return self._socket

    def has_shim(self, name: str) -> bool:
        """Return whether a link of the host has a shim."""
        return bool(self.links) and self._shim_of(name) in self.links

    def of_routes(self, data: bytes) -> set[str]:
        """Return the links of which messages tell that somebody else deleted a route."""
        heard = set()
        for kind, _, body in messages(data):
            if kind == uapi.RTM_DELROUTE and body[0] in FAMILIES and body[5] == PROTOCOL:
                found = dict(attributes(body[uapi.RTMSG.size :]))
                name = link_name(number(found.get(uapi.RTA_OIF, b"")))
                if name in self.links and not self._changes.is_recent(GONE, gone(found.get(uapi.RTA_DST, b""))):
                    heard.add(name)
        return heard

    def close(self) -> None:
        """Close the socket."""
        self.links.clear()
        self.listening()
