"""Desired compared with actual, without a kernel: findings, and differences that are none."""

from collections.abc import Collection
from dataclasses import replace
from ipaddress import IPv4Address, ip_interface
from typing import Any

import pytest

from netlink.links import Link
from plugin.model.desired import Actual, Desired, WantedLink, WantedPort, WantedSetting
from plugin.model.findings import (
    AddressMissing,
    EndpointLost,
    Finding,
    HostSettingChanged,
    LinkChanged,
    LinkDetached,
    LinkDown,
    LinkForeign,
    LinkMissing,
    OrphanLink,
    PortNotHeld,
    SettingChanged,
)
from plugin.model.link_owner import Owner
from plugin.reconcile.diff import differences, host_differences, orphans

ME, MAC, GATEWAY = Owner("pynet"), "02:00:00:00:00:01", ip_interface("10.9.0.1/24")
LOCAL = ip_interface("fe80::ff:fe00:1/64")
PLACE = (6, IPv4Address("0.0.0.0"), 8080)
BRIDGE = Link(1, "pn-a", "bridge", mac=MAC, mtu=1400, alias="pynet/network/a", up=True, running=True)
PORT = Link(2, "pnhe", "veth", mtu=1400, master=1, alias="pynet/endpoint/e", up=True)
DESIRED = Desired(
    "a",
    links=(
        WantedLink("pn-a", "bridge", "pynet/network/a", MAC, 1400),
        WantedLink("pnhe", "veth", "pynet/endpoint/e", mtu=1400, master="pn-a", endpoint="e", peer="pnce"),
    ),
    addresses=(("pn-a", GATEWAY), ("pn-a", LOCAL)),
    settings=(WantedSetting("conf/pn-a/accept_ra", "0", "pn-a"),),
    host=(WantedSetting("ip_forward", "1"),),
    ports=(WantedPort("e", PLACE),),
)
RIGHT = Actual(
    links={"pn-a": BRIDGE, "pnhe": PORT},
    addresses={"pn-a": (GATEWAY, ip_interface("fe80::1/64"), ip_interface("10.9.0.77/24"))},
    settings={"ip_forward": "1", "conf/pn-a/accept_ra": "0"},
    held={PLACE},
)


def links(**changed: Link | None) -> Actual:
    """Return the right state except for some links; None is a missing link."""
    found = {"pn-a": BRIDGE, "pnhe": PORT} | {link.name: link for link in changed.values() if link}
    gone = {"bridge": "pn-a", "port": "pnhe"}
    absent = {gone[which] for which, link in changed.items() if link is None}
    return replace(RIGHT, links={name: link for name, link in found.items() if name not in absent})


CASES: dict[str, tuple[Actual, list[Finding]]] = {
    "nothing": (RIGHT, []),
    "no bridge": (links(bridge=None), [LinkMissing("a", "pn-a"), LinkDetached("a", "pnhe", "pn-a")]),
    "no port": (links(port=None), [EndpointLost("a", "e", "pnhe")]),
    "nothing at all": (Actual(), [LinkMissing("a", "pn-a"), EndpointLost("a", "e", "pnhe")]),
    "another kind": (links(bridge=replace(BRIDGE, kind="dummy")), [LinkForeign("a", "pn-a", "dummy", "bridge")]),
    "pulled out": (links(port=replace(PORT, master=0)), [LinkDetached("a", "pnhe", "pn-a")]),
    "down": (links(port=replace(PORT, up=False)), [LinkDown("a", "pnhe")]),
    "another's": (links(bridge=replace(BRIDGE, alias="x", mtu=9)), [LinkForeign("a", "pn-a", "bridge", "bridge")]),
    "of another network": (
        links(bridge=replace(BRIDGE, alias="pynet/network/b")),
        [LinkForeign("a", "pn-a", "bridge", "bridge")],
    ),
    "another's port": (links(port=replace(PORT, alias="")), [EndpointLost("a", "e", "pnhe")]),
    "alias": (
        links(bridge=replace(BRIDGE, alias="x", group=ME.group)),
        [LinkChanged("a", "pn-a", "alias", "x", "pynet/network/a")],
    ),
    "MAC": (links(bridge=replace(BRIDGE, mac="02::2")), [LinkChanged("a", "pn-a", "MAC", "02::2", MAC)]),
    "MTU": (links(port=replace(PORT, mtu=1300)), [LinkChanged("a", "pnhe", "MTU", "1300", "1400")]),
    "MTU of bridge": (links(bridge=replace(BRIDGE, mtu=1300)), [LinkChanged("a", "pn-a", "MTU", "1300", "1400")]),
    "no gateway": (
        replace(RIGHT, addresses={"pn-a": (LOCAL,), "lan": (GATEWAY,)}),
        [AddressMissing("a", "pn-a", GATEWAY)],
    ),
    "no link-local": (replace(RIGHT, addresses={"pn-a": (GATEWAY,)}), [AddressMissing("a", "pn-a", LOCAL)]),
    "no forwarding": (replace(RIGHT, settings={**RIGHT.settings, "ip_forward": "0"}), []),
    "switched on": (
        replace(RIGHT, settings={**RIGHT.settings, "conf/pn-a/accept_ra": "2"}),
        [SettingChanged("a", "conf/pn-a/accept_ra", "2", "0")],
    ),
    "no socket": (replace(RIGHT, held=()), [PortNotHeld("a", "e", "tcp", *PLACE[1:])]),
}


