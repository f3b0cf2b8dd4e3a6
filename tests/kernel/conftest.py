"""Fixtures of the kernel ring: every test runs in a network namespace of its own, which vanishes after it."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.container import Container, sh
from tests.kernel.pynet import Pynet

CLONE_NEWNET, CLONE_NEWNS = 0x40000000, 0x00020000  # linux/sched.h
SMALL = 12 << 20  # bytes, room for two logs of 4 MB
LIBC = ctypes.CDLL(None, use_errno=True)


def _switch(call: str, *arguments: int) -> None:
    if getattr(LIBC, call)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


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
        _switch("unshare", CLONE_NEWNET)
        sh("ip link set lo up")
        yield
    finally:
        _switch("setns", home, CLONE_NEWNET)
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
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system that this thread alone sees, and that goes with its mount namespace."""
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    folder = os.open(".", os.O_RDONLY)
    _switch("unshare", CLONE_NEWNS)
    try:
        sh(f"mount --make-rprivate /; mount -t tmpfs -o size={SMALL} small {tmp_path}")
        yield tmp_path
    finally:
        _switch("setns", home, CLONE_NEWNS)
        os.fchdir(folder)
        os.close(home)
        os.close(folder)
