"""``pynet drops``: rows, lines and names."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from cli.commands.address_book import PATIENCE, AddressBook
from cli.commands.drops import as_line, as_text, of, packets_of, rows_of
from cli.commands.root import need_root
from cli.commands.selection import Selection
from netlink.headers import ETHER_ARP, ETHER_IPV4, ETHER_IPV6, Headers, read_headers
from netlink.nflog import LoggedPacket
from plugin.engine.names import Known
from plugin.errors import Unprivileged
from plugin.firewall.reasons import LOG_PREFIX, REASONS
from tests.kernel import packets

END = {"ID": "e0", "Link": "pnhe0", "IPv4": "10.9.0.2/24", "IPv6": "fd00:9::2/64"}
NETWORK = {"ID": "a0", "Link": "pn-a0", "Subnets": [{"Gateway": "10.9.0.1"}], "Endpoints": [END]}
DROP = {
    "Network": "a0",
    "Reason": "isolation",
    "From": {"Endpoint": "", "Address": "192.0.2.9", "Link": "eth0"},
    "To": {"Endpoint": "e0", "Address": "10.9.0.2", "Link": "pn-a0"},
    "Packets": 3,
    "Since": 900.0,
    "Last": 995.0,
}


class Host:
    """A pynet with one network of one container, which a clock and Docker's names belong to."""

    def __init__(self) -> None:
        self.networks: list[Mapping[str, Any]] = [NETWORK]
        self.now, self.loads = 100.0, 0

    def load(self) -> tuple[Mapping[str, Any], Known]:
        self.loads += 1
        return {"Networks": self.networks}, Known({"a0": "blue"}, {"e0": "web"})

    def book(self) -> AddressBook:
        """Return an address book that looks here."""
        return AddressBook(self.load, lambda: self.now)


def test_a_line_names_the_ends_and_the_way_to_open() -> None:
    """Ends have names where they have any, times are ages, and each reason is told once."""
    rows = rows_of({"Drops": [DROP, DROP]}, Host().book())
    first, second, *rest = as_text(rows, 1000.0).splitlines()

    assert first.split() == ["FROM", "TO", "REASON", "PACKETS", "FIRST", "LAST"]
    assert " ".join(second.split()) == "192.0.2.9 web (10.9.0.2) isolation 3 About a minute ago 5 seconds ago"
    assert "isolation: from outside of its network to a port of a container that is not published; to" in " ".join(
        " ".join(rest).split()
    )
    assert as_text([], 1000.0) == "no packet was dropped"


def test_the_way_to_open_is_told_once() -> None:
    """After "to let them pass" comes something to do, for every reason, and not the same words again."""
    told = {
        reason.name: as_text(rows_of({"Drops": [DROP | {"Reason": reason.name}]}, Host().book()), 0.0)
        for reason in REASONS
    }
    again = {name for name, text in told.items() if " ".join(text.split()).count("pass") > 1}

    assert again == {"flood"}  # whose first frames do pass
    assert "to let them pass: name the sender in -o pynet.guard_allow" in " ".join(told["mac"].split())


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        ({}, 1),
        ({"containers": {"web"}}, 1),
        ({"endpoints": {"e0"}}, 1),
        ({"networks": {"a0"}}, 1),
        ({"containers": {"db"}}, 0),
        ({"endpoints": {"e1"}}, 0),
    ],
)
def test_rows_are_chosen_by_container_and_network(chosen: dict[str, set[str]], count: int) -> None:
    """Either end may be a chosen one."""
    selection = Selection(**{kind: frozenset(each) for kind, each in chosen.items()})
    assert len(list(of(rows_of({"Drops": [DROP]}, Host().book()), selection))) == count


def test_the_link_of_a_sender_goes_before_its_address() -> None:
    """A container that sends with the address of another one, or with the host's, is the sender."""
    for forged in ("10.9.0.9", "10.9.0.1", "192.0.2.9"):
        headers = Headers("tcp", ip_address(forged), ip_address("10.9.0.1"), 4000, 80, "SYN")
        (row,) = packets_of([LoggedPacket(0.5, f"{LOG_PREFIX}address", headers, "pnhe0")], Host().book())
        assert (row["from"]["container"], row["from"]["address"], row["to"]["container"]) == ("web", forged, "host")


