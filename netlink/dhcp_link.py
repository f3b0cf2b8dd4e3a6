"""Sends and hears messages of DHCP on a link, in the name of containers that use it or a child of it.

One socket serves any number of clients. It sees frames before a macvlan child takes them, and on a port of a bridge
also frames on their way to the container, so no namespace is entered (packet(7)).
"""

import socket
import struct
from ipaddress import IPv4Address
from typing import NamedTuple

from netlink import uapi
from netlink.errors import kernel_errors
from netlink.headers import ETHER_IPV4
from netlink.packets import Instruction, attach_filter

CLIENT_PORT, SERVER_PORT = 68, 67
NOBODY = IPv4Address(0)
TO_ALL = "ff:ff:ff:ff:ff:ff"
_ROOM = 4 << 20  # bytes of messages that wait to be read: thousands
_LARGEST = 4096  # bytes of a message
_AT_ONCE = 256  # messages that are read before others get their turn
_IP = struct.Struct("!BBHHHBBH")
_HEAD = _IP.size + 8  # and two addresses
_UDP = struct.Struct("!HHHH")
_DONT_FRAGMENT, _TTL = 0x4000, 64
_DROP = 255  # stands for a jump to the end in the program below


class Heard(NamedTuple):
    """A message as it arrived: the MAC that sent it, and the bytes of the message."""

    source: str
    data: bytes


class Ends(NamedTuple):
    """The ends of a message to a server: the client's MAC and address, and the server's or those of all."""

    mac: str
    source: IPv4Address = NOBODY
    target: IPv4Address = IPv4Address(0xFFFFFFFF)
    target_mac: str = TO_ALL


class DhcpLink:
    """The messages to clients that arrive at a link; with ``outgoing`` those that the host sends out of it instead.

    ``outgoing`` is for the host's end of a container's link, where frames of the container itself must not count.

    Raises:
        KernelError: ``Missing`` without the link, ``Denied`` without CAP_NET_RAW.
    """

    def __init__(self, link: str, *, outgoing: bool = False) -> None:
        self._link = link
        self._expected: set[str] = set()  # MACs
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with kernel_errors(f"hear of DHCP on link '{link}'"):
            self._socket = socket.socket(socket.AF_PACKET, kind, 0)
            try:
                attach_filter(self._socket, _program(outgoing=outgoing))
                self._socket.setsockopt(socket.SOL_SOCKET, uapi.SO_RCVBUFFORCE, _ROOM)
                self._socket.bind((link, uapi.ETH_P_ALL))  # others do not see what the host sends
            except BaseException:
                self._socket.close()
                raise

    def fileno(self) -> int:
        """Return the descriptor that is ready when a message waits."""
        return self._socket.fileno()

    def send(self, ends: Ends, data: bytes) -> None:
        """Send a message.

        Raises:
            KernelError: the link is down or gone.
        """
        with kernel_errors(f"send DHCP on link '{self._link}'"):
            if ends.source == NOBODY:
                self._expect(ends.mac)
            self._socket.send(frame(ends, data))

    def _expect(self, mac: str) -> None:
        """Let frames to ``mac`` reach the link as long as the socket is open: no link has that MAC yet.

        Kea answers to the MAC of a client that asked to be answered by broadcast, and a bridge or a real network card
        keeps such frames from the host (packet(7), PACKET_MR_UNICAST).
        """
        if mac not in self._expected:
            index, address = socket.if_nametoindex(self._link), bytes.fromhex(mac.replace(":", ""))
            member = uapi.PACKET_MREQ.pack(index, uapi.PACKET_MR_UNICAST, len(address), address)
            self._socket.setsockopt(uapi.SOL_PACKET, uapi.PACKET_ADD_MEMBERSHIP, member)
            self._expected.add(mac)

    def receive(self) -> list[Heard]:
        """Return messages that wait, without waiting for any.

        Raises:
            KernelError: the link is down or gone.
        """
        found: list[Heard] = []
        with kernel_errors(f"hear of DHCP on link '{self._link}'"):
            while len(found) < _AT_ONCE:
                try:
                    heard = read_frame(self._socket.recv(_LARGEST))
                except BlockingIOError:
                    break
                if heard is not None:
                    found.append(heard)
        return found

    def close(self) -> None:
        """Stop."""
        self._socket.close()


