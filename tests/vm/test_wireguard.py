"""Encrypted overlay networks on a kernel with WireGuard: hosts are namespaces on one switch, and share a store."""

from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from plugin.cluster.secrecy.records import tunnel_address
from plugin.store.memory import MemoryStore
from tests.kernel.hosts import OverlayHost, soon
from tests.vm.segment import Segment
from tests.vm.site import BLUE, FAR, WORD, Site, changed, end_site, later, make_site, pinging

pytestmark = pytest.mark.timeout(250)  # the first one makes three hosts, and the guest has a limit of its own


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Return three hosts that are reached over IPv4; what a test breaks it mends."""
    store = MemoryStore()
    site = make_site(lambda: store, 3)
    yield site
    end_site(site)


def test_nothing_on_the_segment_can_be_read(site: Site) -> None:
    """The largest packet fits exactly; all that passes is WireGuard's, by one link a host."""
    with site.heard() as frames:
        site.boxes[0].sh(f"ping -c 2 -W 5 -p {WORD} fd00:9::3; ping -c 1 -W 5 -M do -s {1370 - 28} -p {WORD} {FAR}")
    with pytest.raises(AssertionError, match="essage too long"):
        site.boxes[0].sh(f"ping -c 1 -W 2 -M do -s {1370 - 27} {FAR}")

    assert len([frame for frame in frames if frame.port == 51830]) >= 6
    assert not [frame for frame in frames if b"pynet" in frame.raw or frame.port == 4789]
    assert max(len(frame.raw) for frame in frames) == 1514
    assert len(site.carriers()) == 1


def test_keys_change_without_a_lost_packet(site: Site) -> None:
    """All hosts take new keys on a second link, change over when the handshakes are done, and forget the old ones."""
    before, old = {key.public for keys in site.records() for key in keys.keys}, site.carriers()

    with pinging(site.boxes[0]) as lost:
        site.hosts[2].do(site.hosts[2].pynet.secrecy.rotate)
        assert later(lambda: changed(site.records()))
    assert lost == []
    assert before.isdisjoint(key.public for keys in site.records() for key in keys.keys)
    assert len(site.carriers()) == 1
    assert site.carriers() != old


def test_what_is_not_encrypted_does_not_come(site: Site) -> None:
    """A packet that claims to be from a member's address inside the tunnels is dropped and counted."""
    host, mac = site.hosts[1], site.hosts[1].sh("ip -br link show ul0").split()[2]
    with site.switch.do(lambda: Segment("h2")) as segment:
        segment.forge(mac, tunnel_address("h1"), tunnel_address("h2"), 70)

    assert soon(lambda: "ul0" in site.dropped(1))
    assert host.pynet.firewall.owns("pnv" + BLUE[:12])


def test_what_cannot_be_encrypted_does_not_go(site: Site) -> None:
    """Without its link a host drops it, even where another route leads to the address; the link is made again."""
    host, far = site.hosts[0], tunnel_address("h2")
    host.sh(f"ip link del {site.carriers()[0]}")
    _lead_astray(host, far)
    with site.heard() as frames:
        assert not site.boxes[0].reaches(FAR)
    assert not [frame for frame in frames if frame.port == 4789]
    assert "ul0" in site.dropped(0)
    host.sh(f"ip -6 route del {far} dev ul0")
    site.mend()
    assert soon(lambda: site.boxes[0].reaches(FAR))


def _lead_astray(host: OverlayHost, far: IPv6Address) -> None:
    host.sh("ip -6 addr add 2001:db8::1/64 dev ul0 nodad")
    host.sh(f"ip -6 route add {far} dev ul0; ip -6 neigh add {far} lladdr 02:00:00:00:00:02 dev ul0")


@pytest.mark.parametrize("harm", ["set {} down", "set {} mtu 1300"])
def test_harm_to_the_link_is_mended(site: Site, harm: str) -> None:
    """The reconciler sets it up with address, peers and routes, and gives it its MTU."""
    site.hosts[0].sh("ip link " + harm.format(site.carriers()[0]))
    site.mend()

    assert "mtu 1440" in site.hosts[0].sh(f"ip link show {site.carriers()[0]}")
    assert soon(lambda: site.boxes[0].reaches(FAR))


def test_the_link_goes_with_the_last_network(site: Site) -> None:
    """And keys and record with it; the others take its peer away."""
    gone = site.hosts.pop()
    gone.do(gone.pynet.end)

    assert gone.sh("ip -br link show type wireguard") == ""
    assert {keys.host for keys in site.records()} == {"h1", "h2"}
    assert list(gone.means.keys.read()) == []
    first, carrier = site.hosts[0], site.carriers()[0]
    assert soon(lambda: len(first.do(lambda: first.means.wireguard.state(carrier)).peers) == 1)
    gone.end()
