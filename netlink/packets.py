"""Sees the packets of a link, as tcpdump does (packet(7)). Nothing is left when the process ends, however it ends."""

import ctypes
import errno
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

from netlink import uapi
from netlink.errors import kernel_errors

LARGEST = 262144  # bytes that are kept of a packet, as tcpdump keeps; with BIG TCP one has up to 196,000
_ROOM = 16 << 20  # bytes of packets that wait to be read
_TIMESPEC = struct.Struct("@ll")
_ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size) + socket.CMSG_SPACE(uapi.TPACKET_AUXDATA.size)
Instruction = tuple[int, int, int, int]  # of classic BPF: code, jump if true, jump if false, constant


class SeenPacket(NamedTuple):
    """A packet with its Ethernet header, seen at ``time``: nanoseconds since 1970.

    ``outgoing`` is whether the host sent it out of the link; ``data`` may be shorter than its ``length``.
    """

    time: int
    outgoing: bool
    length: int
    data: bytes


class PacketSocket:
    """The packets of a link, in both directions, for which the filter ``program`` returns something.

    Raises:
        KernelError: ``Missing`` without the link, ``Denied`` without CAP_NET_RAW.
    """

    def __init__(self, link: str, program: Sequence[Instruction] = ()) -> None:
        self._lost = 0
        with kernel_errors(f"see the packets of link '{link}'"):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            try:
                self._prepare(program)
                self._socket.bind((link, uapi.ETH_P_ALL))  # last, so that no packet comes past the filter
            except BaseException:
                self._socket.close()
                raise

    def _prepare(self, program: Sequence[Instruction]) -> None:
        if program:
            attach_filter(self._socket, program)
        self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, _ROOM)
        self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(uapi.SOL_PACKET, uapi.PACKET_AUXDATA, 1)

    def read(self, patience: float | None) -> SeenPacket | None:
        """Return the next packet; None if none comes within ``patience`` seconds, without it wait for ever.

        Raises:
            KernelError: the link is down or gone.
        """
        self._socket.settimeout(patience)
        with kernel_errors("wait for packets"):
            try:
                data, ancillary, _, address = self._socket.recvmsg(LARGEST, _ANCILLARY)
            except (TimeoutError, BlockingIOError):
                return None
        time, length = 0, len(data)
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, uapi.SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIMESPEC.unpack(value)
                time = seconds * 1_000_000_000 + nanoseconds
            elif (level, kind) == (uapi.SOL_PACKET, uapi.PACKET_AUXDATA):
                status, length, _, _, _, tag, tag_type = uapi.TPACKET_AUXDATA.unpack(value)
                if status & uapi.TP_STATUS_VLAN_VALID:  # the kernel took the tag out of the frame
                    data = b"".join([data[:12], struct.pack(">HH", tag_type, tag), data[12:]])
                    length += 4
        return SeenPacket(time, address[2] == uapi.PACKET_OUTGOING, length, data)

    def lost(self) -> int:
        """Return how many packets came faster than they were read, and were thrown away."""
        raw = self._socket.getsockopt(uapi.SOL_PACKET, uapi.PACKET_STATISTICS, uapi.TPACKET_STATS.size)
        self._lost += uapi.TPACKET_STATS.unpack(raw)[1]  # the kernel begins anew with each question
        return self._lost

    def close(self) -> None:
        """Stop."""
        self._socket.close()


def attach_filter(sock: socket.socket, program: Sequence[Instruction]) -> None:
    """Let the kernel throw away the packets for which ``program`` returns 0; raises ``OSError``."""
    code = ctypes.create_string_buffer(b"".join(uapi.SOCK_FILTER.pack(*one) for one in program))
    whole = struct.pack("@HP", len(program), ctypes.addressof(code))  # struct sock_fprog
    sock.setsockopt(socket.SOL_SOCKET, uapi.SO_ATTACH_FILTER, whole)


def is_link_gone(error: BaseException) -> bool:
    """Return whether the link of a packet socket was set down or deleted."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in {errno.ENETDOWN, errno.ENXIO, errno.ENODEV}
