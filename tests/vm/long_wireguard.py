"""Encrypted networks on a real etcd, and their throughput beside a tunnel in the clear: ``make test-vm`` prints it."""

import statistics
import subprocess
from collections.abc import Iterable, Iterator

import pytest

from bench.streaming import Figures, stream
from plugin.store.remote.address import Access
from plugin.store.remote.factory import open_cluster_store, parse_store_address
from tests.kernel.container import Container
from tests.overlay_fakes import overlay
from tests.unit import requests as rq
from tests.vm.site import FAR, PREFIX, WORD, Site, end_site, later, make_site, pinging

pytestmark = pytest.mark.timeout(900)

GREEN = rq.OTHER_ID
URL = f"http://{PREFIX}254:2379"
ROUNDS = 4


@pytest.fixture(scope="module")
def site_on_etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Return three hosts whose store is an etcd on the switch."""
    command = ["etcd", "--data-dir", str(tmp_path_factory.mktemp("etcd")), "--unsafe-no-fsync", "--log-level", "error"]
    command += ["--listen-client-urls", URL, "--advertise-client-urls", URL]
    address, servers = parse_store_address(f"etcd://{PREFIX}254:2379/pynet"), list[subprocess.Popen[bytes]]()
    site = make_site(
        lambda: open_cluster_store(address, Access()), 3, lambda: servers.append(subprocess.Popen(command))
    )
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
        assert later(lambda: all(keys.newest == keys.sends == 2 and len(keys.keys) == 1 for keys in site.records()))

    assert lost == []
    assert {frame.port for frame in frames if b"pynet" in frame.raw} == set()
    assert {51830, 51831} <= {frame.port for frame in frames}
    assert 4789 not in {frame.port for frame in frames}


def test_on_etcd_throughput_beside_a_tunnel_in_the_clear(site_on_etcd: Site) -> None:
    """Both carry a connection; medians of ratios are printed. The guest has one processor, which is always busy."""
    for host in site_on_etcd.hosts[:2]:
        host.create(overlay(GREEN, "10.8.0.1/24", network="green", vni="71"))
    clear = [
        host.run(GREEN, number, f"{number + 64:02x}" * 32) for number, host in enumerate(site_on_etcd.hosts[:2], 2)
    ]
    assert later(lambda: clear[0].reaches("10.8.0.3"))
    turns = [(_stream(site_on_etcd.boxes, FAR), _stream(clear, "10.8.0.3")) for _ in range(ROUNDS)]

    print(f"throughput: {_median(one.rate / two.rate for one, two in turns)} of a clear tunnel's")
    print(f"round trip: {_median(one.trip / two.trip for one, two in turns)} of a clear tunnel's")
    assert all(one.rate > 0 and two.rate > 0 for one, two in turns)


def _stream(boxes: list[Container], address: str) -> Figures:
    one, two = (["nsenter", "-n", "-t", str(box.pid), "--"] for box in boxes)
    return stream(one, two, address)


def _median(ratios: Iterable[float]) -> str:
    found = sorted(ratios)
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"
