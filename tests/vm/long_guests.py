"""Encryption between machines: three guests on one segment, a host each, and a real etcd in the first one."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.engine.lab.suites import Unavailable
from tests.vm.guests import Guests, started
from tests.vm.segment import service
from tests.vm.site import PREFIX, WORD

TWICE = bytes.fromhex(WORD) * 2  # no name in the store is that
CONTAINERS = {2, 3, 4}  # the last parts of their addresses


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    """Return three guests; this process is the segment between them."""
    try:
        with started(3) as guests:
            yield guests
    except Unavailable as why:
        pytest.skip(str(why))


def test_containers_of_three_guests_reach_each_other(guests: Guests) -> None:
    """Each reaches both others, by both families."""
    for own, host in zip(sorted(CONTAINERS), guests.hosts, strict=True):
        for other in CONTAINERS - {own}:
            assert host.ask("reaches", f"10.9.0.{other}")
            assert host.ask("reaches", f"fd00:9::{other}")


def test_keys_of_three_guests_change_and_no_ping_is_lost(guests: Guests) -> None:
    """Each pings the next one meanwhile; afterwards each kernel has one WireGuard link, with a new key."""
    before = guests.each("keys")
    for other, host in zip((3, 4, 2), guests.hosts, strict=True):
        host.ask("begin_pings", f"10.9.0.{other}")
    guests.hosts[2].ask("rotate")

    assert guests.each("changed") == [True, True, True]
    assert guests.each("end_pings") == [[], [], []]
    after = guests.each("keys")
    assert [len(keys) for keys in after] == [1, 1, 1]
    assert len({key for keys in before + after for key in keys}) == 6
    assert {"udp 51830", "udp 51831"} <= {service(frame) for frame in guests.hub.frames}


def test_nothing_between_three_guests_can_be_read(guests: Guests) -> None:
    """Since the first frame nothing passed but WireGuard, etcd and neighbours; a ping of a host itself is readable."""
    guests.hosts[0].ask("ping", "10.9.0.3")
    guests.hosts[2].ask("ping", "fd00:9::2")
    frames = list(guests.hub.frames)
    guests.hosts[0].ask("ping_in_the_clear", f"{PREFIX}2")

    assert not [frame for frame in frames if TWICE in frame]
    seen = Counter(service(frame) for frame in frames)
    print("frames between three guests:", dict(seen))
    assert seen.keys() - {"0x0806", "icmpv6", "hop-by-hop", "udp 51831"} == {"udp 51830", "tcp 2379"}
    assert [frame for frame in guests.hub.frames[len(frames) :] if TWICE in frame]
