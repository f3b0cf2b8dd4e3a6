"""The sentence about commands that ask the kernel themselves, which it allows to root alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from netlink.errors import Denied
from plugin.errors import Unprivileged


@contextmanager
def needs_root(action: str) -> Iterator[None]:
    """Tell the user to be root if the kernel denies the block."""
    try:
        yield
    except Denied as error:
        raise Unprivileged(f"{action}: permission denied; run it as root") from error
