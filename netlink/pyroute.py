"""pyroute2, for verbs that are not on a hot path: it is loaded when the first of them runs.

It takes 110 ms and 22 MB to load, and its handle 1 ms to open (two cores, Python 3.11).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netlink.wire import check

if TYPE_CHECKING:
    from pyroute2 import IPRoute


@contextmanager
def iproute() -> Iterator["IPRoute"]:
    """Open a handle, which belongs to this thread; raises OSError when the kernel refuses something in the block."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    with IPRoute() as handle:
        try:
            yield handle
        except NetlinkError as error:
            check(int(error.code))
