"""Encrypted networks on a real etcd, and their throughput beside that of others: ``make test-vm`` prints it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_native_id

import pytest

from bench.direct import Turn, measure, table
from tests.overlay_fakes import overlay
from tests.unit import requests as rq
from tests.vm.etcd import open_etcd, serve_etcd
from tests.vm.site import FAR, WORD, Site, changed, end_site, later, make_site, pinging

pytestmark = pytest.mark.timeout(900)

GREEN, RED = rq.OTHER_ID, "ef" * 32
ROUNDS = 6


@pytest.fixture(scope="module")
def site_on_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return three hosts whose store is an etcd on the switch."""
    folder, servers = tmp_path_factory.mktemp("etcd"), list[subprocess.Popen[bytes]]()
    site = make_site(open_etcd, 3, lambda: servers.append(serve_etcd(folder)))
    yield site
    end_site(site)
    servers[0].kill()
    servers[0].wait()


def test_on_etcd_keys_change_and_nothing_can_be_read(site_on_etcd: Site) -> None:
    """As on a store in memory: no ping is lost, each host has one new key, and the segment has WireGuard alone."""
    site = site_on_etcd
    with site.heard() as frames, pinging(site.boxes[0]) as lost:
        site.boxes[0].sh(f"ping -c 3 -W 5 -p {WORD} {FAR}")
        site.hosts[2].do(site.hosts[2].pynet.secrecy.rotate)
        assert later(lambda: changed(site.records()))

    assert lost == []
    assert {frame.port for frame in frames if b"pynet" in frame.raw} == set()
    assert {51830, 51831} <= {frame.port for frame in frames}
    assert 4789 not in {frame.port for frame in frames}


def test_on_etcd_a_clock_that_goes_back_shuts_nobody_out(site_on_etcd: Site) -> None:
    """WireGuard takes no greeting that is older than the last one: pynet makes new peers of the hosts, by itself."""
    site, host = site_on_etcd, site_on_etcd.hosts[0]
    before = site.records()
    with clock_going(-3600):
        host.sh("ip link set {0} down; ip link set {0} up".format(site.carriers()[0]))  # ends the sessions
        site.mend()
        assert later(lambda: site.boxes[0].reaches(FAR))
        assert later(lambda: all(now.life != then.life for now, then in zip(site.records(), before, strict=True)))
    assert [now.keys for now in site.records()] == [then.keys for then in before]
    assert site.boxes[0].reaches(FAR)


@contextmanager
def clock_going(seconds: float) -> Iterator[None]:
    """Set the clock of the guest forth or back meanwhile."""
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)
    try:
        yield
    finally:
        time.clock_settime(time.CLOCK_REALTIME, time.time() - seconds)


def test_on_etcd_throughput_of_tunnel_encrypted_tunnel_and_direct_in_turns(site_on_etcd: Site) -> None:
    """All carry a connection; medians of ratios to the hosts' own are printed. The one processor is always busy."""
    hosts = site_on_etcd.hosts[:2]
    for host in hosts:
        host.create(overlay(GREEN, "10.8.0.1/24", network="green", vni="71"))
        host.create(overlay(RED, "10.7.0.1/24", network="red", vni="72", tunnel="direct"))
    turns: dict[str, Turn] = {
        "hosts": (_enter(hosts[0].do(get_native_id)), _enter(hosts[1].do(get_native_id)), hosts[1].address)
    }
    for name, network, address in (("direct", RED, "10.7.0.3"), ("tunnel", GREEN, "10.8.0.3")):
        ends = [host.run(network, number, f"{number:02x}{network[:2]}" * 16) for number, host in enumerate(hosts, 2)]
        assert later(lambda ends=ends, address=address: ends[0].reaches(address))  # type: ignore[misc]
        turns[name] = (_enter(ends[0].pid), _enter(ends[1].pid), address)
    turns["encrypted tunnel"] = (_enter(site_on_etcd.boxes[0].pid), _enter(site_on_etcd.boxes[1].pid), FAR)
    found = measure(turns, ROUNDS)

    print(f"medians of {ROUNDS} rounds, one emulated processor, of which nothing is idle:", table(found), sep="\n")
    assert all(figure.rate > 0 for figures in found.values() for figure in figures)


def _enter(pid: int) -> list[str]:
    return ["nsenter", "-n", "-t", str(pid), "--"]
