"""Listings of the kernel: unknown families, and tables that change while they are listed."""

from collections.abc import Sequence
from ipaddress import ip_interface

import pytest

from netlink import uapi
from netlink.addresses import read_addresses
from netlink.dump import ATTEMPTS, settled
from netlink.links import read_links
from netlink.wire import attribute

AF_INET, AF_PHONET, AF_MCTP = 2, 35, 45


def body(family: int, address: bytes) -> bytes:
    """The body of an RTM_NEWADDR message, of the link with index 7."""
    return uapi.IFADDRMSG.pack(family, 8 * len(address), 0, 0, 7) + attribute(uapi.IFA_LOCAL, address)


@pytest.mark.parametrize("family", [AF_PHONET, AF_MCTP])
def test_addresses_of_other_families_are_passed_over(family: int) -> None:
    """The kernel lists them with all others; a management controller has one byte for an address."""
    listed = [body(family, b"\x08"), body(AF_INET, bytes([10, 9, 0, 1]))]

    assert list(read_addresses(listed)) == [(7, ip_interface("10.9.0.1/32"))]


class Changing:
    """A table that changes during each of ``listings``, and then no more."""

    def __init__(self, *listings: Sequence[bytes]) -> None:
        self._listings = list(listings)
        self.asked = 0
        self.pauses: list[float] = []

    def take(self) -> tuple[Sequence[bytes], bool]:
        """List."""
        self.asked += 1
        return (self._listings.pop(0), True) if self._listings else ([b"whole"], False)


def test_an_interrupted_listing_is_taken_again() -> None:
    """An interrupted listing is taken again after a pause, until one is not interrupted."""
    table = Changing([b"a"], [b"b"])

    assert settled(table.take, table.pauses.append) == [b"whole"]
    assert (table.asked, len(table.pauses)) == (3, 2)


def test_a_table_that_keeps_changing_is_listed_all_the_same() -> None:
    """If a table keeps changing, all listed entries are returned after a fixed number of attempts."""
    table = Changing([b"a", b"b"], [b"c", b"a"], *[[b"c"]] * ATTEMPTS)

    assert settled(table.take, table.pauses.append) == [b"b", b"a", b"c"]
    assert table.asked == ATTEMPTS
    assert table.pauses == sorted(set(table.pauses))


def test_of_two_links_with_one_name_the_newer_stays() -> None:
    """Of two links with one name in a listing, the newer one counts; the older one was removed meanwhile."""
    listed = [
        uapi.IFINFOMSG.pack(0, 0, index, 0, 0) + attribute(uapi.IFLA_IFNAME, name)
        for index, name in ((7, b"a"), (9, b"a"))
    ]

    assert [(link.index, link.name) for link in read_links(listed)] == [(9, "a")]
