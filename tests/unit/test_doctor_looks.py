"""The doctor's facts about routes, leases, units and owners of files."""

import errno
import os
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from cli.commands.doctor import ask_status
from netlink.routes import HostNetworks
from plugin.doctor.detours import OUTSIDE, HostRoutes, detours, uplink
from plugin.doctor.facts import Doubled, ServiceFacts
from plugin.doctor.folder import look_at_state
from plugin.doctor.host_access import doubled
from plugin.doctor.probe import failed_units
from plugin.ipam.fill import fills
from plugin.model.records import Endpoint, Lease, Network, NetworkSubnet, Pool

POOL = ip_network("10.9.0.0/28")
NET = Network("a" * 64, "bridge", "pn-a", subnets=(NetworkSubnet(POOL, ip_interface("10.9.0.1/28")),))
INNER = Network("a" * 64, "bridge", "pn-a", internal=True, subnets=NET.subnets)
WEB = Endpoint("e" * 64, NET.id, "02:00:00:00:00:01", ip_interface("10.9.0.5/28"))  # type: ignore[arg-type]
LINKS = {"lo": 1, "pn-a": 2, "tun0": 3, "eth0": 4}
ADDRESSES = [("pn-a", ip_interface("10.9.0.1/28"))]
HOST = HostRoutes(LINKS, ADDRESSES, [POOL, ip_network("10.9.0.8/29"), ip_network("10.9.0.1/32")], {4})


class Routes:
    """Links by address, errors by their number below zero; from a container everything has one more entry."""

    def __init__(self, ways: Mapping[str, int], from_containers: int = 4) -> None:
        self._ways = {ip_address(address).packed: link for address, link in ways.items()}
        self._from_containers = from_containers

    def link_towards(self, address: bytes, source: bytes = b"", _link: int = 0) -> int:
        """Return the link."""
        found = self._from_containers if source else self._ways.get(address, 4 if address == OUTSIDE[4].packed else 2)
        if found < 0:
            raise OSError(-found, os.strerror(-found))
        return found


def test_a_subnet_that_leads_to_its_bridge() -> None:
    """A subnet that leads to its bridge is no detour, nor one without an address on the host, nor an internal one."""
    assert detours([NET], [WEB], HOST, Routes({})) == ()
    assert detours([NET], [WEB], HostRoutes(LINKS, [], [], {4}), Routes({"10.9.0.5": 3})) == ()
    assert detours([INNER], [WEB], HOST, Routes({}, -errno.EINVAL)) == ()


@pytest.mark.parametrize(
    ("ways", "address", "how"),
    [
        ({"10.9.0.5": 3}, "10.9.0.5", "link 'tun0'"),
        ({"10.9.0.5": 1}, "10.9.0.5", "link 'lo'"),
        ({"10.9.0.9": 3}, "10.9.0.9", "link 'tun0'"),
        ({"10.9.0.5": -errno.EINVAL}, "10.9.0.5", "a route or a rule that drops them (blackhole)"),
    ],
)
def test_a_detour_is_named(ways: dict[str, int], address: str, how: str) -> None:
    """A detour of a container, or of a part of its subnet, is named once per subnet."""
    (detour,) = detours([NET], [WEB], HOST, Routes(ways))
    assert (detour.address, detour.how, detour.outwards) == (address, how, False)


def test_what_comes_from_containers_may_be_dropped_too() -> None:
    """A detour of packets from containers is named, but only if the host itself gets out and forwards."""
    (detour,) = detours([NET], [WEB], HOST, Routes({}, -errno.EACCES))
    assert (detour.address, detour.outwards) == ("10.9.0.5", True)
    nowhere = Routes({str(OUTSIDE[4]): -errno.ENETUNREACH}, -errno.ENETUNREACH)
    assert detours([NET], [WEB], HOST, nowhere) == ()
    assert detours([NET], [WEB], HostRoutes(LINKS, ADDRESSES, [], set()), Routes({}, -errno.EHOSTUNREACH)) == ()
    assert (uplink(4, {4: "eth0"}, Routes({})), uplink(4, {4: "eth0"}, nowhere)) == ("eth0", "")


def test_how_full_a_pool_is() -> None:
    """A pool's fill counts kept leases until they expire, only the range, and in foreign pools the containers."""
    pool = Pool("p", POOL, ip_network("10.9.0.8/29"))
    times = (0, 1, 1 << 40)
    leases = [Lease("p", ip_address(f"10.9.0.{9 + i}"), kept_until=until) for i, until in enumerate(times)]
    (fill,) = fills([NET], [WEB], [pool], [*leases, Lease("p", ip_address("10.9.0.2")), Lease("q", leases[0].address)])
    assert (fill.network, str(fill.subnet), fill.taken, fill.size) == (NET.id, "10.9.0.8/29", 2, 7)
    (fill,) = fills([NET], [WEB], [], [])
    assert (fill.taken, fill.size) == (2, 14)


def test_units_that_failed(tmp_path: Path) -> None:
    """Failed units are those that systemctl shows; without systemctl there are none."""
    program = tmp_path / "systemctl"
    service = "Id=pynet.service\\nActiveState=failed\\nResult=exit-code\\nExecMainStatus=78\\n"
    program.write_text(f"#!/bin/sh\nprintf '{service}\\nId=pynet.socket\\nActiveState=active\\nResult=success\\n'\n")
    program.chmod(0o755)
    assert failed_units(str(program)) == {"pynet.service": "exit-code, exit code 78"}
    assert failed_units(str(tmp_path / "none")) == {}


def test_a_state_that_may_not_be_written(tmp_path: Path) -> None:
    """A state that even root may not write by its mode is a finding, as pynet cannot override modes."""
    folder = tmp_path / "state"
    assert look_at_state(folder / "pynet.db", []).locked == ()
    folder.mkdir(mode=0o500)
    locked = dict(look_at_state(folder / "pynet.db", []).locked)
    assert list(locked) == [str(folder)]
    assert locked[str(folder)].endswith("with mode 0500")


def test_a_pynet_that_takes_calls_and_says_nothing(tmp_path: Path) -> None:
    """A pynet that takes calls and stays silent is told apart from no listener, and from another program."""
    path = tmp_path / "pynet.sock"
    assert ask_status(path) == (ServiceFacts(), False)
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))
        server.listen()
        assert ask_status(path, patience=0.2) == (ServiceFacts(), True)


def test_containers_on_the_lan_with_an_address_of_the_host() -> None:
    """Only of networks on the LAN: others have the host's address as their gateway."""
    lan = replace(NET, id="b" * 64, mode="macvlan", host_gateway=False)
    ends = [replace(WEB, network_id=network.id) for network in (NET, lan)]

    assert list(doubled(ends, [NET, lan], lambda _: True)) == [Doubled(lan.id, WEB.id, ip_address("10.9.0.5"))]
    assert [HostNetworks().has(ip_address(each)) for each in ("127.0.0.1", "198.51.100.7")] == [True, False]
