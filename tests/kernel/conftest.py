"""Fixtures of the kernel ring: every test runs in a network namespace of its own, which vanishes after it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from plugin.store.memory import MemoryStore
from tests.kernel.container import Container, sh
from tests.kernel.hosts import MakeHosts, OverlayHost
from tests.kernel.lan_site import LanSite
from tests.kernel.namespaces import CLONE_NEWNS, enter_fresh_namespace, enter_namespace, switch
from tests.kernel.pynet import Pynet

SMALL = 12 << 20  # bytes, room for two logs of 4 MB


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder belongs to the kernel ring."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.kernel)


@pytest.fixture(autouse=True)
def host() -> Iterator[None]:
    """Move this thread into a fresh network namespace with only lo, and back after the test."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        enter_fresh_namespace()
        sh("ip link set lo up")
        yield
    finally:
        enter_namespace(home)
        os.close(home)


@pytest.fixture
def containers() -> Iterator[list[Container]]:
    """Return an empty list; whatever a test appends is ended after it."""
    started: list[Container] = []
    yield started
    for container in started:
        container.end()


@pytest.fixture
def pynet() -> Iterator[Pynet]:
    """Return a driver in the namespace of the test."""
    pynet = Pynet()
    yield pynet
    pynet.close()


@pytest.fixture
def two(containers: list[Container]) -> tuple[Container, Container]:
    """Return two containers that are attached to nothing."""
    containers += [Container(), Container()]
    return containers[0], containers[1]


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[LanSite]:
    """Return a LAN into which the host of the test is plugged with its link eth0."""
    site = LanSite(tmp_path)
    yield site
    site.end()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system that this thread alone sees, and that goes with its mount namespace."""
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    folder = os.open(".", os.O_RDONLY)
    switch("unshare", CLONE_NEWNS)
    try:
        sh(f"mount --make-rprivate /; mount -t tmpfs -o size={SMALL} small {tmp_path}")
        yield tmp_path
    finally:
        switch("setns", home, CLONE_NEWNS)
        os.fchdir(folder)
        os.close(home)
        os.close(folder)


@pytest.fixture
def shared() -> Iterator[MemoryStore]:
    """Return the store that the hosts share."""
    store = MemoryStore()
    yield store
    store.close()


@pytest.fixture
def make_hosts(shared: MemoryStore) -> Iterator[MakeHosts]:
    """Return what makes hosts that are plugged into one switch."""
    hosts: list[OverlayHost] = []
    sh("ip link add sw0 type bridge mcast_snooping 0; ip link set sw0 up")

    def make(count: int, prefix: str = "192.0.2.", mtu: int = 1500) -> list[OverlayHost]:
        hosts.extend(OverlayHost(shared, number + 1, prefix, mtu) for number in range(len(hosts), len(hosts) + count))
        return hosts

    yield make
    for host in hosts:
        host.end()
