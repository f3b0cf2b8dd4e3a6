"""The health of pynet: what is asked, what a failure means, and that nothing is left by asking."""

from collections.abc import Callable
from pathlib import Path

import pytest

from netlink.errors import KernelError
from plugin.errors import Busy, Failed
from plugin.observe.health import Condition, HealthCheck, examine, worst
from plugin.observe.health_checks import kernel_refuses, not_repaired, rules_lack, store_refuses
from plugin.protocol.messages import Repair, Status
from tests.fakes import World
from tests.unit import requests as rq

OK, DEGRADED, FAILED = Condition


def raising(error: Exception) -> Callable[[], str]:
    """Return a question that cannot be answered."""

    def ask() -> str:
        raise error

    return ask


@pytest.mark.parametrize(
    ("ask", "otherwise", "state", "reason"),
    [
        (lambda: "", FAILED, OK, ""),
        (lambda: "it is gone", FAILED, FAILED, "it is gone"),
        (lambda: "it is gone", DEGRADED, DEGRADED, "it is gone"),
        (raising(KernelError("look: no")), FAILED, FAILED, "look: no"),
        (raising(Failed("write: no")), FAILED, FAILED, "write: no"),
        (raising(OSError(28, "No space left on device")), FAILED, FAILED, "no space left on device"),
        (raising(Busy("others work")), FAILED, DEGRADED, "others work"),
    ],
)
def test_a_check_has_a_state_and_a_reason(
    ask: Callable[[], str], otherwise: Condition, state: Condition, reason: str
) -> None:
    """Whatever a question raises is a verdict, and to be busy is no failure."""
    (verdict,) = examine({"it": HealthCheck(ask, otherwise)})

    assert (verdict.check, verdict.state, verdict.reason) == ("it", state, reason)


def test_the_whole_is_as_bad_as_its_worst_part() -> None:
    """One failure among others that are well is a failure, and nothing is well."""
    states = {"a": OK, "b": FAILED, "c": DEGRADED}
    verdicts = examine({name: HealthCheck(lambda: "x", state) for name, state in states.items()})

    assert [worst(verdicts), worst(verdicts[2:]), worst([])] == [FAILED, DEGRADED, OK]


def test_asking_the_store_writes_nothing(world: World, tmp_path: Path) -> None:
    """A transaction that changes nothing and a file without a name leave neither a record nor a file."""
    world.driver.create_network(rq.network())
    before = world.snapshot()

    assert store_refuses(world.store, tmp_path) == ""
    assert (world.snapshot(), list(tmp_path.iterdir())) == (before, [])


def test_a_store_that_refuses_is_a_failure(world: World, tmp_path: Path) -> None:
    """A closed database and a folder that is gone are said with their sentences."""
    gone = examine({"store": HealthCheck(lambda: store_refuses(world.store, tmp_path / "gone"))})
    world.failing_store.real.close()
    closed = examine({"store": HealthCheck(lambda: store_refuses(world.store, tmp_path))})

    assert [(each.state, each.reason) for each in (*gone,)] == [(FAILED, "no such file or directory")]
    assert (closed[0].state, "closed" in closed[0].reason) == (FAILED, True)


def test_rules_are_missed_only_where_there_is_a_network(world: World) -> None:
    """Without a network there are no tables; with one their absence is a failure until they are written again."""
    without = rules_lack(world.firewall, world.nft, "pynet")
    world.driver.create_network(rq.network())
    there = rules_lack(world.firewall, world.nft, "pynet")
    world.nft.table = False
    gone = rules_lack(world.firewall, world.nft, "pynet")

    assert (without, there, gone) == ("", "", "nftables tables 'pynet' are missing; they are written again in a moment")


def test_the_kernel_is_asked_for_a_link(world: World) -> None:
    """A kernel that answers with nothing knows not even lo."""
    assert kernel_refuses(world.kernel) == "the kernel knows no link 'lo'"


def test_what_cannot_be_repaired_is_named() -> None:
    """The first finding is named, and the others are counted."""
    failing = (Repair("A", "link gone", "no"), Repair("B", "port lost", "no"), Repair("B", "port lost", "no"))

    assert not_repaired(lambda: Status({}, failing)) == "link gone, and 2 more"
    assert not_repaired(lambda: Status({}, failing[:1])) == "link gone"
    assert not_repaired(lambda: Status({"A": 9})) == ""
