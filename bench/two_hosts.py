"""Two hosts on one machine, each with a real engine and a pynet, and an etcd of three servers."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.overlay.cluster import Cluster
from tests.cluster.overlay.underlay import Underlay
from tests.engine.lab.engines import Engine


@contextmanager
def two_hosts(engine: Engine) -> Iterator[Cluster]:
    """Start them with ``engine``; they end with the block."""
    with tempfile.TemporaryDirectory(prefix="pynet-etcd-") as folder, Underlay(Path(folder)) as underlay:
        underlay.start()
        with Cluster(engine, underlay, size=2) as cluster:
            yield cluster
