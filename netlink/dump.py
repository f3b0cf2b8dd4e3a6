"""Lean dumps: pyroute2 decodes every statistic of every link, which takes about 1 ms a link.

Layout: RTM_GETLINK with ``struct ifinfomsg`` (linux/rtnetlink.h), attributes as in linux/if_link.h.
"""

import errno
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface

from netlink.deadline import remaining
from netlink.devconf import IFLA_AF_SPEC
from netlink.wire import (
    NLM_F_DUMP,
    NLM_F_DUMP_INTR,
    NLMSG_DONE,
    NLMSG_ERROR,
    attributes,
    error_number,
    message,
    messages,
    word,
)

INFO = struct.Struct("=BxHiII")  # struct ifinfomsg
ADDRESS_BODY = struct.Struct("=BBBBI")  # struct ifaddrmsg
RTM_GETLINK, RTM_GETADDR = 18, 22
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_IFALIAS = 1, 3, 4, 10, 18, 20
IFLA_OPERSTATE, IFLA_GROUP, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS = 16, 27, 29, 8
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA = 1, 5
IFF_UP, IF_OPER_UP = 0x1, 6  # linux/if.h
SOL_NETLINK, NETLINK_GET_STRICT_CHK = 270, 12  # linux/socket.h, linux/netlink.h
ATTEMPTS = 5
PATIENCE = 10.0  # seconds for the kernel to answer


@dataclass(frozen=True, slots=True)
class Link:
    """What pynet needs to know of a link; ``kind`` is "" for hardware, ``master`` 0 without a bridge.

    ``running`` is a link whose carrier the kernel has taken note of, as a bridge has one from a port that runs: IPv6
    has begun on it. IFF_RUNNING alone is also set for the first moments of a link that has none. ``port`` are its flags
    as a port of a bridge (``netlink.port.is_like``), ``settings`` its sysctls (``netlink.devconf.read_settings``).
    """

    index: int
    name: str
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    master: int = 0
    alias: str = ""
    up: bool = False
    group: int = 0
    running: bool = False
    port: bytes = b""
    settings: bytes = field(default=b"", compare=False, repr=False)


def parse_link(body: bytes) -> Link:
    """Read the body of an RTM_NEWLINK message."""
    _, _, index, flags, _ = INFO.unpack_from(body)
    found = dict(attributes(body[INFO.size :]))
    info = dict(attributes(found.get(IFLA_LINKINFO, b"")))
    return Link(
        index=index,
        name=_text(found.get(IFLA_IFNAME)),
        kind=_text(info.get(IFLA_INFO_KIND)),
        mac=found.get(IFLA_ADDRESS, b"").hex(":"),
        mtu=int.from_bytes(found.get(IFLA_MTU, b""), "little"),
        master=int.from_bytes(found.get(IFLA_MASTER, b""), "little"),
        alias=_text(found.get(IFLA_IFALIAS)),
        up=bool(flags & IFF_UP),
        running=bool(flags & IFF_UP) and found.get(IFLA_OPERSTATE) == bytes([IF_OPER_UP]),
        group=int.from_bytes(found.get(IFLA_GROUP, b""), "little"),
        port=info.get(IFLA_INFO_SLAVE_DATA, b""),
        settings=found.get(IFLA_AF_SPEC, b""),
    )


def dump_links() -> list[Link]:
    """Return every link; raises OSError when the kernel refuses."""
    return [parse_link(body) for body in dump_link_bodies()]


def dump_link_bodies() -> list[bytes]:
    """Return the RTM_NEWLINK body of every link, without statistics; raises OSError when the kernel refuses."""
    asked = INFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + word(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    return dump(RTM_GETLINK, asked)


def dump_addresses(link: int = 0) -> list[tuple[int, IPv4Interface | IPv6Interface]]:
    """Return (index of the link, address) of every address; raises OSError when the kernel refuses.

    With the index of a ``link`` the kernel looks at that one alone, from Linux 4.20 on; older ones list all.
    """
    found = [parse_address(body) for body in dump(RTM_GETADDR, ADDRESS_BODY.pack(0, 0, 0, 0, link), strict=link > 0)]
    return [(index, address) for index, address in found if link in (0, index)]


def parse_address(body: bytes) -> tuple[int, IPv4Interface | IPv6Interface]:
    """Read the body of an RTM_NEWADDR or RTM_DELADDR message; of a point-to-point link the address is the own one."""
    _, length, _, _, index = ADDRESS_BODY.unpack_from(body)
    found = dict(attributes(body[ADDRESS_BODY.size :]))
    return index, ip_interface((ip_address(found.get(IFA_LOCAL) or found[IFA_ADDRESS]), length))


def dump(request: int, body: bytes, *, strict: bool = False) -> list[bytes]:
    """Return the bodies of what the kernel lists; one that was interrupted is taken again, at most five times.

    With ``strict`` the kernel honours what ``body`` narrows the listing to, where it can. It answers RTM_GETx
    (``request``) with RTM_NEWx, whose number is two less (linux/rtnetlink.h).

    Raises:
        OSError: the kernel refused, or what it listed kept changing.
    """
    for _ in range(ATTEMPTS):
        bodies, interrupted = _dump_once(request, body, strict=strict)
        if not interrupted:
            return bodies
    raise OSError(errno.EINTR, "what was listed kept changing")


def _dump_once(request: int, body: bytes, *, strict: bool) -> tuple[list[bytes], bool]:
    bodies: list[bytes] = []
    interrupted = False
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.settimeout(remaining(PATIENCE))
        sock.bind((0, 0))
        if strict:
            with suppress(OSError):
                sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        sock.send(message(request, NLM_F_DUMP, body))
        while True:
            for kind, flags, payload in messages(sock.recv(1 << 17)):
                interrupted |= bool(flags & NLM_F_DUMP_INTR)
                if kind == NLMSG_DONE:
                    return bodies, interrupted
                if kind == NLMSG_ERROR:
                    number = error_number(payload)
                    raise OSError(number, os.strerror(number))
                if kind == request - 2:
                    bodies.append(payload)


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="replace")
