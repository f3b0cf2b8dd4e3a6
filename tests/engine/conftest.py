"""Engines, throw-away hosts and scenes for the engine ring.

One host per engine lives for the whole run; a test gets a scene on it, whose networks and containers are removed when
the test ends. ``driver`` runs a test with Docker's own bridge driver and with pynet, so that "the same" is measured;
the built-in driver of an old engine does not change, and runs with ``PYNET_ENGINES`` only.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.engine.lab import image, service
from tests.engine.lab.cli import Docker
from tests.engine.lab.engines import REQUIRED, Engine, chosen, obtain, wanted
from tests.engine.lab.host import Host
from tests.engine.lab.outside import Outside
from tests.engine.lab.process import wait_until
from tests.engine.lab.scene import Scene
from tests.engine.lab.snapshot import listening
from tests.engine.lab.suites import Unavailable
from tests.sharing import ENGINES

ANCHOR = "anchor"
BUILT_IN = "bridge"  # Docker's own driver
SHOWN_LINES, SHOWN_COLUMNS = 25, 500  # of a log, with a failure


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Everything in this folder belongs to the engine ring; the first test on an engine may have to download it."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.engine)
            item.add_marker(pytest.mark.timeout(300))
    known = [item for item in items if here in item.path.parents and _is_known(item)]
    config.hook.pytest_deselected(items=known)
    items[:] = [item for item in items if item not in known]


def _is_known(item: pytest.Item) -> bool:
    """Whether a test only measures Docker's own driver on an engine that does not change any more.

    The newest engine shows that such a test is true of the built-in driver; the others are asked for by PYNET_ENGINES.
    """
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    return not chosen() and parameters.get("driver") == BUILT_IN and parameters.get("engine") != wanted()[-1]


@pytest.fixture(scope="session", params=wanted())
def engine(request: pytest.FixtureRequest) -> Engine:
    """A Docker Engine of each wanted version."""
    reports = request.config.stash.setdefault(ENGINES, {})
    try:
        found = obtain(request.param)
    except Unavailable as why:
        reports[request.param] = f"NOT TESTED: {why}"
        if request.param == REQUIRED:
            pytest.fail(str(why))
        pytest.skip(str(why))
    reports[request.param] = f"tested with {found.version}"
    return found


@pytest.fixture(scope="session")
def host(engine: Engine) -> Iterator[Host]:
    """A throw-away host with a running engine and the image ``busybox``."""
    with Host(engine) as host:
        host.start_engine()
        image.load(host.docker)
        yield host


@pytest.fixture(scope="session")
def pynet(host: Host) -> Iterator[service.Pynet]:
    """Run pynet on the host, with one network that stays: rules leave some time after the last one.

    When the run on this engine is through, nothing of pynet's is left on the host, and no port is held.
    """
    plugin, before = service.pynet(host), listening(host)
    plugin.start()
    host.docker("network", "create", "--driver", plugin.name, ANCHOR)
    yield plugin
    host.docker("network", "rm", ANCHOR)
    try:
        wait_until(lambda: not _of_pynet(host), "pynet's links and tables to be gone", 10)
    except AssertionError as error:
        error.add_note("\n".join(_of_pynet(host)))
        raise
    assert listening(host) == before
    plugin.stop()


def _of_pynet(host: Host) -> list[str]:
    """Lines about links and rules of pynet's."""
    state = host.net("ip", "-o", "link") + host.net("nft", "list", "ruleset")
    return [line for line in state.splitlines() if "pn-" in line or "pnh" in line or "table inet pynet" in line]


@pytest.fixture(params=[BUILT_IN, "pynet"])
def driver(request: pytest.FixtureRequest) -> str:
    """Name of the network driver: the built-in one, and pynet."""
    if request.param == "pynet":
        request.getfixturevalue("pynet")
    return str(request.param)


@pytest.fixture
def docker(host: Host) -> Docker:
    """Run the ``docker`` command of the engine."""
    return host.docker


@pytest.fixture
def scene(host: Host, driver: str) -> Iterator[Scene]:
    """Networks of ``driver`` and containers, removed afterwards."""
    scene = Scene(host, driver)
    try:
        yield scene
    finally:
        scene.close()


@pytest.fixture
def pynet_scene(host: Host, pynet: service.Pynet) -> Iterator[Scene]:
    """Networks of pynet and containers, removed afterwards."""
    scene = Scene(host, pynet.name)
    try:
        yield scene
    finally:
        scene.close()


@pytest.fixture(scope="session")
def outside(host: Host) -> Iterator[Outside]:
    """A network namespace beyond the host, with an echo."""
    with Outside(host) as outside:
        yield outside


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of the logs of pynet and of the engine with each failure."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if call.excinfo is not None and report.failed and isinstance(host, Host):
        for program in ("pynet", "dockerd"):
            if host.log(program).exists():
                lines = host.log(program).read_text(errors="replace").splitlines()[-SHOWN_LINES:]
                text = "\n".join(line[:SHOWN_COLUMNS] for line in lines)
                report.sections.append((f"end of the log of {program}", text))
    return report
