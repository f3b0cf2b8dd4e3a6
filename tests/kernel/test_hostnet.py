"""What the host uses is read from the kernel and from resolv.conf."""

import resource
from contextlib import closing
from ipaddress import ip_network
from pathlib import Path

import pytest

from netlink.errors import KernelError
from netlink.routes import HostNetworks
from plugin.interfaces import HostNetworks as Port
from tests.engine.lab.process import wait_until
from tests.kernel.container import sh

LOOPBACK = {"127.0.0.0/8", "127.0.0.1/32", "127.255.255.255/32", "::1/128"}


def found(*resolvers: Path) -> set[str]:
    networks: Port = HostNetworks(resolvers)
    listed = [str(network) for network in networks.in_use()]
    assert len(listed) == len(set(listed))
    return set(listed)


def test_an_empty_namespace_uses_only_loopback() -> None:
    """With nothing but lo, nothing else is in use."""
    assert found() == LOOPBACK


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ip route add 10.1.0.0/16 dev lo", "10.1.0.0/16"),
        ("ip route add 10.2.0.0/24 dev lo table 77", "10.2.0.0/24"),
        ("ip route add unreachable 10.3.0.0/24", "10.3.0.0/24"),
        ("ip route add blackhole 10.4.4.4/32", "10.4.4.4/32"),
        ("ip -6 route add fd00:1::/48 dev lo", "fd00:1::/48"),
        ("ip -6 route add blackhole fd00:2::/64", "fd00:2::/64"),
        ("ip address add 10.5.0.1/24 dev lo", "10.5.0.0/24"),
        ("ip address add 10.5.0.1/24 dev lo", "10.5.0.1/32"),
        ("ip address add 10.6.0.1 peer 10.6.9.0/24 dev lo", "10.6.9.0/24"),
        ("ip address add fd00:3::1/64 dev lo", "fd00:3::/64"),
        ("ip link add d0 type bridge && ip address add 10.7.0.1/24 dev d0", "10.7.0.0/24"),
    ],
)
def test_routes_and_addresses_are_in_use(command: str, expected: str) -> None:
    """Every table, type of route and family counts, and an address on a link that is down."""
    assert expected not in found()
    sh(command)
    assert expected in found()


def test_default_routes_do_not_count() -> None:
    """A default route, whole or in halves as VPN clients set it, would leave nothing for a pool."""
    for route in ("default", "0.0.0.0/1", "128.0.0.0/1"):
        sh(f"ip route add {route} dev lo")
    for route in ("default", "::/1", "8000::/1"):
        sh(f"ip -6 route add {route} dev lo")
    assert all(ip_network(text).prefixlen > 1 for text in found())
    assert found() == LOOPBACK


def test_multicast_routes_do_not_count() -> None:
    """The ff00::/8 that each link brings along is no network of the host."""
    sh("ip link add d0 up type veth peer d1 && ip link set d1 up")
    wait_until(lambda: "ff00::/8" in sh("ip -6 route show table all type multicast"), "the link's multicast route")
    assert not any(text.startswith("ff00") for text in found())


def test_nameservers_are_in_use(tmp_path: Path) -> None:
    """Nameservers count as single addresses; loopback ones, other lines and missing files do not."""
    file = tmp_path / "resolv.conf"
    file.write_text(
        "# nameserver 9.9.9.9\nsearch example.com\nnameserver 10.8.0.53\nnameserver 127.0.0.53\nnameserver ::1\n"
        "nameserver fe80::1%eth0\nnameserver nonsense\nnameserver\n  nameserver 10.9.0.53 # the other\n"
    )
    assert found(tmp_path / "missing", file) == LOOPBACK | {"10.8.0.53/32", "10.9.0.53/32", "fe80::1/128"}


def test_many_routes_are_listed_whole(tmp_path: Path) -> None:
    """2,000 routes, more than one answer of the kernel holds, are all found."""
    routes = [f"10.{16 + number // 250}.{number % 250}.0/24" for number in range(2000)]
    batch = tmp_path / "batch"
    batch.write_text("".join(f"route add {route} dev lo\n" for route in routes))
    sh(f"ip -batch {batch}")
    assert set(routes) <= found()


def test_only_what_overlaps_what_is_asked_about_is_told(tmp_path: Path) -> None:
    """Only routes, addresses and nameservers that overlap the given range are returned."""
    near = ["10.0.0.0/8", "10.200.0.0/13", "10.201.7.0/24", "10.207.255.255/32"]
    for route in [*near, "10.199.0.0/16", "10.208.0.0/16", "192.0.2.0/24"]:
        sh(f"ip route add blackhole {route}")
    sh("ip -6 route add blackhole fd00:1::/48; ip address add 10.203.0.1/24 dev lo; ip address add 10.9.0.1/24 dev lo")
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 10.202.0.53\nnameserver 9.9.9.9\n")
    found = HostNetworks((file,)).in_use([ip_network("10.200.0.0/13")])
    own = ["10.203.0.0/24", "10.203.0.1/32", "10.203.0.255/32", "10.202.0.53/32"]

    assert sorted(map(str, found)) == sorted([*near, *own])
    assert "10.203.0.0/24" in map(
        str, HostNetworks((file,)).in_use([ip_network("10.203.0.0/16"), ip_network("fd00::/8")])
    )
    assert list(HostNetworks((file,)).in_use([])) == []


def test_a_refusal_of_the_kernel_is_a_sentence() -> None:
    """Without file descriptors there is no socket, and the error says what was tried."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        with pytest.raises(KernelError, match="list routes and addresses: too many open files"):
            HostNetworks(()).in_use()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_routes_and_addresses_that_come_are_heard_of() -> None:
    """After the first call only new networks are told, those of other ranges are not, and those that go are not."""
    within = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    with closing(HostNetworks(())) as networks:
        assert [networks.new_in_use(within), networks.new_in_use(within)] == [None, []]
        sh("ip address add 10.5.0.1/24 dev lo; ip -6 route add blackhole fd00:2::/64")
        sh("ip route add blackhole 11.0.0.0/8")
        sh("ip route add blackhole 10.7.0.0/16 table 77; ip route del blackhole 10.7.0.0/16 table 77")
        came = {str(network) for network in networks.new_in_use(within) or ()}

        assert {"10.5.0.0/24", "10.5.0.1/32", "fd00:2::/64", "10.7.0.0/16"} <= came
        assert not any(network.startswith("11.") for network in came)
        assert networks.new_in_use(within) == []


def test_messages_that_were_lost_lead_to_a_listing() -> None:
    """If more came than the socket holds, everything has to be listed; after that only new networks are told."""
    lines = [f"route add blackhole 10.{number // 256}.{number % 256}.0/24" for number in range(3000)]
    with closing(HostNetworks(())) as networks:
        networks.new_in_use([ip_network("10.0.0.0/8")])
        sh("ip -batch - <<'END'\n" + "\n".join(lines) + "\nEND")

        assert networks.new_in_use([ip_network("10.0.0.0/8")]) is None
        assert networks.new_in_use([ip_network("10.0.0.0/8")]) == []
