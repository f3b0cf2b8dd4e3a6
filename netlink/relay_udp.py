"""UDP flows that are relayed: each client address and port has a socket of its own towards the target.

When a share is used up, the flow that has been idle for longest ends: of the client, of the port, or of all. UDP has no
way to tell a client to wait. All methods run in the thread of the loop.
"""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import field
from typing import Any

from netlink.ip import SocketAddress
from netlink.relay_limits import Limits
from netlink.values import dataclass

LARGEST = 1 << 16  # bytes of a datagram
Flows = OrderedDict["_Flow", None]  # the one that has been idle for longest first


@dataclass(eq=False, slots=True)
class _Port:
    """A bound socket, which belongs to somebody else, and its flows."""

    sock: socket.socket
    target: SocketAddress
    by_client: dict[Any, "_Flow"] = field(default_factory=dict)
    flows: Flows = field(default_factory=OrderedDict)


@dataclass(eq=False, slots=True)
class _Flow:
    """One client, with its port, of a UDP port; ``moved`` is when something was last sent (the loop's time)."""

    port: _Port
    client: Any
    sock: socket.socket
    moved: float = 0.0


class Datagrams:
    """All UDP sockets of the relay."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ports: dict[int, _Port] = {}  # by descriptor
        self._flows: Flows = OrderedDict()
        self._clients: dict[str, Flows] = {}
        self._expiry: asyncio.TimerHandle | None = None

    def watch(self, sock: socket.socket, target: SocketAddress) -> None:
        """Receive from ``sock``."""
        port = self._ports[sock.fileno()] = _Port(sock, target)
        asyncio.get_running_loop().add_reader(sock, self._receive, port)

    def leave(self, descriptors: Iterable[int]) -> None:
        """End the flows of these sockets; unknown ones are passed over."""
        for descriptor in descriptors:
            port = self._ports.pop(descriptor, None)
            if port is not None:
                asyncio.get_running_loop().remove_reader(descriptor)
                for flow in list(port.flows):
                    self._forget(flow)

    def leave_all(self) -> None:
        """End everything."""
        self.leave(list(self._ports))

    def _receive(self, port: _Port) -> None:
        with suppress(OSError):
            datagram, client = port.sock.recvfrom(LARGEST)
            flow = port.by_client.get(client) or self._new(port, client)
            self._stay(flow)
            flow.sock.send(datagram)

    def _answer(self, flow: _Flow) -> None:
        with suppress(OSError):
            datagram = flow.sock.recv(LARGEST)
            self._stay(flow)
            flow.port.sock.sendto(datagram, flow.client)

    def _new(self, port: _Port, client: Any) -> _Flow:
        self._make_room(port, client)
        family = socket.AF_INET6 if ":" in port.target[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.connect(port.target)
        except OSError:
            sock.close()
            raise
        flow = port.by_client[client] = _Flow(port, client, sock)
        self._clients.setdefault(client[0], OrderedDict())
        for flows in self._lists(flow):
            flows[flow] = None
        asyncio.get_running_loop().add_reader(sock, self._answer, flow)
        return flow

    def _make_room(self, port: _Port, client: Any) -> None:
        most = self._limits.flows
        own = self._clients.get(client[0], OrderedDict())
        for flows, limit in ((own, most.client), (port.flows, most.port), (self._flows, most.together)):
            if len(flows) >= limit:
                self._forget(next(iter(flows)))

    def _lists(self, flow: _Flow) -> tuple[Flows, Flows, Flows]:
        return self._flows, flow.port.flows, self._clients[flow.client[0]]

    def _stay(self, flow: _Flow) -> None:
        loop = asyncio.get_running_loop()
        flow.moved = loop.time()
        for flows in self._lists(flow):
            flows.move_to_end(flow)
        if self._expiry is None:
            self._expiry = loop.call_later(self._limits.flow_idle, self._expire)

    def _expire(self) -> None:
        """Forget idle flows; one timer does for all, as they are in order."""
        loop = asyncio.get_running_loop()
        self._expiry = None
        for flow in list(self._flows):
            due = flow.moved + self._limits.flow_idle
            if due > loop.time():
                self._expiry = loop.call_at(due, self._expire)
                break
            self._forget(flow)

    def _forget(self, flow: _Flow) -> None:
        client = flow.client[0]
        for flows in self._lists(flow):
            del flows[flow]
        if not self._clients[client]:
            del self._clients[client]
        del flow.port.by_client[flow.client]
        asyncio.get_running_loop().remove_reader(flow.sock)
        flow.sock.close()
