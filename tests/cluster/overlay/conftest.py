"""One cluster for the run: three real engines with a pynet each, an underlay, and a store of three servers."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.cluster.overlay.cluster import Cluster
from tests.cluster.overlay.underlay import Underlay
from tests.engine.lab.engines import REQUIRED, Engine, obtain, wanted
from tests.engine.lab.suites import Unavailable

SUBNETS = ("--subnet", "10.77.0.0/24", "--ipv6", "--subnet", "fd77::/64")
SHOWN_LINES, SHOWN_COLUMNS = 12, 400  # of a log, with a failure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder belongs to the cluster ring; the first test may have to download an engine."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def cluster_engine() -> Engine:
    """The newest engine that is wanted and can be had; the distribution's own otherwise."""
    try:
        return obtain(wanted()[-1])
    except Unavailable:
        return obtain(REQUIRED)


@pytest.fixture(scope="session")
def cluster(cluster_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes without networks."""
    with Underlay(tmp_path_factory.mktemp("store")) as underlay:
        underlay.start()
        with Cluster(cluster_engine, underlay) as cluster:
            cluster.tunnel = os.environ.get("PYNET_TEST_TUNNEL", "vxlan")  # both for the faults of ``long_faults``
            cluster.named = bool(os.environ.get("PYNET_TEST_NAMES"))
            yield cluster


@pytest.fixture
def blue(cluster: Cluster) -> Iterator[Cluster]:
    """The nodes with the network blue, 10.77.0.0/24 and fd77::/64, and one container each; all go afterwards."""
    names = ("-o", "pynet.dns=on") if cluster.named else ()
    with cluster.inhabited("blue", *SUBNETS, "-o", "pynet.vni=77", *names):
        yield cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of every pynet's log with each failure."""
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if call.excinfo is not None and report.failed and isinstance(cluster, Cluster):
        for node in cluster.nodes:
            lines = node.pynet.log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
            report.sections.append(
                (f"end of pynet's log on {node.host.name}", "\n".join(line[:SHOWN_COLUMNS] for line in lines))
            )
    return report
