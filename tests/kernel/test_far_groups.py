"""Policies between containers of one overlay network that are on different hosts."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from cli.server.paths import answer_path
from plugin.cluster.overlay.records import Peer
from plugin.protocol.change_messages import SetOptions
from plugin.protocol.path_messages import STOPS, question
from plugin.store.base import Put
from plugin.store.memory import MemoryStore
from tests.kernel.container import Container, sh
from tests.kernel.hosts import MakeHosts, OverlayHost, soon
from tests.kernel.probing import Asking, Question, answering
from tests.overlay_fakes import overlay
from tests.unit import requests as rq

pytestmark = [pytest.mark.kernel, pytest.mark.usefixtures("host")]
NET = rq.NETWORK_ID
WEB, APP = f"{2:02x}" * 32, f"{3:02x}" * 32


class Site:
    """A web server on one host, and an application on another one that takes connections of a group."""

    def __init__(self, hosts: list[OverlayHost], tunnel: str) -> None:
        self.hosts = hosts
        self.no = "lost" if tunnel == "vxlan" else "lost prohibited reset"  # hosts on the way tell
        for host in hosts:
            host.create(overlay(NET, "10.9.0.1/24", "fd00:9::1/64", tunnel=tunnel))
        self.web = hosts[0].run(NET, 2, WEB, group="web", egress="deny", allow_out="app")
        self.app = hosts[1].run(NET, 3, APP, group="app", **{"from": "web tcp/7777, web udp/7777, web icmp"})

    def change(self, number: int, endpoint: str, **options: str) -> None:
        """Change options of an endpoint of the host with that number."""
        host = self.hosts[number]
        host.do(lambda: host.pynet.live.set_options(SetOptions(NET, endpoint, options)))

    def fate(self, source: Container, number: int, port: int = 7777) -> str:
        """Return the fate of a port of the container with that number, in both protocols and IP versions."""
        asked: list[Question] = [
            (protocol, "", address.format(number), port)
            for protocol in ("tcp", "udp")
            for address in ("10.9.0.{}", "fd00:9::{}")
        ]
        return " ".join(sorted(set(Asking(source, asked).fates())))


@pytest.fixture
def site(make_hosts: MakeHosts, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Both containers answer on two ports."""
    site = Site(make_hosts(2), getattr(request, "param", "vxlan"))
    with ExitStack() as stack:
        stack.enter_context(answering(site.web, site.app))
        assert soon(lambda: site.fate(site.web, 3) == "passed")
        yield site


@pytest.mark.parametrize("site", ["vxlan", "direct"], indirect=True)
def test_a_group_counts_on_all_hosts(site: Site) -> None:
    """What its members may is the same from host to host, in both directions and IP versions, routed or not."""
    at_first, afterwards = [site.no, "passed", "passed"], ["passed", site.no, "passed"]
    assert [site.fate(site.web, 3, 7778), site.fate(site.app, 2, 7777), site.fate(site.app, 2, 7778)] == at_first
    site.change(0, WEB, **{"from": "app tcp/7778, app udp/7778"})
    assert [site.fate(site.web, 3), site.fate(site.app, 2), site.fate(site.app, 2, 7778)] == afterwards

    app = site.hosts[1].pynet
    told = [question("10.9.0.2", "10.9.0.3", service) for service in ("tcp/7777", "tcp/7778")]
    answers = site.hosts[1].do(lambda: [answer_path(app.store, asked, app.peers.far_groups) for asked in told])
    assert [answer.fate in STOPS for answer in answers] == [False, True]


@pytest.mark.parametrize(("number", "endpoint"), [(0, WEB), (1, APP)])
def test_a_container_that_leaves_its_group_is_no_member_elsewhere(site: Site, number: int, endpoint: str) -> None:
    """The other host follows, and the way back is as short."""
    site.change(number, endpoint, group="other")
    assert soon(lambda: site.fate(site.web, 3) == "lost")
    site.change(number, endpoint, group="web,app")
    assert soon(lambda: site.fate(site.web, 3) == "passed")


@pytest.mark.parametrize("site", ["direct"], indirect=True)
def test_flows_that_hosts_track_end_with_the_membership(site: Site) -> None:
    """Without a tunnel the kernels track flows; one that only a group allowed ends when its peer leaves it."""
    flow = 'import socket as s; u = s.socket(type=s.SOCK_DGRAM); u.settimeout(1); u.bind(("", 5555)); '
    flow += 'u.sendto(b"x", ("10.9.0.3", 7777)); print(u.recv(9))'
    asked = f"{sys.executable} -c '{flow}' 2>&1 || true"
    command = f"nsenter -n -t {site.web.pid} -- {asked}"
    assert "b'" in sh(command)
    site.change(0, WEB, group="other")

    assert soon(lambda: "b'" not in sh(command))


def test_a_container_that_is_gone_is_no_member(site: Site) -> None:
    """Whoever gets its address has the groups of its own."""
    site.hosts[0].stop(NET, 2)
    stranger = site.hosts[0].run(NET, 2, f"{5:02x}" * 32)
    assert soon(lambda: site.fate(stranger, 3) == "lost")


def test_a_host_without_groups_in_its_records_has_no_members(site: Site, shared: MemoryStore) -> None:
    """As one with an earlier pynet: its containers are neighbours like any others."""
    known = next(item.record for item in shared.list(Peer) if item.record.endpoint == WEB)
    shared.transact(Put(replace(known, groups=())))
    assert soon(lambda: site.fate(site.web, 3) == "lost")


def test_a_group_that_cannot_be_announced_is_not_changed(site: Site) -> None:
    """While the cluster store is away the change is refused, and everything is as before."""
    site.hosts[0].cable.cut = True
    with pytest.raises(Exception, match="no server answered"):
        site.change(0, WEB, group="other")
    site.hosts[0].cable.cut = False
    assert site.fate(site.web, 3) == "passed"