def frame(ends: Ends, data: bytes) -> bytes:
    """Return the Ethernet frame of a message to the port of servers."""
    length = _UDP.size + len(data)
    addresses = ends.source.packed + ends.target.packed
    head = _IP.pack(0x45, 0, _HEAD + length, 0, _DONT_FRAGMENT, _TTL, socket.IPPROTO_UDP, 0) + addresses
    head = head[:10] + checksum(head).to_bytes(2, "big") + head[12:]
    udp = _UDP.pack(CLIENT_PORT, SERVER_PORT, length, 0)
    pseudo = addresses + struct.pack("!HH", socket.IPPROTO_UDP, length)
    total = checksum(pseudo + udp + data) or 0xFFFF  # 0 would mean that there is none (RFC 768)
    macs = bytes.fromhex((ends.target_mac + ends.mac).replace(":", ""))
    return b"".join([macs, ETHER_IPV4.to_bytes(2, "big"), head, udp[:6], total.to_bytes(2, "big"), data])


def read_frame(data: bytes) -> Heard | None:
    """Return the message in a frame that passed the filter; None if its lengths are wrong."""
    place = 14 + (data[14] & 15) * 4 if len(data) > 14 else 0
    if place < 14 + _HEAD or len(data) < place + _UDP.size:
        return None
    length = int.from_bytes(data[place + 4 : place + 6], "big")
    if not _UDP.size <= length <= len(data) - place:
        return None
    return Heard(data[6:12].hex(":"), data[place + _UDP.size : place + length])


def checksum(data: bytes) -> int:
    """Return the checksum of the Internet (RFC 1071)."""
    even = data + bytes(len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(even) // 2}H", even))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def _program(*, outgoing: bool) -> list[Instruction]:
    """Return the filter: UDP over IPv4 to the port of clients, whole, in the wanted direction, of no other VLAN.

    The kernel takes the tag of a VLAN out of a frame, which would then look like one of the link itself.
    """
    load_half, load_byte, load_word = 0x28, 0x30, 0x20  # BPF_LD | BPF_ABS with BPF_H, BPF_B, BPF_W (linux/filter.h)
    header_length, load_behind, equals, any_bit, give = 0xB1, 0x48, 0x15, 0x45, 0x06
    direction = (0, _DROP) if outgoing else (_DROP, 0)
    program = [
        (load_word, 0, 0, uapi.SKF_AD_PKTTYPE),
        (equals, *direction, uapi.PACKET_OUTGOING),
        (load_word, 0, 0, uapi.SKF_AD_VLAN_TAG_PRESENT),
        (equals, 0, _DROP, 0),
        (load_half, 0, 0, 12),
        (equals, 0, _DROP, ETHER_IPV4),
        (load_byte, 0, 0, 23),
        (equals, 0, _DROP, socket.IPPROTO_UDP),
        (load_half, 0, 0, 20),
        (any_bit, _DROP, 0, 0x3FFF),  # more fragments, or an offset
        (header_length, 0, 0, 14),
        (load_behind, 0, 0, 16),
        (equals, 0, _DROP, CLIENT_PORT),
        (give, 0, 0, _LARGEST),
    ]
    end = len(program)
    jumps = [[end - here - 1 if jump == _DROP else jump for jump in step[1:3]] for here, step in enumerate(program)]
    return [*((step[0], yes, no, step[3]) for step, (yes, no) in zip(program, jumps, strict=True)), (give, 0, 0, 0)]
