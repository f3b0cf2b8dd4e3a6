"""A start takes over the tables of an earlier process and writes the differences alone."""

from collections.abc import Callable

import pytest

from plugin.firewall import sets
from plugin.firewall.firewall import Firewall
from tests.fake_sockets import Steps
from tests.fakes import FakeNft

WANTED = {f"pn-{number}": [sets.BRIDGES.element(f"pn-{number}")] for number in range(3)}
FOREIGN, MISSING = ("bridges", '"other"'), ("bridges", '"pn-1"')


@pytest.fixture
def nft() -> FakeNft:
    """Tables of a process that was killed."""
    nft = FakeNft(Steps())
    Firewall(nft, "pynet").load(WANTED)
    return nft


def start(nft: FakeNft) -> Steps:
    """Load the elements in another process; return its transactions."""
    nft._steps = Steps()
    Firewall(nft, "pynet").load(WANTED)
    return nft._steps


def test_tables_that_are_right_are_not_written(nft: FakeNft) -> None:
    """No transaction is necessary."""
    before = set(nft.elements)

    assert (start(nft).count, nft.elements) == (0, before)


def test_elements_that_differ_are_all_that_is_written(nft: FakeNft) -> None:
    """One transaction adds missing elements and deletes those that nobody wants; the tables stay sealed."""
    before, seal = set(nft.elements), nft.seal
    nft.elements = (nft.elements - {MISSING}) | {FOREIGN}

    assert (start(nft).count, nft.elements, nft.seal) == (1, before, seal)


@pytest.mark.parametrize(
    "harm",
    [
        lambda nft: setattr(nft, "rewritten", "other rules"),
        lambda nft: setattr(nft, "seal", []),
        lambda nft: setattr(nft, "seal", [bytes(16)]),
    ],
)
def test_tables_that_pynet_did_not_write_so_are_written_anew(nft: FakeNft, harm: Callable[[FakeNft], None]) -> None:
    """Somebody changed the rules, or another version wrote them: foreign elements and rules are gone afterwards."""
    before, seal = set(nft.elements), nft.seal
    harm(nft)
    nft.elements.add(FOREIGN)
    start(nft)

    assert (nft.elements, nft.rewritten, nft.seal) == (before, "", seal)
