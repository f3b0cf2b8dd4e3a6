"""The book of published ports finds the holder of a port without looking at all of them."""

from ipaddress import ip_address
from typing import Any

from netlink.port_sockets import PortSocket
from plugin.publish.book import Book, Holds, WantedSocket
from tests.unit.ipam.counting import lines_run

BOTH = ("192.0.2.1", "192.0.2.2")


def holds(*addresses: str, port: int = 80, dual: bool = False) -> Holds:
    """Return what an endpoint holds."""
    return {(6, ip_address(address), port): PortSocket(port, None, dual=dual) for address in addresses}


def owners(book: Book, address: str, **more: Any) -> set[str]:
    """Return the endpoints that hold port 80 of an address."""
    return set(book.in_the_way(WantedSocket(6, ip_address(address), 80, **more)))


def test_a_port_may_have_several_holders() -> None:
    """Endpoints may hold one number on different addresses; who gives it back is no holder any more."""
    book = Book()
    for name, address in zip(("one", "two"), BOTH, strict=True):
        book.write(name, holds(address), keep=True)
    assert (owners(book, "0.0.0.0"), owners(book, BOTH[1])) == ({"one", "two"}, {"two"})
    book.write("two", holds(BOTH[1], port=81), keep=True)
    book.write("three", holds("::", dual=True), keep=True)
    assert owners(book, BOTH[0]) == {"one", "three"}
    book.write("one", {}, keep=False)
    book.write("three", {}, keep=False)

    assert owners(book, "::", dual=True) == set()


def test_a_holder_is_found_without_a_scan() -> None:
    """With a hundred times as many ports the search runs as many lines."""
    cost = []
    for number in (10, 1000):
        book = Book()
        for port in range(80, 80 + number):
            book.write(str(port), holds("0.0.0.0", port=port), keep=True)
        cost.append(lines_run(lambda book=book: owners(book, BOTH[0])))  # type: ignore[misc]

    assert cost[0] == cost[1]
