"""Rings that need root are skipped without it, with the reason; as root nothing is skipped here."""

import os

import pytest

NEEDS_ROOT = {
    "kernel": "kernel ring: needs root, for network namespaces of its own",
    "engine": "engine ring: needs root, for Docker Engines of its own",
    "cluster": "cluster ring: needs root, for servers and engines of its own",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of rings that cannot run here."""
    if os.geteuid() == 0:
        return
    for item in items:
        for ring, reason in NEEDS_ROOT.items():
            if item.get_closest_marker(ring):
                item.add_marker(pytest.mark.skip(reason=reason))
