"""Rings that need root are left out without it, with the reason; as root nothing is left out here."""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest
import structlog

from tests.sharing import ENGINES, Sharing

NEEDS_ROOT = {
    "kernel": "network namespaces of its own",
    "engine": "Docker Engines of its own",
    "cluster": "servers and engines of its own",
    "vm": "commands and packages of its guest",
}
LEFT_OUT = pytest.StashKey[Counter[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Share the tests out where there are workers."""
    config.pluginmanager.register(Sharing())


@pytest.fixture(autouse=True)
def undisturbed() -> Iterator[None]:
    """Logging is afterwards as it was: in another order of the tests, others would read what this one has set."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.contextvars.clear_contextvars()  # a request that another test served in this thread
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests of rings that cannot run here."""
    left_out = config.stash.setdefault(LEFT_OUT, Counter())
    if os.geteuid() == 0 or config.option.collectonly:
        return
    rings = {item: next(filter(item.get_closest_marker, NEEDS_ROOT), None) for item in items}
    left_out.update(ring for ring in rings.values() if ring)
    config.hook.pytest_deselected(items=[item for item, ring in rings.items() if ring])
    items[:] = [item for item, ring in rings.items() if not ring]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the engines that the run used, and the skipped tests, a line per ring."""
    for label, report in sorted(config.stash.get(ENGINES, {}).items()):
        terminalreporter.write_line(f"Docker Engine {label}: {report}")
    for ring, count in config.stash.get(LEFT_OUT, Counter()).items():
        terminalreporter.write_line(f"{ring} ring: {count} tests NOT RUN: needs root, for {NEEDS_ROOT[ring]}")
