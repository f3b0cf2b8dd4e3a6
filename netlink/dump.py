"""Lean dumps: pyroute2 decodes every statistic of every link, which takes about 1 ms a link.

Layout: RTM_GETLINK with ``struct ifinfomsg`` (linux/rtnetlink.h), attributes as in linux/if_link.h.
"""

import os
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    ORDER,
    attributes,
    error_number,
    message,
    messages,
    number,
    word,
)

INFO = struct.Struct(f"{ORDER}BxHiII")  # struct ifinfomsg
ADDRESS_BODY = struct.Struct(f"{ORDER}BBBBI")  # struct ifaddrmsg
RTM_GETLINK, RTM_GETADDR = 18, 22
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_IFALIAS = 1, 3, 4, 10, 18, 20
IFLA_OPERSTATE, IFLA_GROUP, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS = 16, 27, 29, 8
IFA_ADDRESS, IFA_LOCAL = 1, 2
IFLA_INFO_KIND, IFLA_INFO_SLAVE_DATA = 1, 5
IFF_UP, IF_OPER_UP = 0x1, 6  # linux/if.h
SOL_NETLINK, NETLINK_GET_STRICT_CHK = 270, 12  # linux/socket.h, linux/netlink.h
FAMILIES = (socket.AF_INET, socket.AF_INET6)
ATTEMPTS = 5
PAUSE = 0.01  # seconds after the first attempt, twice as long after each other
PATIENCE = 10.0  # seconds for the kernel to answer
Take = Callable[[], tuple[Sequence[bytes], bool]]


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
        mtu=number(found.get(IFLA_MTU, b"")),
        master=number(found.get(IFLA_MASTER, b"")),
        alias=_text(found.get(IFLA_IFALIAS)),
        up=bool(flags & IFF_UP),
        running=bool(flags & IFF_UP) and found.get(IFLA_OPERSTATE) == bytes([IF_OPER_UP]),
        group=number(found.get(IFLA_GROUP, b"")),
        port=info.get(IFLA_INFO_SLAVE_DATA, b""),
        settings=found.get(IFLA_AF_SPEC, b""),
    )


def dump_links() -> list[Link]:
    """Return every link; raises OSError when the kernel refuses."""
    return read_links(dump_link_bodies())


def read_links(bodies: Iterable[bytes]) -> list[Link]:
    """Read RTM_NEWLINK bodies, the newest last: a link that was removed meanwhile gives its name to the next one."""
    return list({link.name: link for link in map(parse_link, bodies)}.values())


def dump_link_bodies() -> list[bytes]:
    """Return the RTM_NEWLINK body of every link, without statistics; raises OSError when the kernel refuses."""
    asked = INFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + word(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    newest: dict[int, bytes] = {}
    for body in dump(RTM_GETLINK, asked):
        index = INFO.unpack_from(body)[2]
        newest.pop(index, None)
        newest[index] = body
    return list(newest.values())


def dump_addresses(link: int = 0) -> list[tuple[int, IPv4Interface | IPv6Interface]]:
    """Return (index of the link, address) of every IP address; raises OSError when the kernel refuses.

    With the index of a ``link`` the kernel looks at that one alone, from Linux 4.20 on; older ones list all.
    """
    asked = ADDRESS_BODY.pack(0, 0, 0, 0, link)
    found = dict.fromkeys(read_addresses(dump(RTM_GETADDR, asked, strict=link > 0)))
    return [(index, address) for index, address in found if link in (0, index)]


def read_addresses(bodies: Iterable[bytes]) -> Iterator[tuple[int, IPv4Interface | IPv6Interface]]:
    """Read bodies of RTM_NEWADDR; those of other families (MCTP, Phonet) are listed too, and passed over."""
    return (parse_address(body) for body in bodies if body[0] in FAMILIES)


def parse_address(body: bytes) -> tuple[int, IPv4Interface | IPv6Interface]:
    """Read the body of an RTM_NEWADDR or RTM_DELADDR message; of a point-to-point link the address is the own one."""
    _, length, _, _, index = ADDRESS_BODY.unpack_from(body)
    found = dict(attributes(body[ADDRESS_BODY.size :]))
    return index, ip_interface((ip_address(found.get(IFA_LOCAL) or found[IFA_ADDRESS]), length))


def dump(
    request: int,
    body: bytes,
    protocol: int = socket.NETLINK_ROUTE,
    answer: int | None = None,
    *,
    strict: bool = False,
) -> list[bytes]:
    """Return the bodies of what the kernel lists, see ``settled``.

    With ``strict`` the kernel honours what ``body`` narrows the listing to, where it can. It answers RTM_GETx
    (``request``) with RTM_NEWx, whose number is two less (linux/rtnetlink.h); other protocols than that of routes and
    links say by ``answer`` with what.

    Raises:
        OSError: the kernel refused.
    """
    kind = request - 2 if answer is None else answer
    return settled(lambda: _dump_once(request, body, protocol, kind, strict=strict))


def settled(take: Take, pause: Callable[[float], None] = time.sleep) -> list[bytes]:
    """Return what ``take`` lists; it also says whether that changed meanwhile, so that something may be missing.

    It is taken again then. On a host where it changes all the time everything is returned that was listed once, the
    newest at the end: it may be gone by now, as with every listing, but what was there all the time is not missed.
    """
    every: dict[bytes, None] = {}
    for attempt in range(ATTEMPTS):
        bodies, interrupted = take()
        if not interrupted:
            return list(bodies)
        for body in bodies:
            every.pop(body, None)
            every[body] = None
        pause(PAUSE * (1 << attempt))
    return list(every)


def _dump_once(request: int, body: bytes, protocol: int, answer: int, *, strict: bool) -> tuple[list[bytes], bool]:
    bodies: list[bytes] = []
    interrupted = False
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as sock:
        sock.settimeout(remaining(PATIENCE))
        sock.bind((0, 0))
        if strict:
            with suppress(OSError):
                sock.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
        sock.send(message(request, NLM_F_DUMP, body))
        while True:
            for kind, flags, payload in messages(sock.recv(1 << 17)):
                interrupted |= bool(flags & NLM_F_DUMP_INTR)
                if kind in {NLMSG_DONE, NLMSG_ERROR} and (refusal := error_number(payload)):
                    raise OSError(refusal, os.strerror(refusal))
                if kind == NLMSG_DONE:
                    return bodies, interrupted
                if kind == answer:
                    bodies.append(payload)


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode(errors="replace")
