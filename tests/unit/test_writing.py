"""Many elements are packed messages where there are no tables, else text; so are those that others changed."""

from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from netlink.errors import KernelError, Missing
from netlink.nft_elements import Element, NamedSet
from plugin.firewall import sets
from plugin.firewall.firewall import Firewall
from plugin.firewall.looks import TRIES
from plugin.firewall.writing import MANY, Writing
from plugin.model.findings import RulesRefused
from tests.fake_sockets import Steps
from tests.fakes import FakeNft
from tests.unit.test_cost_of_looks import Host, sound

WANTED = {f"pn-{number}": [sets.BRIDGES.element(f"pn-{number}")] for number in range(MANY)}


class Failing(Steps):
    """Refuses the elements, packed (step 2) and as text (step 4); in between they are removed."""

    def take(self, what: str) -> None:
        """Count one step."""
        super().take(what)
        if self.count in {2, 4}:
            raise KernelError(what)


class Changed(FakeNft):
    """Tables of which somebody deleted an element and added another; counts the elements that are written packed."""

    def __init__(self, steps: Steps) -> None:
        super().__init__(steps)
        self.written: list[int] = []
        self.refuses = False
        self.keyless: Sequence[bytes] = ()  # elements without a key

    def harm(self) -> None:
        """Do what somebody did."""
        self.written.clear()
        self.elements -= {("bridges", '"pn-7"')}
        self.elements |= {("internal_bridges", '"lan"')}

    def change(self, table: str, delete: Sequence[Element], add: Sequence[Element]) -> None:
        if [one.of for one in add] != [sets.SEAL]:
            self.written.append(len(delete) + len(add))
        if self.refuses:
            raise Missing("no such element")
        super().change(table, delete, add)

    def elements_of(self, table: str, of: NamedSet) -> Sequence[bytes]:
        return [*super().elements_of(table, of), *self.keyless]


@pytest.fixture
def changed(steps: Steps) -> Changed:
    """No tables yet."""
    return Changed(steps)


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


def test_elements_that_others_changed_are_written_alone(changed: Changed, steps: Steps) -> None:
    """One foreign and one missing element are one transaction of two elements, however many others there are."""
    firewall = Firewall(changed, "pynet")
    firewall.load(WANTED)
    before, transactions = set(changed.elements), steps.count
    changed.harm()
    (found,) = firewall.heal(elements=True)

    assert found.sentence == "nftables tables 'pynet' lack 1 elements and have 1 that nobody wants: restore them"
    assert (changed.elements, changed.written, steps.count - transactions) == (before, [2], 1)
    assert firewall.heal(elements=True) == []


@pytest.mark.parametrize(
    ("values", "written"),
    [({"rewritten": "drop"}, []), ({"keyless": [b""]}, []), ({"refuses": True}, [2])],
    ids=["rules differ too", "an element matches every key", "the kernel refuses"],
)
def test_tables_are_written_whole_if_elements_are_not_enough(
    changed: Changed, values: dict[str, object], written: list[int]
) -> None:
    """If more differs than elements, or the kernel refuses them, everything is one transaction of text."""
    firewall = Firewall(changed, "pynet")
    firewall.load(WANTED)
    before = set(changed.elements)
    changed.harm()
    for name, value in values.items():
        setattr(changed, name, value)
    firewall.heal(elements=True)

    assert (changed.elements, changed.rewritten, changed.written) == (before, "", written)


def test_a_listing_for_which_requests_waited_is_not_taken_again() -> None:
    """If the last listing, under the lock, finds nothing, the next look lists nothing, whatever pynet changes."""
    host = Host(3)
    host.coming = iter(range(7, 20))
    assert host.look(sound)[0]["sets listed"] == (TRIES + 1) * len(sets.SETS)
    host.add(30)

    assert host.look(sound)[0]["sets listed"] == 0


@pytest.mark.parametrize("count", [1, MANY])
def test_a_kernel_that_cannot_log_gets_the_same_rules_without_the_log(steps: Steps, count: int) -> None:
    """Networks work on a kernel without nfnetlink_log; a warning says what does not."""
    nft = FakeNft(steps)
    nft.unwritable = {"log prefix"}
    with capture_logs() as lines:
        refused = Writing(nft, "pynet").write(dict(list(WANTED.items())[:count]), {})

    assert (refused, nft.table, len(nft.elements)) == ({}, True, count)
    warnings = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert warnings == ["kernel cannot log packets, so 'pynet drops -f' shows none"]
