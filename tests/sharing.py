"""Shares the tests of a run out to workers (``-n`` of pytest-xdist).

Tests stay together that share what is dear to start: the host of an engine, a virtual machine, or the fixtures and
folders of a file. The longest groups come first, so that no worker waits long for the last one. pytest-xdist's own
groups, which are marks, do not work with pytest 9.2.
"""

import re
from pathlib import PurePath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

ENGINES = pytest.StashKey[dict[str, str]]()  # what the run made of each engine, by its label
VM = "vm"  # one guest runs all its tests
LONGEST_FIRST = ("engine", "cluster", VM, "kernel")
MANAGED = "test_managed.py"  # builds the plugin in a folder of the repository, for whichever engine
_LABEL = re.compile(r"\[(?:.*-)?(\d\d\.\d+)(?=[-\]])")


class Sharing:
    """A plugin of pytest; a run without workers keeps the order of the files."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> "Groups":
        """Return the scheduler of a run with workers."""
        return Groups(config, log)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Put the longest rings first."""
        if hasattr(config, "workerinput"):
            items.sort(key=_rank)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send what a worker knows of the engines to the process that prints it."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["engines"] = session.config.stash.get(ENGINES, {})

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take it over from a worker that ends."""
        node.config.stash.setdefault(ENGINES, {}).update(getattr(node, "workeroutput", {}).get("engines", {}))


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a worker all tests of a group."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def group(test: str) -> str:
    """Return the name of the group of a test: an engine or a guest that all files share, else its file."""
    path = PurePath(test.partition("::")[0])
    if VM in path.parts:
        return VM
    label = _LABEL.search(test)
    return label[1] if label and "engine" in path.parts and path.name != MANAGED else str(path)


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, ring in enumerate(LONGEST_FIRST) if ring in item.path.parts), len(LONGEST_FIRST))
