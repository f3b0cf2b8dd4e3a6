"""Many elements are written as packed messages where there are no tables, and as text if that fails."""

import pytest

from netlink.errors import KernelError
from plugin.firewall import sets
from plugin.firewall.firewall import Firewall
from plugin.firewall.writing import MANY
from plugin.model.findings import RulesRefused
from tests.fake_sockets import Steps
from tests.fakes import FakeNft

WANTED = {f"pn-{number}": [sets.BRIDGES.element(f"pn-{number}")] for number in range(MANY)}


class Failing(Steps):
    """Refuses the elements, packed (step 2) and as text (step 4); in between they are removed."""

    def take(self, what: str) -> None:
        """Count one step."""
        super().take(what)
        if self.count in {2, 4}:
            raise KernelError(what)


@pytest.fixture
def steps() -> Steps:
    """Counts transactions."""
    return Steps()


@pytest.fixture
def nft(steps: Steps) -> FakeNft:
    """No tables."""
    return FakeNft(steps)


@pytest.fixture
def firewall(nft: FakeNft) -> Firewall:
    """A firewall that has written nothing."""
    return Firewall(nft, "pynet")


def test_many_elements_are_packed_if_there_are_no_tables(nft: FakeNft, firewall: Firewall, steps: Steps) -> None:
    """After a flush many elements are a transaction of their own, and the owner of a flawed one is closed."""
    firewall.load(WANTED | {"bad": [sets.BRIDGES.element("a name that is too long")]})

    assert len(nft.elements) == MANY
    assert steps.count == 2
    assert list(firewall.refused()) == [RulesRefused("", "bad")]


def test_elements_are_text_if_there_are_tables(nft: FakeNft, firewall: Firewall, steps: Steps) -> None:
    """Tables that exist are replaced in one transaction, so that nothing is open for a moment."""
    nft.table = True
    firewall.load(WANTED)

    assert len(nft.elements) == MANY
    assert steps.count == 1


def test_many_elements_become_text_if_the_kernel_refuses_the_messages(nft: FakeNft, firewall: Firewall) -> None:
    """If the kernel refuses packed messages, the search for the refused owner begins without any table."""
    nft.unwritable = {'"pn-7" . "pn-7"'}
    firewall.load(WANTED | {"pn-7": [*WANTED["pn-7"], sets.SAME_NETWORK.element("pn-7", "pn-7")]})

    assert ("bridges", '"pn-8"') in nft.elements
    assert list(firewall.refused()) == [RulesRefused("", "pn-7")]


def test_no_empty_tables_are_left() -> None:
    """If nothing can be written no table is left without elements, so that the rules count as missing."""
    nft = FakeNft(Failing())
    firewall = Firewall(nft, "pynet")
    with pytest.raises(KernelError, match="are missing, so all is closed"):
        firewall.load(WANTED)

    assert not nft.table
    assert firewall.missing
