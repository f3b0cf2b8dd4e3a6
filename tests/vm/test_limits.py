"""Limits of rates on a kernel whose modules for them are not there."""

from collections.abc import Iterator

import pytest

from plugin.errors import Unsupported
from tests.kernel.container import sh
from tests.kernel.pynet import Pynet
from tests.unit import requests as rq

LOADER = "/proc/sys/kernel/modprobe"


@pytest.fixture
def limited(pynet: Pynet) -> Iterator[Pynet]:
    """Pynet on a kernel that loads no module any more, after all but those for limits were needed."""
    pynet.driver.create_network(rq.network(rq.OTHER_ID, "10.8.0.1/24"))
    loader = sh(f"cat {LOADER}").strip()
    sh("busybox rmmod sch_tbf ifb 2>/dev/null || true")
    assert not {"sch_tbf", "ifb"} & {line.split()[0] for line in sh("cat /proc/modules").splitlines()}
    sh(f"echo /nowhere >{LOADER}")
    yield pynet
    sh(f"echo {loader} >{LOADER}")


@pytest.mark.parametrize(
    ("option", "part"), [("rate_in", r"token buckets \(sch_tbf\)"), ("rate_out", "module ifb")], ids=["tbf", "ifb"]
)
def test_a_kernel_without_the_parts_refuses_a_limit(limited: Pynet, option: str, part: str) -> None:
    """The sentence names option and part; nothing is made, and a network without a limit works."""
    before = sh("ls /sys/class/net")
    with pytest.raises(Unsupported, match=f"'pynet.{option}' needs a part that this kernel does not have.*{part}"):
        limited.driver.create_network(rq.network(options={f"pynet.{option}": "10mbit"}))
    assert sh("ls /sys/class/net") == before

    limited.driver.create_network(rq.network())
