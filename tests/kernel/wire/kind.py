"""A row of the table of frames: what somebody sends, and whether it gets through."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.kernel.wire.ends import Ends

Build = Callable[[Ends], bytes | list[bytes]]


# What ends a frame although no rule of pynet's does; where and to whom says ``tests.kernel.wire.scene``.
FILTERED = "br_netfilter checks packets, and waits for the other fragments"
SNOOPED = "a bridge that looks for groups checks packets to them"
TOLD = "the tunnel does not carry to all what every host knows"
UNLAWFUL = "a bridge learns no such MAC"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of frame.

    ``guard`` says whether it passes a guarded port, ``tunnel`` whether it comes in from another host; ``why`` says why
    one that passes harms nobody. ``ends`` are reasons for which it is not heard, whatever the rules are.
    """

    name: str
    build: Build
    guard: bool
    tunnel: bool
    why: str = ""
    ends: frozenset[str] = frozenset()


def own(name: str, build: Build, *ends: str) -> Kind:
    """Return what a container needs to send."""
    return Kind(name, build, True, True, ends=frozenset(ends))


def harmless(name: str, build: Build, why: str, *ends: str) -> Kind:
    """Return what passes although nobody needs it."""
    return Kind(name, build, True, True, why, frozenset(ends))


def wrong(name: str, build: Build, *ends: str) -> Kind:
    """Return what reaches nobody, whoever sends it."""
    return Kind(name, build, False, False, ends=frozenset(ends))


def foreign(name: str, build: Build, *ends: str) -> Kind:
    """Return what no container may send, but another host may: it does not claim to be somebody of this one."""
    return Kind(name, build, False, True, "it takes nothing from this host", frozenset(ends))
