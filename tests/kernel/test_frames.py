"""The table of frames: what a guarded container and another host may send, to whom, and what nobody ever hears.

``wire/kinds_*.py`` are the table, ``wire/stages.py`` the ways. All kinds are sent once a stage, within a second.
"""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from tests.kernel.wire.ends import Ends, Station
from tests.kernel.wire.learned import Fact
from tests.kernel.wire.scene import Played, Scene
from tests.kernel.wire.stages import bridge, two_hosts
from tests.kernel.wire.table import KINDS

STAGES = {"bridge": bridge, "open": bridge, "out": two_hosts, "in": two_hosts}
SCENES = [Scene(way, netfilter) for way in ("bridge", "out", "in") for netfilter in (False, True)]


@pytest.fixture(autouse=True)
def host() -> None:
    """Stay where the thread is: a stage has namespaces of its own, once for all tests of a scene."""


def named(scene: Scene) -> str:
    """Return the name of a scene."""
    return f"{scene.way} {'with' if scene.netfilter else 'without'} br_netfilter"


@pytest.fixture(scope="module", params=[*SCENES, Scene("open", netfilter=False)], ids=named)
def played(request: pytest.FixtureRequest) -> Iterator[Played]:
    """Play the table on each stage."""
    with STAGES[request.param.way](request.param) as result:
        yield result


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_reaches_whom_it_may_and_nobody_else(played: Played, kind: str) -> None:
    """Each frame reaches only permitted neighbours, gateway and groups; without a guard every frame arrives."""
    assert played.heard_of(kind) == played.scene.expected(KINDS[kind])


def test_no_table_changes_but_for_the_sender(played: Played) -> None:
    """No frame changes neighbours, forwarding databases, routes or addresses of the host and two containers."""
    wrong = {fact for fact in played.learned if not true(played.ends, fact)} | played.forgotten

    assert bool(wrong) is (played.scene.way == "open"), wrong  # without a guard there is what it keeps out


def true(ends: Ends, fact: Fact) -> bool:
    """Say whether a fact about a neighbour is true; an address that is nobody's on this host another host may have."""
    known = {text: of.mac for of in (ends.me, ends.other, ends.gateway, ends.to) for text in texts(of)}
    mac = known.get(fact.address, ends.me.mac)
    return fact.table == "neighbour" and fact.mac == mac.hex(":")


def texts(one: Station) -> set[str]:
    """Return the addresses of a station as ip(8) writes them."""
    return {str(ip_address(packed)) for packed in (one.v4, one.v6, one.local)}
