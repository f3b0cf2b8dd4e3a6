"""How hosts agree on a network, and what they are told when they do not."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest

from plugin.cluster.overlay.agreement import FIRST_VNI, Agreement, drop_unused_networks
from plugin.cluster.overlay.records import ClusterNetwork, Member, VniClaim
from plugin.errors import Conflict, InvalidRequest
from plugin.model.records import NetworkSubnet
from plugin.store.base import Put, R, Record, Versioned
from plugin.store.memory import MemoryStore
from tests.fake_sockets import Steps
from tests.overlay_fakes import Gone, SharedStore
from tests.unit import requests as rq

DATA = rq.ipam("10.9.0.1/24")
WISH = ClusterNetwork("blue", 0, 4789, 0, subnets=(NetworkSubnet(DATA.pool, DATA.gateway),))
OTHER_SUBNET = rq.ipam("10.8.0.1/24")


@pytest.fixture
def store() -> SharedStore:
    """Return the store that hosts share."""
    return SharedStore(MemoryStore(), Steps())


@pytest.fixture
def agreement(store: SharedStore) -> Agreement:
    """Return what joins and leaves."""
    return Agreement(store, Gone(store))


def member(number: int, network: str = "blue", address: str = "") -> Member:
    """Return the place of host NUMBER in a network."""
    return Member(network, f"h{number}", "a" * 64, ip_address(address or f"192.0.2.{number}"))


def test_the_first_host_settles_what_it_did_not_choose(agreement: Agreement) -> None:
    """A free VNI and the largest MTU; the others follow."""
    first = agreement.join(WISH, member(1), 1450)

    assert first.vni >= FIRST_VNI
    assert first.mtu == 1450
    assert agreement.join(WISH, member(2), 8950) == first


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (replace(WISH, vni=7), "has VNI 70 on the other hosts, and this host was told 7"),
        (replace(WISH, mtu=1300), "has MTU 1400 on the other hosts, and this host was told 1300"),
        (replace(WISH, port=8472), "has UDP port 4789 on the other hosts, and this host was told 8472"),
        (
            replace(WISH, tunnel="direct", port=0, routed_port=4789),
            "has pynet.tunnel vxlan on the other hosts, and this host was told direct",
        ),
        (replace(WISH, internal=True), "has internal false on the other hosts, and this host was told true"),
        (
            replace(WISH, subnets=(NetworkSubnet(OTHER_SUBNET.pool, OTHER_SUBNET.gateway),)),
            "has subnets 10.9.0.0/24 with gateway 10.9.0.1 .* told 10.8.0.0/24 with gateway 10.8.0.1",
        ),
    ],
)
def test_a_difference_is_refused_with_both_values(
    store: SharedStore, agreement: Agreement, wish: ClusterNetwork, sentence: str
) -> None:
    """A difference is refused with both values, and the host becomes no member."""
    agreement.join(replace(WISH, vni=70, mtu=1400), member(1), 1450)

    with pytest.raises(Conflict, match=sentence):
        agreement.join(wish, member(2), 1450)

    assert [item.record.host for item in store.real.list(Member)] == ["h1"]


def test_an_mtu_that_does_not_fit_is_refused(agreement: Agreement) -> None:
    """A host whose link carries less than the others agreed on cannot take part."""
    agreement.join(WISH, member(1), 8950)

    with pytest.raises(InvalidRequest, match=r"network 'blue' has MTU 8950, and .* this host can carry 1450"):
        agreement.join(WISH, member(2), 1450)


def test_a_vni_of_another_network_is_refused(agreement: Agreement) -> None:
    """The sentence names the network that has it."""
    agreement.join(replace(WISH, vni=70), member(1), 1450)

    with pytest.raises(Conflict, match="VNI 70 belongs to network 'blue'"):
        agreement.join(replace(WISH, name="green", vni=70), member(2, "green"), 1450)


def test_hosts_of_two_families_cannot_meet(agreement: Agreement) -> None:
    """Hosts of two families cannot build a tunnel: the refusal names the host and both addresses."""
    agreement.join(WISH, member(1), 1450)

    with pytest.raises(Conflict, match=r"host 'h1' .* reached at 192\.0\.2\.1, and this host at 2001:db8::2"):
        agreement.join(WISH, member(2, address="2001:db8::2"), 1450)


def test_what_nobody_uses_any_more_binds_nobody(store: SharedStore, agreement: Agreement) -> None:
    """An agreement without members, which its last host could not remove, gives way, and so does its VNI."""
    agreement.join(replace(WISH, vni=70, mtu=1400), member(1), 1450)
    store.away = True
    agreement.leave(member(1))
    store.away = False
    Gone(store).take_back(member(1))

    assert agreement.join(replace(WISH, name="green", vni=70), member(2, "green"), 1450).vni == 70
    assert agreement.join(replace(WISH, vni=71, mtu=1300), member(2), 1450).mtu == 1300
    assert {item.record.vni: item.record.network for item in store.real.list(VniClaim)} == {70: "green", 71: "blue"}


class Counting(MemoryStore):
    """Notes what is listed."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[type[Record]] = []

    def list(self, kind: type[R], prefix: str = "") -> Sequence[Versioned[R]]:
        self.listed.append(kind)
        return super().list(kind, prefix)


def test_what_nobody_uses_any_more_goes_at_a_repair() -> None:
    """A repair removes agreements without members, and lists networks and members once, however many there are."""
    store = SharedStore(real := Counting(), Steps())
    agreement = Agreement(store, gone := Gone(store))
    for name in ("blue", "green", "red"):
        agreement.join(replace(WISH, name=name), member(1, name), 1450)
    store.away = True
    agreement.leave(member(1, "green"))
    store.away = False
    gone.flush()
    real.listed.clear()
    drop_unused_networks(real)

    assert real.listed == [ClusterNetwork, Member, Member]
    assert [item.record.name for item in real.list(ClusterNetwork)] == ["blue", "red"]
    assert {item.record.network for item in real.list(VniClaim)} == {"blue", "red"}


def test_a_vni_that_is_taken_is_passed_over(store: SharedStore, agreement: Agreement) -> None:
    """A search for a VNI begins at a number computed from the name, and passes over taken ones."""
    vni = agreement.join(WISH, member(1), 1450).vni
    agreement.leave(member(1))
    store.real.transact(Put(VniClaim(vni, "green")))

    assert agreement.join(WISH, member(1), 1450).vni == vni + 1


def test_the_last_host_takes_the_network_along(store: SharedStore, agreement: Agreement) -> None:
    """The agreement is deleted with the last host, not with the first one that leaves."""
    for number in (1, 2):
        agreement.join(WISH, member(number), 1450)
    agreement.leave(member(1))
    assert len(store.real.list(ClusterNetwork)) == 1
    agreement.leave(member(2))
    assert [list(store.real.list(kind)) for kind in (ClusterNetwork, VniClaim, Member)] == [[], [], []]


def test_a_host_that_joins_while_the_last_one_leaves_is_kept(store: SharedStore, agreement: Agreement) -> None:
    """If a host joins while the last one leaves, the removal of the agreement meets a newer record and fails."""
    agreement.join(WISH, member(1), 1450)
    known = store.real.get(ClusterNetwork, "blue")
    agreement.join(WISH, member(2), 1450)

    after = store.real.get(ClusterNetwork, "blue")
    assert known
    assert after
    assert after.revision > known.revision