@pytest.mark.parametrize("case", CASES)
def test_each_difference_is_a_finding(case: str) -> None:
    """Each difference is one finding; a missing link includes everything that belongs to it."""
    actual, expected = CASES[case]

    assert differences(DESIRED, actual, ME) == expected


def test_a_setting_of_the_host_is_found_once_whoever_needs_it() -> None:
    """A setting that networks share is found once, and settings that its switch sets are no findings."""
    own = WantedSetting("conf/pn-a/forwarding", "1", "pn-a", switch="ip_forward")
    parts = [replace(DESIRED, settings=(own,)), replace(DESIRED, network="b", links=(), addresses=(), settings=())]
    off = replace(RIGHT, settings={"ip_forward": "0", own.path: "0"})
    on = replace(RIGHT, settings={"ip_forward": "1", own.path: "0"})

    assert host_differences(parts, off) == [HostSettingChanged("", "ip_forward", "0", "1")]
    assert host_differences(parts, Actual()) == [HostSettingChanged("", "ip_forward", "", "1")]
    assert (host_differences(parts, on), differences(parts[0], off, ME)) == ([], [])
    assert differences(parts[0], on, ME) == [SettingChanged("a", own.path, "0", "1")]


@pytest.mark.parametrize(
    "bridge",
    [
        pytest.param({"mtu": 1500, "index": 7}, id="without a port a bridge has the kernel's MTU"),
        pytest.param({"mtu": 1280}, id="a link of the user's in the bridge sets its MTU"),
        pytest.param({"running": False}, id="a bridge without a carrier has no link-local address"),
    ],
)
def test_what_the_kernel_or_the_user_does_is_no_drift(bridge: dict[str, Any]) -> None:
    """Changes that the kernel or the user makes are no drift."""
    own = replace(BRIDGE, **bridge)
    users = Link(9, "lan0", master=1, up=True)
    addresses: dict[str, Collection[Any]] = {"pn-a": (GATEWAY, LOCAL) if own.running else (GATEWAY,)}
    desired = replace(DESIRED, links=DESIRED.links[:1], ports=())

    assert differences(desired, replace(RIGHT, links={"pn-a": own, "lan0": users}, addresses=addresses), ME) == []


def test_of_an_adopted_bridge_only_being_up_matters() -> None:
    """Alias, MAC and MTU are its owner's."""
    theirs = replace(BRIDGE, alias="", mac="02::9", mtu=9000, up=False)
    desired = Desired("a", links=(WantedLink("pn-a", "bridge", "pynet/network/a", MAC, 1400, adopted=True),))

    assert differences(desired, Actual(links={"pn-a": theirs}), ME) == [LinkDown("a", "pn-a")]


@pytest.mark.parametrize("unnamed", [True, False])
def test_orphans_are_links_that_this_pynet_made(unnamed: bool) -> None:
    """By alias, and after a crash by link group; a name alone proves nothing."""
    half_made = Link(4, "pn-half", "bridge", group=ME.group)
    found = [
        Link(1, "pn-dead", "bridge", alias="pynet/network/dead"),
        Link(2, "pn-known", "bridge", alias="pynet/network/known"),
        Link(3, "pn-other", "bridge", alias="second/network/beef", group=Owner("second").group),
        half_made,
        Link(5, "pn-plain", "bridge"),
        Link(6, "pnh012345678", "veth"),
        Link(7, "pnvhalf", "vxlan", group=ME.group),
    ]
    born = [OrphanLink("", "pn-half", ""), OrphanLink("", "pnvhalf", "")]
    expected = [OrphanLink("", "pn-dead", "pynet/network/dead")] + born * unnamed

    assert orphans(found, {"pn-known"}, ME, unnamed=unnamed) == expected


def test_a_finding_says_what_is_and_what_is_done() -> None:
    """Ids have the twelve characters that the user knows them by."""
    sentence = PortNotHeld("a1" * 32, "e0" * 32, "tcp", *PLACE[1:]).sentence

    assert sentence == (
        "port 8080/tcp of 0.0.0.0, published for endpoint 'e0e0e0e0e0e0' of network 'a1a1a1a1a1a1', "
        "is held by no socket of pynet: hold it"
    )
