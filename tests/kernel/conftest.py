"""Fixtures of the kernel ring: every test runs in a network namespace of its own, which vanishes after it."""

import ctypes
import os
import subprocess
from collections.abc import Iterator

import pytest

CLONE_NEWNET = 0x40000000  # linux/sched.h
LIBC = ctypes.CDLL(None, use_errno=True)


def _switch(call: str, *arguments: int) -> None:
    if getattr(LIBC, call)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")


@pytest.fixture
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


def sh(command: str) -> str:
    """Run a shell command in the namespace of the test and return what it printed; a failure raises."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command}\nexit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Container:
    """A process with a network namespace of its own, as a stand-in for a container."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "echo up; exec sleep 600"], stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    @property
    def pid(self) -> int:
        """Process id, by which ip and nsenter name the namespace."""
        return self._process.pid

    def sh(self, command: str) -> str:
        """Run a command in the container's network namespace."""
        return sh(f"nsenter -n -t {self.pid} -- sh -c '{command}'")

    def reaches(self, address: str) -> bool:
        """Say whether a ping to ``address`` is answered within a second."""
        ping = ["nsenter", "-n", "-t", str(self.pid), "--", "ping", "-c", "1", "-W", "1", address]
        return subprocess.run(ping, capture_output=True, timeout=20, check=False).returncode == 0

    def take(self, link: str, *commands: str) -> None:
        """Move ``link`` here as the engine does, call it eth0 and set it up."""
        sh(f"ip link set {link} netns {self.pid}")
        for command in (f"ip link set {link} name eth0", "ip link set lo up", "ip link set eth0 up", *commands):
            self.sh(command)

    def end(self) -> None:
        """End the process; the namespace goes with it."""
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def containers() -> Iterator[list[Container]]:
    """Return an empty list; whatever a test appends is ended after it."""
    started: list[Container] = []
    yield started
    for container in started:
        container.end()
