"""Gives up all but three of root's forty capabilities, for good.

Two calls of the C library do it (capset(2), prctl(2)), through ctypes: the bindings on PyPI need a compiler or have not
been released for years. Capabilities belong to a thread, so they are dropped before the first thread is started.

NET_ADMIN makes links, addresses, rules and settings below /proc/sys/net. NET_BIND_SERVICE holds published ports below
1024. NET_RAW is for packet sockets. Files need none: socket and state are root's own. ``nft`` as a child process gets
what the bounding set leaves, the same three.
"""

import ctypes
import logging
import os
import struct
from pathlib import Path

from plugin.errors import Unprivileged

log = logging.getLogger(__name__)

# linux/capability.h
NET_BIND_SERVICE, NET_ADMIN, NET_RAW = 10, 12, 13
KEPT = {NET_ADMIN: "NET_ADMIN", NET_BIND_SERVICE: "NET_BIND_SERVICE", NET_RAW: "NET_RAW"}
_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words a set
# linux/prctl.h
_CAPBSET_READ, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL = 23, 24, 38, 47, 4
_LAST = Path("/proc/sys/kernel/cap_last_cap")

_libc = ctypes.CDLL(None, use_errno=True)


def check_capabilities() -> None:
    """Refuse to start where the first network would fail.

    Raises:
        Unprivileged: NET_ADMIN is missing.
    """
    effective = _effective()
    if not effective >> NET_ADMIN & 1:
        raise Unprivileged(
            "start pynet: capability NET_ADMIN is missing, without which no link and no rule can be made; run pynet as "
            "root, and a container with --cap-add NET_ADMIN --network host"
        )
    if not effective >> NET_BIND_SERVICE & 1:
        log.warning("capability NET_BIND_SERVICE is missing: ports below 1024 cannot be published")


def drop_privileges() -> None:
    """Give up every capability but ``KEPT`` in all five sets; programs that are run cannot get them back either.

    Raises:
        Unprivileged: the kernel refused.
    """
    kept = _effective() & sum(1 << number for number in KEPT)
    _prctl("clear ambient capabilities", _CAP_AMBIENT, _CAP_AMBIENT_CLEAR_ALL)
    for number in range(int(_LAST.read_text()) + 1):
        if number not in KEPT and _libc.prctl(_CAPBSET_READ, number, 0, 0, 0) == 1:
            _prctl(f"drop capability {number} from the bounding set", _CAPBSET_DROP, number)
    _set(kept)
    _prctl("forbid new privileges", _SET_NO_NEW_PRIVS, 1)


def _effective() -> int:
    words = struct.unpack("6I", _get())
    return int(words[0] | words[3] << 32)


def _header() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(struct.pack("Ii", _VERSION, 0))  # 0: this thread


def _get() -> bytes:
    data = ctypes.create_string_buffer(24)  # effective, permitted, inheritable; the low words, then the high ones
    _check("read capabilities", _libc.capget(_header(), data))
    return data.raw


def _set(capabilities: int) -> None:
    low, high = capabilities & 0xFFFFFFFF, capabilities >> 32
    data = ctypes.create_string_buffer(struct.pack("6I", low, low, 0, high, high, 0))
    _check("set capabilities", _libc.capset(_header(), data))


def _prctl(action: str, option: int, argument: int) -> None:
    _check(action, _libc.prctl(option, argument, 0, 0, 0))


def _check(action: str, result: int) -> None:
    if result != 0:
        raise Unprivileged(f"start pynet: {action}: {os.strerror(ctypes.get_errno()).lower()}")