def test_a_logged_packet_is_a_line() -> None:
    """Names and ports are those of both ends; packets that other programs log are left out."""
    headers = Headers("tcp", ip_address("10.9.0.2"), ip_address("192.0.2.9"), 4000, 80, "SYN")
    logged = [LoggedPacket(0.5, prefix, headers, "pn-a0") for prefix in ("mine", f"{LOG_PREFIX}internal_out")]
    (row,) = packets_of(logged, Host().book())

    assert as_line(row).split(" ", 1)[1] == "web (10.9.0.2:4000) -> 192.0.2.9:80 tcp SYN dropped: internal_out"
    assert (row["network"], row["network_name"], row["to"]["container"]) == ("a0", "blue", "")


def test_somebody_new_is_looked_up_again() -> None:
    """A container that came later gets its name, and a stranger does not make the address book read all the time."""
    host = Host()
    known = host.book()
    host.now += PATIENCE / 2
    host.networks = [{**NETWORK, "Endpoints": [END, {**END, "ID": "e1", "Link": "pnhe1", "IPv4": "10.9.0.3/24"}]}]
    assert known.owner("", "", "10.9.0.3").endpoint == ""
    host.now += 2 * PATIENCE
    assert known.owner("", "", "10.9.0.3").endpoint == "e1"
    for _ in range(9):
        known.owner("", "eth0", "192.0.2.9")
    assert host.loads == 2


def test_a_parent_link_is_nobodys_own() -> None:
    """Containers of macvlan send by the parent, each of them: their addresses tell them apart."""
    host = Host()
    ends = [{**END, "Link": "eth0"}, {**END, "ID": "e1", "Link": "eth0", "IPv4": "10.9.0.3/24", "IPv6": ""}]
    host.networks = [{**NETWORK, "Link": "eth0", "Endpoints": ends}]

    assert host.book().owner("", "eth0", "10.9.0.2").endpoint == "e0"
    assert host.book().owner("", "eth0", "192.0.2.9").network == "a0"


def test_only_root_listens() -> None:
    """Another user gets a sentence, before anything is asked of the kernel."""
    need_root("listen", 0)
    with pytest.raises(Unprivileged, match="listen: only root may; run it as root"):
        need_root("listen", 1000)


V4, V6 = ("10.9.0.2", "192.0.2.9"), ("fd00:9::2", "2001:db8::9")
ENDS = {4: (ip_address(V4[0]), ip_address(V4[1])), 6: (ip_address(V6[0]), ip_address(V6[1]))}
TCP = bytes.fromhex("0fa00050") + bytes(9) + b"\x12"
ARP = bytes.fromhex("0001080006040001") + bytes(6) + ENDS[4][0].packed + bytes(6) + ENDS[4][1].packed


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        (ETHER_IPV4, packets.packet(*V4, 6, TCP), Headers("tcp", *ENDS[4], 4000, 80, "SYN ACK")),
        (ETHER_IPV6, packets.packet(*V6, 17, TCP[:8]), Headers("udp", *ENDS[6], 4000, 80)),
        (ETHER_IPV6, packets.packet(*V6, 0, b"\x06" + bytes(7) + TCP), Headers("tcp", *ENDS[6], 4000, 80, "SYN ACK")),
        (ETHER_IPV4, packets.packet(*V4, 1, b"\x08\x00"), Headers("icmp", *ENDS[4], detail="type 8 code 0")),
        (ETHER_IPV4, packets.packet(*V4, 6, b""), Headers("tcp", *ENDS[4])),
        (ETHER_IPV4, packets.packet(*V4, 99, b""), Headers("99", *ENDS[4])),
        (ETHER_ARP, ARP, Headers("arp", *ENDS[4], detail="request")),
        (ETHER_IPV4, b"\x45", Headers("ip")),
        (0x88CC, bytes(40), Headers("0x88cc")),
    ],
)
def test_headers_are_read_as_far_as_they_go(kind: int, data: bytes, expected: Headers) -> None:
    """Protocols, addresses, ports, flags and types; a packet that is cut off has fewer of them."""
    assert read_headers(kind, data) == expected
