"""Rings that need root are left out without it, with the reason; as root nothing is left out here.

With ``-n`` of pytest-xdist, the tests are shared out in groups: those on the host of an
engine, and else those of one file. The longest groups come first, so that no worker waits long for the last one.
"""

import os
from collections import Counter
from typing import Any

import pytest

NEEDS_ROOT = {
    "kernel": "network namespaces of its own",
    "engine": "Docker Engines of its own",
    "cluster": "servers and engines of its own",
}
LEFT_OUT = pytest.StashKey[Counter[str]]()
ENGINES = pytest.StashKey[dict[str, str]]()  # what the run made of each engine, by its label
LONGEST_FIRST = ("engine", "cluster", "kernel")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out the tests of rings that cannot run here."""
    _share_out(config, items)
    left_out = config.stash.setdefault(LEFT_OUT, Counter())
    if os.geteuid() == 0 or config.option.collectonly:
        return
    rings = {item: next(filter(item.get_closest_marker, NEEDS_ROOT), None) for item in items}
    left_out.update(ring for ring in rings.values() if ring)
    config.hook.pytest_deselected(items=[item for item, ring in rings.items() if ring])
    items[:] = [item for item, ring in rings.items() if not ring]


def _share_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests into groups for the workers; a run without workers keeps the order of the files."""
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: next((n for n, ring in enumerate(LONGEST_FIRST) if item.get_closest_marker(ring)), 9))


def _group(item: pytest.Item) -> str:
    """Return the name of the tests that share a dear fixture: an engine's host, or those of their file."""
    if not isinstance(item, pytest.Function) or "host" not in item.fixturenames or not hasattr(item, "callspec"):
        return item.path.stem
    return f"engine {item.callspec.params['engine']}" if "engine" in item.callspec.params else item.path.stem


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send what a worker knows of the engines to the process that prints it."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["engines"] = session.config.stash.get(ENGINES, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take it over from a worker that ends."""
    node.config.stash.setdefault(ENGINES, {}).update(getattr(node, "workeroutput", {}).get("engines", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the engines that the run used, and the skipped tests, a line per ring."""
    for label, report in sorted(config.stash.get(ENGINES, {}).items()):
        terminalreporter.write_line(f"Docker Engine {label}: {report}")
    for ring, count in config.stash.get(LEFT_OUT, Counter()).items():
        terminalreporter.write_line(f"{ring} ring: {count} tests NOT RUN: needs root, for {NEEDS_ROOT[ring]}")
