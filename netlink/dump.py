"""Asking the kernel for a listing.

pyroute2 decodes every statistic of every link, which takes about 1 ms a link; these return the bodies as they are.
"""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from netlink import uapi
from netlink.deadline import remaining
from netlink.request import PATIENCE
from netlink.wire import check, error_number, message, messages

ATTEMPTS = 5
PAUSE = 0.01  # seconds after the first attempt, twice as long after each other
Take = Callable[[], tuple[Sequence[bytes], bool]]


def dump(
    request: int,
    body: bytes,
    protocol: int = socket.NETLINK_ROUTE,
    answer: int | None = None,
    *,
    strict: bool = False,
) -> list[bytes]:
    """Return the bodies of the kernel's answers, see ``settled``.

    With ``strict`` the kernel honours conditions in ``body``, where it can. It answers RTM_GETx
    (``request``) with RTM_NEWx, whose number is two less (linux/rtnetlink.h); protocols other than NETLINK_ROUTE give
    the type of the ``answer``.

    Raises:
        OSError: the kernel refused.
    """
    kind = request - 2 if answer is None else answer
    return settled(lambda: _dump_once(request, body, protocol, kind, strict=strict))


def settled(take: Take, pause: Callable[[float], None] = time.sleep) -> list[bytes]:
    """Return the listing of ``take``, which also says whether it was interrupted: then entries may be missing.

    An interrupted listing is taken again. On a host that changes all the time the result is everything that was listed
    once, the newest at the end. Some of it may be gone, as with every listing, but nothing is missing that was there
    all the time.
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
                sock.setsockopt(uapi.SOL_NETLINK, uapi.NETLINK_GET_STRICT_CHK, 1)
        sock.send(message(request, uapi.NLM_F_DUMP, body))
        while True:
            for kind, flags, payload in messages(sock.recv(1 << 17)):
                interrupted |= bool(flags & uapi.NLM_F_DUMP_INTR)
                if kind in {uapi.NLMSG_DONE, uapi.NLMSG_ERROR}:
                    check(error_number(payload))
                if kind == uapi.NLMSG_DONE:
                    return bodies, interrupted
                if kind == answer:
                    bodies.append(payload)
