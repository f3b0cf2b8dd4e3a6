"""The ``docker-compose`` of Debian's forky, which runs on a Debian 12 with engines of any version."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.lab.cli import Docker
from tests.engine.lab.host import Host
from tests.engine.lab.scene import Container
from tests.engine.lab.suites import Unavailable, unpacked

PROGRAM = "usr/libexec/docker/cli-plugins/docker-compose"
PROJECT = "shop"


def program() -> Path:
    """Return the command, downloading it on first use; a test without it is skipped."""
    try:
        return unpacked("forky", "docker-compose", name="compose") / PROGRAM
    except Unavailable as why:
        pytest.skip(str(why))


class Project:
    """A running project."""

    def __init__(self, host: Host, files: Sequence[Path]) -> None:
        self._host = host
        self._compose = Docker(program(), host.socket, files[0].parent)
        self._words = ["-p", PROJECT, *(word for file in files for word in ("-f", str(file)))]

    def __call__(self, *words: str) -> str:
        """Run ``docker compose`` with these words for the project."""
        return self._compose(*self._words, *words)

    def container(self, service: str) -> Container:
        """Return the container of a service."""
        return Container(f"{PROJECT}-{service}-1", self._host)


@contextmanager
def started(host: Host, *files: Path) -> Iterator[Project]:
    """Start a project of these files, of which later ones go before earlier ones, and take it down after the block."""
    project = Project(host, files)
    try:
        project("up", "-d", "--pull", "never")
        yield project
    finally:
        project("down", "-t", "0")
