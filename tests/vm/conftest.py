"""The ring of tests that need a kernel with everything: they are collected here, and run in a virtual machine.

The first one starts a guest with all that were selected, and each takes its reports from there. In the guest, the same
files are run by the same pytest, with the fixtures of the kernel ring. Tests with guests of their own are run here.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.lab.suites import Unavailable
from tests.kernel.conftest import containers, host, lan, make_hosts, pynet, shared, two
from tests.kernel.container import Container
from tests.kernel.pynet import connect
from tests.vm.inside import TESTS
from tests.vm.ring import Ring

__all__ = ["containers", "host", "lan", "make_hosts", "pynet", "shared", "two"]

HERE = Path(__file__).parent
LIMIT = float(os.environ.get("PYNET_VM_LIMIT", "420"))  # seconds for a guest and all its tests
RING = pytest.StashKey[Ring | str]()  # or why there is none


def in_guest() -> bool:
    """Return whether this is the guest."""
    return TESTS.exists()


def has_guests(item: pytest.Item) -> bool:
    """Return whether a test starts guests of its own."""
    return "guests" in getattr(item, "fixturenames", ())


def is_for_guest(item: pytest.Item) -> bool:
    """Return whether a test is run by the guest of all."""
    return item.get_closest_marker("vm") is not None and not has_guests(item)


@pytest.fixture
def router() -> Iterator[Container]:
    """A machine on the LAN of the host's ``out0``."""
    machine = Container()
    connect(machine)
    yield machine
    machine.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder belongs to the ring; only the guest knows how long a test takes.

    Tests with guests of their own come first, as the guest of the others is busy from its start on.
    """
    items.sort(key=has_guests, reverse=True)
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.vm)
            if not in_guest():
                item.add_marker(pytest.mark.timeout(0))


def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Take the reports of the test from the guest; where there can be none, it is skipped with the reason."""
    if in_guest() or not is_for_guest(item):
        return None
    ring = _ring(item.session)
    if isinstance(ring, str):
        item.add_marker(pytest.mark.skip(reason=ring))
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in ring.reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _ring(session: pytest.Session) -> Ring | str:
    if RING not in session.stash:
        tests = [item.nodeid for item in session.items if is_for_guest(item)]
        try:
            session.stash[RING] = Ring(tests, LIMIT)
        except Unavailable as why:
            session.stash[RING] = str(why)
    return session.stash[RING]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the guest."""
    if isinstance(ring := session.stash.get(RING, None), Ring):
        ring.end()
