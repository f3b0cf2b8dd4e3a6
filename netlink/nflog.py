"""Listens to a group of the kernel's packet log (nfnetlink_log), without libraries.

The kernel has an instance for a group only while a socket is bound to it, and copies no packet without one. It is gone
with the socket, so also if the process is killed.
"""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from netlink import uapi
from netlink.errors import InUse, kernel_errors
from netlink.headers import Headers, read_headers
from netlink.listening import heard
from netlink.request import link_name
from netlink.wire import attribute, attributes, check, error_number, message, messages

LISTENERS = Path("/proc/thread-self/net/netfilter/nfnetlink_log")  # a line for each group
ROOM = 1 << 20  # bytes of messages that wait to be read
_MODE = struct.Struct("!IBx")  # struct nfulnl_msg_config_mode: bytes of a packet, and how much of it is copied
_TIME = struct.Struct("!QQ")  # struct nfulnl_msg_packet_timestamp: seconds, microseconds
_LINKS = (  # in the order of the fields of LoggedPacket
    uapi.NFULA_IFINDEX_INDEV,
    uapi.NFULA_IFINDEX_OUTDEV,
    uapi.NFULA_IFINDEX_PHYSINDEV,
    uapi.NFULA_IFINDEX_PHYSOUTDEV,
)
_AT_ONCE = 1  # packets that the kernel gathers before it sends them


@dataclass(frozen=True, slots=True)
class LoggedPacket:
    """A packet of the log, with the names of its links: ``port_in`` and ``port_out`` are ports of a bridge."""

    time: float  # seconds since 1970
    prefix: str
    headers: Headers
    link_in: str = ""
    link_out: str = ""
    port_in: str = ""
    port_out: str = ""


class PacketLog:
    """A socket that is bound to ``group`` of the log; ``size`` bytes of each packet are read.

    Raises:
        InUse: another process listens to the group.
        KernelError: the kernel refused.
    """

    def __init__(self, group: int, size: int) -> None:
        with kernel_errors(f"listen to group {group} of the kernel's packet log"):
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, uapi.NETLINK_NETFILTER
            )
            try:
                self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, ROOM)
                self._socket.bind((0, 0))
                self._bind(group, size)
            except OSError as error:
                self._socket.close()
                if _listener(group):
                    taken = "the kernel lets only one program do so, and another one already does"
                    raise InUse(f"listen to group {group} of the kernel's packet log: {taken}") from error
                raise

    def packets(self, seconds: float | None = None) -> Iterator[LoggedPacket]:
        """Yield packets as they come, for ever or until ``seconds`` have passed without one."""
        for kind, _, body in heard(self._socket, seconds):
            if kind == uapi.NFULNL_MSG_PACKET:
                yield _packet(dict(attributes(body[uapi.NFGENMSG :])))

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()

    def __enter__(self) -> "PacketLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _bind(self, group: int, size: int) -> None:
        head = bytes([socket.AF_UNSPEC, 0]) + group.to_bytes(2, "big")
        mode = _MODE.pack(size, uapi.NFULNL_COPY_PACKET)
        asked = attribute(uapi.NFULA_CFG_CMD, bytes([uapi.NFULNL_CFG_CMD_BIND])) + attribute(uapi.NFULA_CFG_MODE, mode)
        asked += attribute(uapi.NFULA_CFG_QTHRESH, _AT_ONCE.to_bytes(4, "big"))
        self._socket.send(message(uapi.NFULNL_MSG_CONFIG, uapi.NLM_F_ACK, head + asked))
        for kind, _, body in messages(self._socket.recv(1 << 16)):
            if kind == uapi.NLMSG_ERROR:
                check(error_number(body))


def _listener(group: int) -> bool:
    """Return whether a process listens to the group; to another one the kernel only says that it may not."""
    with suppress(OSError):
        return any(line.split()[:1] == [str(group)] for line in LISTENERS.read_text().splitlines())
    return False


def _packet(found: dict[int, bytes]) -> LoggedPacket:
    stamp = found.get(uapi.NFULA_TIMESTAMP, b"")
    seconds, micro = _TIME.unpack(stamp) if len(stamp) == _TIME.size else (0, 0)
    ether_type = int.from_bytes(found.get(uapi.NFULA_PACKET_HDR, bytes(4))[:2], "big")
    return LoggedPacket(
        seconds + micro / 1e6 if seconds else time.time(),
        found.get(uapi.NFULA_PREFIX, b"").rstrip(b"\0").decode(errors="replace"),
        read_headers(ether_type, found.get(uapi.NFULA_PAYLOAD, b"")),
        *(link_name(int.from_bytes(found.get(kind, b""), "big")) for kind in _LINKS),
    )
