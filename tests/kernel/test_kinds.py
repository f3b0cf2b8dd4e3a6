"""Kinds of links that a kernel has or lacks."""

import subprocess

import pytest

from tests.kernel.container import sh
from tests.kernel.pynet import Pynet


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan", "vlan", "none"])
def test_the_kernel_is_asked_for_a_kind(pynet: Pynet, kind: str) -> None:
    """The answer is that of iproute2, and nothing is made."""
    before = sh("ip link")
    asked = subprocess.run(["ip", "link", "add", "x", "type", kind], capture_output=True, text=True, check=False)

    assert pynet.kernel.has_kind(kind) is ("Unknown device type" not in asked.stderr)
    assert sh("ip link") == before
