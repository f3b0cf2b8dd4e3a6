"""Rings that need root are left out without it, with the reason; as root nothing is left out here."""

import os
from collections import Counter

import pytest

NEEDS_ROOT = {
    "kernel": "network namespaces of its own",
    "engine": "Docker Engines of its own",
    "cluster": "servers and engines of its own",
}
LEFT_OUT = pytest.StashKey[Counter[str]]()


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
    """Print the skipped tests, a line per ring."""
    for ring, count in config.stash.get(LEFT_OUT, Counter()).items():
        terminalreporter.write_line(f"{ring} ring: {count} tests NOT RUN: needs root, for {NEEDS_ROOT[ring]}")
